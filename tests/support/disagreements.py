"""Why farsign and another verifier may answer differently: every disagreement has to be on this list.

STRICTER: what farsign refuses and others may take, by the number of the checklist's row. LOOSER: what another library refuses and farsign takes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from differential import NOW, Case

from farsign._base.encodings import b64url_decode

STRICTER: Mapping[str, str] = {
    "spelling": "8: base64url with unused bits, padding, spaces or of another alphabet would give one token several texts",
    "twice": "9: which of two members of one name counts differs between readers (RFC 7515 4, RFC 7519 4)",
    "encoding": "10: JSON in UTF-16, or with a byte order mark (RFC 8725 3.7)",
    "no JSON": "10: NaN, Infinity or a lone surrogate (RFC 8259)",
    "crit": "13: crit is empty, or names what the specifications define (RFC 7515 4.1.11)",
    "b64": "14: b64 is no boolean, or stands in a JWT (RFC 7797 7)",
    "kid": "16: the kid is no text, or that of another key: a kid that is there is compared",
    "date": "21: exp, nbf or iat is no number, or beyond 2^53",
    "iat": "21: iat lies in the future, as PyJWT has it",
    "text": "22: iss, sub, jti or a member of aud is no text (RFC 7519 4.1)",
    "typ": "23: a JWT of a type that nobody asked for (RFC 8725 3.11); a typ or cty that is no text",
    "nested": "23: cty says that there is another token inside",
    "enc": "24: an encrypted token's header on a signed one",
    "short": "27: an RSA signature shorter than the modulus (RFC 8017 8.1.2, 8.2.2)",
}
LOOSER: Mapping[str, Mapping[str, str]] = {
    "joserfc": {
        "unknown": "it refuses header members that it does not know; RFC 7515 4 says that they are ignored",
        "unused": "15: it looks at the form of jku, jwk, x5u and x5c, and refuses zip; farsign never uses what they say",
        "long": "12: it refuses headers of more than 512 bytes by default; farsign those of more than 8 KiB",
    },
    "panva": {},
}

_KNOWN = frozenset(["alg", "kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"])
_UNUSED = frozenset(["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip"])


def oddities(case: Case) -> set[str]:
    """What is odd about a token: names of STRICTER and LOOSER."""
    segments = [*case.token.split("."), "", ""]
    read = [_Read(_decoded(segment)) for segment in segments[:2]]
    found = read[0].odd | (read[1].odd if case.claims else set())
    found |= {name for name, fits in _OF_HEADERS.items() if fits(read[0].members, case)}
    if case.claims:
        found |= {name for name, fits in _OF_CLAIMS.items() if fits(read[1].members)}
    if len(segments[0]) > 512:
        found.add("long")
    if any(_respelled(segment) for segment in segments):
        found.add("spelling")
    if case.jwk["kty"] == "RSA" and len(_decoded(segments[2])) < len(b64url_decode(case.jwk["n"])):
        found.add("short")
    return found


class _Read:
    """A segment's JSON, read as forgivingly as anybody does."""

    def __init__(self, raw: bytes) -> None:
        self.odd: set[str] = set()
        self.members: dict[str, Any] = {}
        try:
            text = raw.decode(json.detect_encoding(raw), "surrogatepass")
            value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=self._object, parse_constant=self._constant)
        except (ValueError, RecursionError):
            return
        if text.encode() != raw or text.startswith("\ufeff") if _encodable(text) else True:
            self.odd.add("encoding")
        if not _encodable(json.dumps(value, ensure_ascii=False)):
            self.odd.add("no JSON")
        if isinstance(value, dict):
            self.members = value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            self.odd.add("twice")
        return dict(pairs)

    def _constant(self, name: str) -> float:
        self.odd.add("no JSON")
        return float(name)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoded(segment: str) -> bytes:
    try:
        return base64.urlsafe_b64decode("".join(segment.split()).rstrip("=") + "==")
    except ValueError:
        return b""


def _respelled(segment: str) -> bool:
    try:
        b64url_decode(segment)
    except ValueError:
        return True
    return False


def _is_date(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= 2**53  # NaN is in no range


def _is_jwt(text: str) -> bool:
    return text.lower().removeprefix("application/") == "jwt"


def _typ(header: dict[str, Any], case: Case) -> bool:
    texts = all(isinstance(header.get(name, ""), str) for name in ("typ", "cty"))
    return not texts or (case.claims and "typ" in header and not _is_jwt(header["typ"]))


_OF_HEADERS: Mapping[str, Callable[[dict[str, Any], Case], bool]] = {
    "crit": lambda header, case: header.get("crit", ["b64"]) != ["b64"] or ("crit" in header and "b64" not in header),
    "b64": lambda header, case: "b64" in header and (case.claims or header["b64"] is not True),
    "kid": lambda header, case: "kid" in header and header["kid"] != case.jwk.get("kid", header["kid"] or None),
    "typ": _typ,
    "nested": lambda header, case: case.claims and isinstance(header.get("cty"), str) and header["cty"].lower().endswith("jwt"),
    "enc": lambda header, case: "enc" in header,
    "unknown": lambda header, case: not header.keys() <= _KNOWN | _UNUSED,
    "unused": lambda header, case: not header.keys().isdisjoint(_UNUSED),
}
_OF_CLAIMS: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "date": lambda claims: any(name in claims and not _is_date(claims[name]) for name in ("exp", "nbf", "iat")),
    "iat": lambda claims: _is_date(claims.get("iat")) and claims["iat"] > NOW,
    "text": lambda claims: (
        not all(
            isinstance(text, str)
            for text in (*(claims.get(name, "") for name in ("iss", "sub", "jti")), *_listed(claims.get("aud", "")))
        )
    ),
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
