"""``farsign check`` on every cloud: what a key is; exit 3 with the next step if it cannot be used, exit 2 if the URI is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import farsign
from farsign._plugin.discovery import installed
from farsign.cli import main
from farsign.errors import AlgorithmNotSupported
from farsign.testing.emulator import Emulator

SCHEMES = sorted({row.scheme for row in installed() if row.present} - {"file", "memory"})
Emulators = Callable[..., Emulator]
# the situation, which call meets it -> class and code on the first line, and whether the permission has to be named
REFUSALS = {
    ("denied", "describe"): ("PermissionDenied [denied]", True),
    ("denied", "sign"): ("PermissionDenied [denied]", True),
    ("disabled", "sign"): ("KeyDisabled [disabled]", False),
    ("not-found", "describe"): ("KeyNotFound [not-found]", False),
    ("credentials-expired", "sign"): ("CredentialsExpired [credentials-expired]", False),
}


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_a_key_is(scheme: str, algorithm: str, emulator: Emulators, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        key = emulator(scheme).create_key(algorithm)
    except AlgorithmNotSupported as error:
        pytest.skip(str(error))
    assert main(["check", key.uri, "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert err == ""
    assert (said["algorithm"], said["version"]) == (algorithm, key.version)
    assert said["kid"] == said["thumbprint"]
    assert said["protection"] in ("hsm", "software")
    assert min(said[step] for step in ("resolve_ms", "sign_ms", "verify_ms")) >= 0


@pytest.mark.parametrize("situation", REFUSALS, ids=" ".join)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_why_it_cannot_be_used(
    scheme: str, situation: tuple[str, str], emulator: Emulators, capsys: pytest.CaptureFixture[str]
) -> None:
    name, operation = situation
    head, permission = REFUSALS[situation]
    running = emulator(scheme)
    key = running.create_key("ES256")
    running.faults.error(operation, name)
    assert main(["check", key.uri, "--timeout", "5s"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    *warnings, last = err.split(head)  # such as "versions may not be listed", on the way
    assert len(warnings) == 1
    assert all(line.startswith("warning: ") for line in warnings[0].splitlines())
    (_, step) = last.strip().split("\n  next: ")
    assert not permission or "allow" in step


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_rsa_key_asks_for_its_algorithm(scheme: str, emulator: Emulators, capsys: pytest.CaptureFixture[str]) -> None:
    """EXAMPLES 8. Where the key itself fixes it, there is nothing to ask."""
    uri = farsign.parse_uri(emulator(scheme).create_key("RS256").uri)
    without = {name: value for name, value in uri.parameters.items() if name != "alg"}
    code = main(["check", str(uri.replace(parameters=without))])
    err = capsys.readouterr().err
    if uri.alg is None:
        assert (code, err) == (0, "")
    else:
        assert code == 2
        assert err.startswith("AlgorithmRequired [alg-required]")
        assert "alg=RS256" in err


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_wrong_uri_is_two(scheme: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{scheme}://user:canary@h/k?colour=red"]) == 2
    err = capsys.readouterr().err
    assert "\n  next: " in err
    assert "canary" not in err
