"""``farsign emulate awskms`` for others: the AWS command line and AWS's SDK for JavaScript, with nothing but the variables that it prints."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from emulating import emulating

import farsign
from farsign.testing.conformance._verify import is_valid

MESSAGE = b"the same message in every language"
KEYS = ("ES256:es", "EdDSA:ed", "PS384:ps", "ML-DSA-65:ml")
ROLE = "arn:aws:iam::111122223333:role/signer"


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Any]]:
    with emulating("awskms", *(part for key in KEYS for part in ("--key", key))) as said:
        yield said


@pytest.fixture
def environment(running: dict[str, Any], no_settings: Path) -> dict[str, str]:
    """This process's own, without AWS settings, and what the emulator says to export."""
    return {**os.environ, **running["environment"]}


# -- the command line -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def aws(environment: dict[str, str]) -> Callable[..., Any]:
    program = os.environ.get("FARSIGN_TEST_AWS_CLI") or shutil.which("aws")
    if not program:
        pytest.skip("the AWS command line is not here: pip install awscli, or name it in FARSIGN_TEST_AWS_CLI")

    def run(*arguments: str, fails: bool = False) -> Any:
        command = [program, *arguments, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if fails:
            assert done.returncode
            return done.stderr
        assert not done.returncode, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


COMMANDS = re.compile(r"^(aws|farsign) .*", re.M)


@pytest.mark.parametrize("page", ["docs/aws.md", "README.md"])
def test_the_commands_that_make_a_key_in_a_real_account(
    page: str, aws: Callable[..., Any], running: dict[str, Any], environment: dict[str, str]
) -> None:
    """As a new user pastes them, one after the other; only the account is the emulator."""
    environment |= {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    text = (Path(__file__).parents[3] / page).read_text()
    commands = [
        match[0] for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S) for match in COMMANDS.finditer(block)
    ]
    commands = [command for command in commands if command.startswith("aws ") or "awskms:" in command]
    made: list[str] = []
    for command in commands:
        for placeholder in ("NEW_KEY_ID", "KEY_ID", "mrk-..."):
            command = command.replace(placeholder, made[-1] if made else "")
        program, *words = shlex.split(command, comments=True)
        if program == "aws":
            answer = aws(*words)
            made += [answer["KeyMetadata"]["KeyId"]] if words[1] == "create-key" else []
        else:
            at = f"{words[-1]}&endpoint={running['url']}&auth=emulator"
            with farsign.open_signer(at, policy=farsign.Policy(timeout=20.0, attempt_timeout=10.0)) as signer:
                signer.check()
    assert {"create-key", "create-alias", "check"} <= {
        command.split()[2 if command.startswith("aws") else 1] for command in commands
    }
    aws("kms", "delete-alias", "--alias-name", "alias/auth")


def test_the_command_line_makes_a_key_that_farsign_signs_with(aws: Callable[..., Any], running: dict[str, Any]) -> None:
    made = aws("kms", "create-key", "--key-spec", "ECC_NIST_P256", "--key-usage", "SIGN_VERIFY", "--description", "by hand")
    key_id = made["KeyMetadata"]["KeyId"]
    aws("kms", "create-alias", "--alias-name", "alias/made", "--target-key-id", key_id)
    with farsign.open_signer(f"awskms:///alias/made?region=us-east-1&endpoint={running['url']}&auth=emulator") as signer:
        assert signer.check().version == made["KeyMetadata"]["Arn"]
    aws("kms", "disable-key", "--key-id", key_id)
    refusal = aws("kms", "get-public-key", "--key-id", "alias/none", fails=True)
    assert "(NotFoundException)" in refusal
    assert "alias/none is not found" in refusal


def test_the_command_line_signs_and_farsign_knows_the_key(
    aws: Callable[..., Any], running: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    arguments = ("--key-id", "alias/es", "--message", f"fileb://{file}", "--signing-algorithm", "ECDSA_SHA_256")
    reply = aws("kms", "sign", *arguments)
    public = load_der_public_key(base64.b64decode(aws("kms", "get-public-key", "--key-id", "alias/es")["PublicKey"]))
    signature = base64.b64decode(reply["Signature"])
    with farsign.open_signer(running["keys"][0]) as signer:
        assert signer.key().version == reply["KeyId"]
        assert signer.key().public_key() == public
    (tmp_path / "signature").write_bytes(signature)
    proof = ("--signature", f"fileb://{tmp_path / 'signature'}")
    assert aws("kms", "verify", *arguments, *proof)["SignatureValid"] is True
    file.write_bytes(MESSAGE + b"!")
    assert "KMSInvalidSignatureException" in aws("kms", "verify", *arguments, *proof, fails=True)


def test_the_command_line_assumes_a_role_and_lists(aws: Callable[..., Any]) -> None:
    assert aws("sts", "get-caller-identity")["Account"] == "111122223333"
    assert aws("sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "cli")["Credentials"]["SessionToken"]
    assert {row["AliasName"] for row in aws("kms", "list-aliases")["Aliases"]} >= {"alias/es", "alias/ed", "alias/ps", "alias/ml"}
    assert len(aws("kms", "list-keys", "--page-size", "2")["Keys"]) >= len(KEYS)


# -- JavaScript -----------------------------------------------------------------------------------------------------------------


def test_the_sdk_for_javascript(environment: dict[str, str], running: dict[str, Any]) -> None:
    modules, node = os.environ.get("FARSIGN_TEST_NODE_MODULES"), shutil.which("node")
    if not (modules and node and (Path(modules) / "@aws-sdk" / "client-kms").exists()):
        pytest.skip(
            "AWS's SDK for JavaScript is not here: npm install --prefix DIR @aws-sdk/client-kms, "
            "then FARSIGN_TEST_NODE_MODULES=DIR/node_modules"
        )
    script = Path(__file__).with_name("sign_with_sdk.mjs")
    done = subprocess.run([node, str(script), modules], env=environment, capture_output=True, text=True, timeout=60)
    assert not done.returncode, done.stderr
    seen = json.loads(done.stdout)
    errors = {"disabled": "DisabledException", "missing": "NotFoundException", "stranger": "InvalidSignatureException"}
    assert {what: seen[what] for what in errors} == errors
    assert abs(time.time() - seen["created"]) < 3600
    for uri, alias, algorithm in zip(running["keys"], ("es", "ed", "ps"), ("ES256", "EdDSA", "PS384"), strict=False):
        with farsign.open_signer(uri) as signer:
            key = signer.key()
        assert seen[alias]["valid"] is True
        assert seen[alias]["arn"] == key.version
        signature = base64.b64decode(seen[alias]["signature"])
        if algorithm == "ES256":  # DER on the wire
            key.public_key().verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
        else:
            assert is_valid(key.public_key(), algorithm, signature, MESSAGE)
