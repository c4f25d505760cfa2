"""What must hold for any bytes: a verifying function returns what a key has signed, or raises farsign's own error; a key set likewise."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from fuzzseeds import seeds

from farsign import errors, jwk, jws, jwt

Signed = tuple[bytes, str]  # payload, protected header


class Finding(AssertionError):
    """Something else was accepted than what was signed."""


@cache
def _originals() -> dict[str, Signed]:
    return {seed.token: _signed(jws.verify(seed.token, seed.key)) for seed in seeds()}


@cache
def _signed_before() -> frozenset[Signed]:
    return frozenset(_originals().values())


@cache
def verifiers() -> tuple[object, ...]:
    """Sets and single keys. Some of the seeds share a kid, so there are several sets."""
    sets: list[dict[str, jwk.Key]] = []
    for seed in seeds():
        for collected in sets:
            kinds = {key.native is None for key in collected.values()}
            if seed.key.kid is not None and seed.key.kid not in collected and kinds == {seed.key.native is None}:
                collected[seed.key.kid] = seed.key
                break
        else:
            sets.append({seed.key.kid or "": seed.key})
    return (*(jwk.KeySet(collected.values()) for collected in sets if len(collected) > 1), *(seed.key for seed in seeds()))


def _signed(verified: jws.Verified) -> Signed:
    return verified.payload, json.dumps(verified.header, sort_keys=True)


def check_token(token: bytes, keys: object, payload: bytes, turn: int) -> str:
    """Give a token to ``verify``, to ``decode`` and, by turns, to one of the others. Returns how ``verify`` answered."""
    text: Any = token if turn & 1 else token.decode("utf-8", "surrogateescape")
    outcome = _outcome(lambda: [jws.verify(text, keys)])
    if outcome == "accepted" and token.decode() not in _originals():
        raise Finding("a token was accepted that nobody made")
    _claims(text, keys)
    with suppress(errors.InvalidToken):
        jws.unverified_header(text)
    _outcome(OTHERS[turn % len(OTHERS)](token, keys, payload))
    return outcome


def _outcome(verify: Callable[[], list[jws.Verified] | tuple[jws.Verified, ...]]) -> str:
    try:
        accepted = verify()
    except errors.InvalidToken as error:
        return error.code
    if not {_signed(verified) for verified in accepted} <= _signed_before():
        raise Finding("what was accepted is not what was signed")
    return "accepted"


def _claims(token: Any, keys: object) -> None:
    try:
        claims = jwt.decode(token, keys, any_audience=True, now=0)
    except errors.InvalidToken:
        return
    if json.dumps(claims, sort_keys=True) not in {_canonical(payload) for payload, _ in _signed_before()}:
        raise Finding("claims were accepted that nobody signed")


@cache
def _canonical(payload: bytes) -> str:
    try:
        return json.dumps(json.loads(payload), sort_keys=True)
    except ValueError:
        return ""


def _flattened(token: bytes) -> dict[str, Any]:
    header, _, rest = token.decode("latin-1").partition(".")
    payload, _, signature = rest.rpartition(".")
    return {"payload": payload, "protected": header, "signature": signature}


def _general(token: bytes) -> dict[str, Any]:
    flattened = _flattened(token)
    return {"payload": flattened.pop("payload"), "signatures": [flattened, *([flattened] if len(token) & 1 else [])]}


def _without_payload(token: bytes) -> bytes:
    header, _, rest = token.partition(b".")
    return header + b".." + rest.rpartition(b".")[2]


def _one(verify: Callable[..., jws.Verified], *arguments: Any) -> Callable[[], list[jws.Verified]]:
    return lambda: [verify(*arguments)]


Other = Callable[[bytes, object, bytes], Callable[[], "list[jws.Verified] | tuple[jws.Verified, ...]"]]
OTHERS: tuple[Other, ...] = (
    lambda token, keys, payload: _one(jws.verify_detached, _without_payload(token), payload, keys),
    lambda token, keys, payload: _one(jws.verify_unencoded, _without_payload(token), payload, keys),
    lambda token, keys, payload: _one(jws.verify_unencoded, token, None, keys),
    lambda token, keys, payload: _one(jws.verify_json, json.dumps(_flattened(token)), keys),
    lambda token, keys, payload: _one(jws.verify_unencoded_json, _flattened(token), keys),
    lambda token, keys, payload: lambda: jws.verify_general(_general(token), keys),
    lambda token, keys, payload: lambda: jws.verify_general(json.dumps(_general(token)), keys, minimum=1),
    lambda token, keys, payload: _one(jws.verify_json, token, keys),
    lambda token, keys, payload: lambda: jws.verify_general(token, keys),
)


def written_for(turn: int, token: str) -> bytes | None:
    """A token as the JSON document that the last two of these read, when it is their turn."""
    form = {len(OTHERS) - 2: _flattened, len(OTHERS) - 1: _general}.get(turn % len(OTHERS))
    return form and json.dumps(form(token.encode())).encode()


def check_key_set(document: bytes) -> str:
    """Parse a JWKS. Returns "accepted", "partly", or the error's code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jwk.WeakKeyWarning)
        try:
            keys = jwk.KeySet.parse(document)
        except errors.ConfigurationError as error:
            return error.code
        _check_kept(keys)
    return "partly" if keys.skipped else "accepted"


def _check_kept(keys: jwk.KeySet) -> None:
    named = [key.kid for key in keys if key.kid is not None]
    if len(keys) > 100 or len(set(named)) != len(named) or len({key.native is None for key in keys}) != 1:
        raise Finding("a key set was accepted that should have been refused whole")
    for key in keys:
        if key.native is not None:
            again = jwk.Key.parse(key.jwk())
            if again.thumbprint != key.thumbprint or again.algorithm != key.algorithm:
                raise Finding("a key does not survive export and import")


def told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in Counter(counts).most_common())
