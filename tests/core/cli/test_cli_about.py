"""``farsign backends`` and ``farsign uri``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from farsign._plugin import discovery

Run = Callable[..., Any]


def test_backends_lists_what_is_installed(run: Run) -> None:
    outcome = run("backends")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line.split() for line in outcome.out.splitlines()]
    assert rows[0] == ["scheme", "distribution", "needs", "state"]
    assert ["file", "farsign", "-", "installed"] in rows
    assert ["memory", "farsign", "-", "installed"] in rows


def test_backends_says_how_to_get_a_missing_sdk(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "installed", lambda: [discovery.Installed("awskms", "farsign", False, "boto3")])
    assert "awskms  farsign       boto3  missing: pip install 'farsign[aws]'" in run("backends").out


def test_backends_as_json(run: Run) -> None:
    rows = run("backends", "--json").json()
    assert {"scheme": "file", "distribution": "farsign", "present": True, "needs": ""} in rows


def test_uri_explains(run: Run, read_fields: Callable[[str], dict[str, str]]) -> None:
    outcome = run("uri", "file:/etc/app/a%20b.pem?alg=RS256&thumbprint=NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    assert outcome.code == 0
    explained = read_fields(outcome.out)
    assert explained["canonical"] == (
        "'file:///etc/app/a%20b.pem?alg=RS256&thumbprint=NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'"  # RULES 35
    )
    assert explained["file"] == "/etc/app/a b.pem, read again on each look-up"
    assert explained["alg"] == "RS256  (the algorithm to sign with)"


def test_uri_as_json(run: Run) -> None:
    assert run("uri", "memory:x", "--json").json() == {
        "canonical": "memory:x?alg=ES256",
        "dialect": "memory",
        "scheme": "memory",
        "authority": None,
        "path": "x",
        "parameters": {"alg": "ES256"},
        "means": {"name": "x, a key that this process makes and forgets"},
    }


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (
            "aws-kms://arn:aws:kms:eu-west-1:111122223333:alias/auth",
            {
                "scheme": "aws-kms, which is another name for awskms",
                "key": "alias/auth, which can be moved; a new target signs once verifiers can know it",
                "account": "111122223333",
                "region": "eu-west-1",
            },
        ),
        (
            "awskms:///mrk-1234abcd12ab34cd56ef1234567890ab?region=eu-west-1,us-east-1",
            {"key": "mrk-1234abcd12ab34cd56ef1234567890ab", "region": "eu-west-1, then us-east-1"},
        ),
        (
            "gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/k/versions/3",
            {"project": "p", "location": "global", "key ring": "r", "key": "k", "version": "3"},
        ),
        (
            "azurekms://acme/auth?tenant=acme.example",
            {
                "vault": "acme.vault.azure.net",
                "key": "auth",
                "version": "the newest enabled, once verifiers can know it",
                "tenant": "acme.example",
            },
        ),
        ("hashivault://auth?mount=keys", {"addr": "what VAULT_ADDR says", "mount": "keys", "key": "auth"}),
    ],
)
def test_uri_says_what_each_part_means(
    uri: str, expected: dict[str, str], run: Run, read_fields: Callable[[str], dict[str, str]]
) -> None:
    outcome = run("uri", uri)
    assert outcome.code == 0, outcome.err
    assert expected.items() <= read_fields(outcome.out).items()


@pytest.mark.parametrize(
    "uri", ["", "nonsense", "acme:x", "file:///x?alg=HS256", "file://user:hunter2@h/x", "file:///x?pin=hunter2"]
)
def test_a_bad_uri_is_2_with_a_next_step(uri: str, run: Run) -> None:
    outcome = run("uri", uri)
    assert (outcome.code, outcome.out) == (2, "")
    assert "\n  next: " in outcome.err
    assert "hunter2" not in outcome.err
