"""Wycheproof's JWS, JWK set and JWE files, with both ways of reading JSON and base64url."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from parsers import PARSERS, use
from published import rows

from farsign import jwk, jws, jwt
from farsign._base.algorithms import JOSE
from farsign.errors import FarsignError, InvalidToken

# Labels that a strict verifier cannot follow, and what it does instead.
OVERLAY = {
    367: (True, "byte for byte the valid 357 (C2SP/wycheproof#236)"),
    370: (True, "byte for byte the valid 357 (C2SP/wycheproof#236)"),
    372: (False, "the MAC is not that of the signing input"),
    373: (False, "the MAC is not that of the signing input"),
    346: (False, "the key is for PS256, the token says PS384 (RFC 8725 3.1)"),
    350: (False, "the key is for PS256, the token says PS384 (RFC 8725 3.1)"),
    347: (False, "the key is for ES521, which is no algorithm"),
    351: (False, "the key is for ES521, which is no algorithm"),
}
EVERY_ALGORITHM = tuple(JOSE)


@pytest.fixture(params=PARSERS)
def _parsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use(request.param, monkeypatch)


def key_of(group: dict[str, Any]) -> jwk.Key:
    members = group.get("public", group["private"])
    silent_rsa = members["kty"] == "RSA" and "alg" not in members
    return jwk.Key.parse(members, alg="RS256" if silent_rsa else None)


def accepted(group: dict[str, Any], token: object, algorithms: Iterable[str] | None) -> bool:
    """Whether the token verifies. What is raised otherwise is farsign's own; pytest shows anything else."""
    try:
        key = key_of(group)
        jws.verify(token, key, algorithms=algorithms and tuple(algorithms))  # type: ignore[arg-type]  # one of them is no token at all
    except FarsignError:
        return False
    return True


@pytest.mark.usefixtures("_parsers")
@pytest.mark.parametrize("mode", ["pinned", "mixed"])
def test_jws(mode: str) -> None:
    """pinned: the caller names the key's algorithm; mixed: all that there are, a common mistake. The answers are the same."""
    wrong, count = [], {True: 0, False: 0}
    for group, test in rows("json_web_signature"):
        expected = OVERLAY.get(test["tcId"], (test["result"] == "valid", ""))[0]
        got = accepted(group, test["jws"], EVERY_ALGORITHM if mode == "mixed" else None)
        count[got] += 1
        if got != expected:
            wrong.append((test["tcId"], test["comment"]))
    assert wrong == []
    assert count == {True: 42, False: 359}


def test_the_overlay_is_right() -> None:
    tests = {test["tcId"]: (group, test) for group, test in rows("json_web_signature")}
    for identical in (367, 370):
        assert tests[identical][1]["jws"] == tests[357][1]["jws"]
        assert (tests[identical][1]["result"], tests[357][1]["result"]) == ("invalid", "valid")
    assert all(tests[number][1]["result"] == "valid" for number in (346, 347, 350, 351, 372, 373))
    assert {tests[number][0]["public"]["alg"] for number in (346, 350)} == {"PS256"}
    assert {tests[number][0]["public"]["alg"] for number in (347, 351)} == {"ES521"}


@pytest.mark.usefixtures("_parsers")
def test_rejections_have_many_reasons() -> None:
    """A verifier that refuses all of a file for one wrong reason would pass above."""
    codes = set()
    for group, test in rows("json_web_signature"):
        try:
            jws.verify(test["jws"], key_of(group))
        except FarsignError as error:
            codes.add(error.code)
    assert codes >= {"signature", "malformed", "token-alg", "key"}


@pytest.mark.usefixtures("_parsers")
def test_jwk_sets() -> None:
    wrong = []
    for group, test in rows("json_web_key"):
        document = json.dumps(group.get("public", group["private"]))
        try:
            jws.verify(test["jws"], jwk.KeySet.parse(document))
            got = True
        except FarsignError:
            got = False
        if got != (test["result"] == "valid"):
            wrong.append((test["tcId"], test["comment"]))
    assert wrong == []
    assert sum(1 for _ in rows("json_web_key")) == 26


@pytest.mark.usefixtures("_parsers")
def test_combined_file() -> None:
    """json_web_crypto holds the tests of the two files above once more, and JWEs."""
    count = 0
    for group, test in rows("json_web_crypto"):
        if "jws" not in test:
            continue
        members = group.get("public", group["private"])
        try:
            keys = jwk.KeySet.parse(members) if "keys" in members else key_of(group)
            jws.verify(test["jws"], keys)
            got = True
        except FarsignError:
            got = False
        assert got == (test["result"] == "valid"), test["tcId"]
        count += 1
    assert count == 49


def test_no_jwe_is_a_jws() -> None:
    """Checklist 24: encrypted tokens, compact and JSON, handed to everything that verifies."""
    key = jwk.Key.from_secret(bytes(32), alg="HS256")
    count = 0
    for name in ("json_web_encryption", "json_web_crypto"):
        for _, test in rows(name):
            if (token := test.get("jwe")) is None:
                continue
            count += 1
            for refuse in (jws.verify, jwt.decode, jws.verify_json, jws.verify_general):
                with pytest.raises(InvalidToken):
                    refuse(token, key)
    assert count == 139 + 34
