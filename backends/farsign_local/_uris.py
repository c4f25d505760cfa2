"""What a ``memory:`` and a ``file:`` URI may say. No I/O."""

from __future__ import annotations

from typing import Final

from farsign.driver import KeyURI

DEFAULT_ALG: Final = "ES256"  # of a memory: key


def check(uri: KeyURI) -> KeyURI:
    """The canonical form. Raises InvalidKeyURI."""
    return _memory(uri) if uri.scheme == "memory" else _file(uri)


def _memory(uri: KeyURI) -> KeyURI:
    uri = uri.check(version=int)
    if uri.authority is not None:
        raise uri.refuse("has slashes after its scheme", "write memory:NAME, or memory:NAME?alg=RS256")
    if uri.kid and not uri.get("version"):
        raise uri.refuse(
            "has kid=, which names one key version, and a memory: key can be rotated", f"append version=1, or {_NO_KID}"
        )
    return uri if uri.alg else uri.replace(parameters={"alg": DEFAULT_ALG, **uri.parameters})  # it is part of the key's name


def _file(uri: KeyURI) -> KeyURI:
    uri = uri.check()
    if uri.authority is None:
        raise uri.refuse("has no absolute path", "write file:///etc/app/key.pem")
    if uri.authority:
        raise uri.refuse("has a host", "write three slashes: file:///etc/app/key.pem")
    if uri.kid:
        raise uri.refuse("has kid=, which names one key version, and a file can be rewritten", _NO_KID)
    return uri


_NO_KID: Final = "leave kid= out: the thumbprint is used"


def explain(uri: KeyURI) -> list[tuple[str, str]]:
    if uri.scheme == "memory":
        return [("name", f"{uri.path or 'none'}, a key that this process makes and forgets")]
    return [("file", f"/{uri.path}, read again on each look-up")]
