"""Any function that signs, as a Signer: a smart card's library, a vendor's client, a signing service of your own.

    def sign(data: bytes, algorithm: str) -> bytes:
        return card.sign(data, mechanism=MECHANISMS[algorithm])

    signer = farsign.Signer(farsign_contrib.callback.opener(public_key, sign, ["ES256"]), name="the card")

For a private key of ``cryptography`` there is ``farsign_local.opener``; for a backend that others install, docs/backends.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from cryptography.hazmat.primitives import serialization

from farsign import driver, errors

Sign = Callable[[bytes, str], bytes]
Failures = Mapping[type[Exception], type[errors.ProviderError]]

UNREACHABLE: Final[Failures] = MappingProxyType(
    {ConnectionError: errors.ProviderUnavailable, TimeoutError: errors.ProviderUnavailable}
)


def opener(
    public_key: Any,
    sign: Sign,
    algorithms: Iterable[str],
    *,
    digest: bool = False,
    ecdsa: Literal["der", "raw"] = "der",
    failures: Failures = UNREACHABLE,
) -> Callable[[], driver.RemoteSigner]:
    """For ``farsign.Signer(opener(...))``.

    public_key: a ``cryptography`` public key, or its PEM. algorithms: those that ``sign`` is asked for, by JOSE name.
    sign: gets the message and the algorithm's name, and may be called by many threads; with ``digest``, it gets the digest
    instead (not for Ed25519 and ML-DSA, which have none). ecdsa: the encoding of ECDSA signatures that it returns.
    failures: what its exceptions mean, the first that fits; any other is raised as BackendBroken, and not tried again.

    Raises InvalidKey for text that is no public key. Signatures are checked against the public key, as always.
    """
    if isinstance(public_key, (str, bytes)):
        spki = driver.spki_from_pem(public_key)
    else:
        spki = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    inputs = {name: _forms(name, digest) for name in algorithms}
    version = f"sha256:{hashlib.sha256(spki).hexdigest()}"
    described = driver.KeyDescription(version, spki, inputs, pinned=True, ecdsa=ecdsa)
    return lambda: CallbackSigner(described, sign, failures)


def _forms(name: str, digest: bool) -> Mapping[driver.Form, int | None]:
    return {"digest": None} if digest and name.startswith(("RS", "PS", "ES", "ECDSA-")) else {"message": None}


class CallbackSigner(driver.RemoteSigner):
    total_timeout = False  # nobody knows what the function waits for

    def __init__(self, described: driver.KeyDescription, sign: Sign, failures: Failures) -> None:
        self._described, self._sign, self._failures = described, sign, failures
        self.endpoint = f"callback {described.version[7:19]}"  # two functions do not fail together

    def describe(self, version: str | None = None, *, timeout: float) -> driver.KeyDescription:
        return self._described

    def sign(self, request: driver.SignRequest, *, timeout: float) -> driver.SignReply:
        return driver.SignReply(self._sign(request.data, request.algorithm), None)

    def classify(self, error: Exception) -> driver.Failure | None:
        for kind, meaning in self._failures.items():
            if isinstance(error, kind):
                return driver.Failure(meaning, reason=type(error).__name__)
        return None

    def close(self) -> None:
        pass
