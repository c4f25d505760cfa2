"""``farsign check`` and its kin with AWS URIs: what it prints, what it says is missing, how it exits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import farsign
import farsign_aws
from farsign import errors, jwk, jws
from farsign.cli import main
from farsign_aws import _emulator_admin, _emulator_crypto
from farsign_aws._emulator import GRANTING, AwsEmulator


@pytest.fixture
def aws(emulator: Callable[..., AwsEmulator]) -> AwsEmulator:
    return emulator("awskms")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """run("check", uri) -> exit code, output, errors."""

    def once(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return once


def test_check_says_what_the_key_is(aws: AwsEmulator, run: Any) -> None:
    made = aws.create_key("ES256", alias="auth")
    code, out, _ = run("check", made.uri, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["version"] == made.version
    assert (told["algorithm"], told["protection"]) == ("ES256", "hsm")
    assert aws.calls("sign") == aws.calls("describe") == 1


@pytest.mark.parametrize("action", ["kms:GetPublicKey", "kms:Sign"])
def test_check_names_the_missing_permission_and_the_key(action: str, aws: AwsEmulator, run: Any) -> None:
    made = aws.create_key("ES256", alias="auth")
    aws.deny(action)
    code, out, err = run("check", made.uri)
    assert code == 3
    assert f"refused {action[4:]} on {made.version}" in err
    assert "allow kms:GetPublicKey and kms:Sign on that key ARN" in err
    assert made.version not in out


WRONG = [
    ("awskms:///alias/none?region=us-east-1&endpoint={url}&auth=emulator", 3, "not-found"),
    ("awskms:///alias/auth?region=us-east-1&endpoint=http://127.0.0.1:9&auth=emulator", 3, "unavailable"),
    ("awskms:///alias/auth?region=us-east-1&endpoint={url}", 2, "host-refused"),
    ("awskms:///alias/auth?region=us-east-1&auth=emulator", 2, "uri"),
    ("awskms:///alias/rsa?region=us-east-1&endpoint={url}&auth=emulator", 2, "alg-required"),
    ("awskms:///alias/auth?region=us-east-1&endpoint={url}&auth=emulator&alg=ES384", 2, "alg"),
]


@pytest.mark.parametrize(("uri", "expected", "code"), WRONG, ids=[row[2] for row in WRONG])
def test_check_says_what_is_wrong(uri: str, expected: int, code: str, aws: AwsEmulator, run: Any, no_settings: object) -> None:
    for algorithm, alias in (("ES256", "auth"), ("RS256", "rsa")):
        aws.create_key(algorithm, alias=alias)
    exit_code, _, err = run("check", uri.format(url=aws.url))
    assert (exit_code, f"[{code}]" in err) == (expected, True), err
    assert "next:" in err


def test_a_refused_loopback_says_what_to_write(
    aws: AwsEmulator, run: Any, no_settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who exported what the emulator printed has an endpoint in the environment; the next step can be pasted."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    aws.create_key("ES256", alias="auth")
    _, _, err = run("check", "awskms:///alias/auth")
    assert f"endpoint={aws.url}&auth=emulator" in err
    assert run("check", f"awskms:///alias/auth?region=us-east-1&endpoint={aws.url}&auth=emulator")[0] == 0


def test_public_keys_and_tokens(aws: AwsEmulator, run: Any) -> None:
    uris = [aws.create_key("ES256", alias="old").uri, aws.create_key("RS256", alias="new").uri]
    document = json.loads(run("jwks", *uris)[1])
    assert [key["alg"] for key in document["keys"]] == ["ES256", "RS256"]
    token = run("sign", uris[0], "--claims", '{"sub":"42"}', "--expires-in", "5m")[1].strip()
    assert jws.verify(token, jwk.KeySet.parse(document)).header["kid"] == document["keys"][0]["kid"]
    assert run("public-key", uris[0], "--format", "pem")[1].startswith("-----BEGIN PUBLIC KEY-----")


ROOT = Path(__file__).parents[3]
EVERYTHING = {*_emulator_admin.OTHERS, *_emulator_admin.ON_ONE_KEY, *GRANTING, *_emulator_crypto.OPERATIONS}
POLICIES = {"README.md": ROOT / "README.md", "docs/aws.md": ROOT / "docs/aws.md", "the module": Path(farsign_aws.__file__)}


@pytest.mark.parametrize("where", POLICIES)
def test_the_policy_to_paste_is_enough_and_no_more_than_that(where: str, aws: AwsEmulator) -> None:
    """All else is refused, and all works; each of its actions is needed."""
    listed = re.findall(r'"Action": (\[[^]]*\])', POLICIES[where].read_text())
    assert listed
    made = aws.create_key("ES256", alias="auth")
    for actions in map(json.loads, listed):
        for operation in EVERYTHING - {action.removeprefix("kms:") for action in actions}:
            aws.deny(f"kms:{operation}")
        with farsign.open_signer(made.uri) as signer:
            signer.check()
        for action in actions:
            aws.deny(action)
            with farsign.open_signer(made.uri) as signer, pytest.raises(errors.PermissionDenied) as caught:
                signer.check()
            assert action.removeprefix("kms:") in str(caught.value)
            aws.allow(action)
