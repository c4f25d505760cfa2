"""docs/migrating.md: its blocks are run by test_pages.py; here is its table of differences, asked of each library."""

from __future__ import annotations

import hmac
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest

import farsign
from farsign import jwk, jwt
from farsign._base.encodings import b64url_encode

PAGE = (Path(__file__).parent.parent.parent / "docs" / "migrating.md").read_text()
SECRET = bytes(range(32))
Decode = Callable[[str, "str | None"], dict[str, Any]]


def token(claims: bytes, header: bytes = b'{"alg":"HS256"}') -> str:
    signing_input = f"{b64url_encode(header)}.{b64url_encode(claims)}"
    return f"{signing_input}.{b64url_encode(hmac.digest(SECRET, signing_input.encode(), 'sha256'))}"


def by_pyjwt(text: str, audience: str | None) -> dict[str, Any]:
    return pyjwt.decode(text, SECRET, algorithms=["HS256"], audience=audience)


def by_joserfc(text: str, audience: str | None) -> dict[str, Any]:
    from joserfc import jwt as theirs
    from joserfc.jwk import OctKey

    read = theirs.decode(text, OctKey.import_key(SECRET), algorithms=["HS256"])
    expected: Any = {"aud": {"essential": True, "value": audience}} if audience else {}
    theirs.JWTClaimsRegistry(**expected).validate(read.claims)
    return read.claims


def by_python_jose(text: str, audience: str | None) -> dict[str, Any]:
    from jose import jwt as theirs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # utcnow
        claims: dict[str, Any] = theirs.decode(text, SECRET, algorithms=["HS256"], audience=audience)
    return claims


def by_farsign(text: str, audience: str | None) -> dict[str, Any]:
    return jwt.decode(text, jwk.Key.from_secret(SECRET, alg="HS256"), audience=audience)


LIBRARIES: dict[str, tuple[str, Decode]] = {
    "PyJWT": ("jwt", by_pyjwt),
    "joserfc": ("joserfc", by_joserfc),
    "python-jose": ("jose", by_python_jose),
    "here": ("farsign", by_farsign),
}
QUESTIONS: dict[str, tuple[str, str | None]] = {
    "`aud` in the token, none expected": (token(b'{"aud":"api"}'), None),
    "expected `aud` missing in the token": (token(b'{"sub":"42"}'), "api"),
    "`typ: at+jwt`": (token(b"{}", b'{"alg":"HS256","typ":"at+jwt"}'), None),
    "a JSON member twice": (token(b'{"sub":"1","sub":"2"}'), None),
}


def told(question: str, library: str) -> str:
    heads, *rows = ([cell.strip() for cell in line.split("|")] for line in re.findall(r"^\|(.*)\|$", PAGE, re.M))
    return next(row for row in rows if row[0] == question)[heads.index(library)]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_table_says_what_each_library_does(library: str, question: str) -> None:
    module, decode = LIBRARIES[library]
    pytest.importorskip(module)
    text, audience = QUESTIONS[question]
    answer, said = _answer(decode, text, audience), told(question, library)
    if said.startswith("refused"):
        assert isinstance(answer, Exception)
        assert library != "here" or isinstance(answer, farsign.InvalidToken)
    else:
        assert said == ("the last counts" if "twice" in question else "accepted")
        assert isinstance(answer, dict), answer
        assert "twice" not in question or answer["sub"] == "2"


def _answer(decode: Decode, text: str, audience: str | None) -> dict[str, Any] | Exception:
    try:
        return decode(text, audience)
    except Exception as error:
        return error
