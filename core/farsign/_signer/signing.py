"""Take the key, build what its header decides, sign: one deadline, one set of counters, one rebuild if the key changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from farsign._base.uri import KeyURI
from farsign.errors import KeyChanged

from .funnel import Operation
from .signer import Signer
from .signing_key import SigningKey


class HasSigner(Protocol):
    @property
    def signer(self) -> Signer:
        """The one that signs (an Issuer's first)."""
        ...


Source = Signer | SigningKey | HasSigner
Prepare = Callable[[SigningKey], bytes]  # the signing input for that key


class Signed(NamedTuple):
    key: SigningKey
    signing_input: bytes
    signature: bytes  # JOSE encoding

    def __repr__(self) -> str:  # what was signed is in no log
        return f"Signed({self.key!r})"


def sign_with(source: Source, prepare: Prepare, *, timeout: float | None = None) -> Signed:
    """A header never disagrees with its signature: both come from one SigningKey. Raises what ``SigningKey.sign`` raises."""
    if isinstance(source, SigningKey):
        data = prepare(source)
        return Signed(source, data, source.sign(data, timeout=timeout))
    signer = _signer(source)
    operation = signer.operation(timeout)
    try:
        return _once(signer, prepare, operation)
    except KeyChanged:
        return _once(signer, prepare, operation)


async def asign_with(source: Source, prepare: Prepare, *, timeout: float | None = None) -> Signed:
    """As ``sign_with``."""
    if isinstance(source, SigningKey):
        data = prepare(source)
        return Signed(source, data, await source.asign(data, timeout=timeout))
    signer = _signer(source)
    operation = signer.operation(timeout)
    try:
        return await _aonce(signer, prepare, operation)
    except KeyChanged:
        return await _aonce(signer, prepare, operation)


def _once(signer: Signer, prepare: Prepare, operation: Operation) -> Signed:
    key = signer.key_within(operation)
    data = prepare(key)
    return Signed(key, data, signer.run(key.plan(key.algorithm, data), operation))


async def _aonce(signer: Signer, prepare: Prepare, operation: Operation) -> Signed:
    key = await signer.akey_within(operation)
    data = prepare(key)
    return Signed(key, data, await signer.arun(key.plan(key.algorithm, data), operation))


def _signer(source: Signer | HasSigner) -> Signer:
    signer = source if isinstance(source, Signer) else getattr(source, "signer", None)
    if not isinstance(signer, Signer):
        hint = "; farsign.open_signer(uri) makes one" if isinstance(source, (str, KeyURI)) else ""
        raise TypeError(f"a Signer, an Issuer or a SigningKey signs, not {type(source).__name__}{hint}")
    return signer
