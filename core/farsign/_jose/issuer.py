"""``Issuer``: several signers, of which the first signs and all are published and accepted. Rotation is an edit of the list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from farsign import jwk
from farsign._base.policy import Policy
from farsign._base.uri import KeyURI
from farsign._signer.signer import Signer, open_signer
from farsign._signer.signing_key import SigningKey
from farsign.errors import ConfigurationError, InvalidKeyURI, KeyIDConflict
from farsign.jwk import KeySet


class Issuer:
    """Open one per process. Pending versions are published from first sight, retired ones until their last token has expired."""

    def __init__(self, signers: Sequence[Signer]) -> None:
        if not signers:
            raise ConfigurationError(
                "an issuer needs at least one key", next_step="give one URI or several, the signing one first"
            )
        self.signers = tuple(signers)
        self._published: tuple[tuple[SigningKey, ...], KeySet] | None = None

    @property
    def signer(self) -> Signer:
        """The one that signs."""
        return self.signers[0]

    def key(self, *, timeout: float | None = None) -> SigningKey:
        """The key that signs now. Raises what ``Signer.key`` raises."""
        return self.signer.key(timeout=timeout)

    async def akey(self, *, timeout: float | None = None) -> SigningKey:
        """As ``key``."""
        return await self.signer.akey(timeout=timeout)

    def keys(self, *, timeout: float | None = None) -> KeySet:
        """What tokens of this issuer are verified with. No I/O once all members have been resolved.

        Raises KeyIDConflict if two keys would share a kid, ProviderError if a member has never been resolved and cannot be now.
        """
        return self._key_set([signer.published(timeout=timeout) for signer in self.signers])

    async def akeys(self, *, timeout: float | None = None) -> KeySet:
        """As ``keys``."""
        return self._key_set([await signer.apublished(timeout=timeout) for signer in self.signers])

    def jwks(self, *, include: str | None = None, timeout: float | None = None) -> dict[str, Any]:
        """The JWKS to serve (RFC 7517 5). ``include="all"`` adds ML-DSA and secp256k1 keys, for which some verifiers refuse the set.

        Raises what ``keys`` raises, and ConfigurationError if the key that signs would be left out.
        """
        keys = self.keys(timeout=timeout)
        return jwk.document(keys, include=include, signing=self.key(timeout=timeout).kid)

    async def ajwks(self, *, include: str | None = None, timeout: float | None = None) -> dict[str, Any]:
        """As ``jwks``."""
        keys = await self.akeys(timeout=timeout)
        return jwk.document(keys, include=include, signing=(await self.akey(timeout=timeout)).kid)

    def check(self, *, timeout: float | None = None) -> None:
        """Resolve all, sign once with the first and verify: for start-up hooks. Raises what stands in the way."""
        self.signer.check(timeout=timeout)
        self.keys(timeout=timeout)

    async def acheck(self, *, timeout: float | None = None) -> None:
        """As ``check``."""
        await self.signer.acheck(timeout=timeout)
        await self.akeys(timeout=timeout)

    def close(self, *, timeout: float = 5.0) -> bool:
        """Close all. False: some calls still ran after ``timeout`` seconds."""
        closed = [signer.close(timeout=timeout) for signer in self.signers]
        return all(closed)

    async def aclose(self, *, timeout: float = 5.0) -> bool:
        """As ``close``."""
        closed = [await signer.aclose(timeout=timeout) for signer in self.signers]
        return all(closed)

    def __enter__(self) -> Issuer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Issuer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Issuer {' '.join(signer.name for signer in self.signers)}>"

    def _key_set(self, published: Sequence[tuple[SigningKey, ...]]) -> KeySet:
        flat = tuple(key for keys in published for key in keys)
        known = self._published
        if known is not None and known[0] == flat:
            return known[1]
        key_set = KeySet([jwk.Key.of(key) for key in _distinct(flat)])
        self._published = (flat, key_set)
        return key_set


def _distinct(keys: Iterable[SigningKey]) -> list[SigningKey]:
    """Each key once. The same kid for another key or algorithm would make tokens ambiguous (RULES 3)."""
    by_kid: dict[str, SigningKey] = {}
    for key in keys:
        other = by_kid.setdefault(key.kid, key)
        if (other.thumbprint, other.algorithm) != (key.thumbprint, key.algorithm):
            raise KeyIDConflict(
                f"{other.name} ({other.algorithm}) and {key.name} ({key.algorithm}) would both be published as kid {key.kid}"
            )
    return list(by_kid.values())


def open_issuer(
    uris: str | KeyURI | Iterable[str | KeyURI], *, policy: Policy | None = None, allow_hosts: Sequence[str] = ()
) -> Issuer:
    """An Issuer for one URI or several (a list, or text with spaces between them); the first signs. No network yet.

    Raises what ``open_signer`` raises.
    """
    opened: list[Signer] = []
    try:
        for uri in _listed(uris):
            _refuse_comma(uri)
            opened.append(open_signer(uri, policy=policy, allow_hosts=allow_hosts))
        return Issuer(opened)
    except BaseException:
        for signer in opened:
            signer.close()
        raise


_TWO_URIS: Final = re.compile(r"[,;][a-z][a-z0-9+.-]*:/")


def _refuse_comma(uri: str | KeyURI) -> None:
    if isinstance(uri, str) and _TWO_URIS.search(uri):
        raise InvalidKeyURI("one key URI seems to be two", next_step="separate them by white space, or give a list")


def _listed(uris: str | KeyURI | Iterable[str | KeyURI]) -> Iterable[str | KeyURI]:
    if isinstance(uris, str):
        return uris.split()
    if isinstance(uris, KeyURI):
        return [uris]
    if isinstance(uris, Iterable) and not isinstance(uris, (bytes, bytearray)):
        return uris
    raise InvalidKeyURI(
        f"an issuer is opened by one key URI or several, not {type(uris).__name__}",
        next_step="if they come from the environment: is the variable set?",
    )
