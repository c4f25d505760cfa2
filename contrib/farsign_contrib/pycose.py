"""COSE_Sign1 messages for pycose (RFC 9052 4.2).

    message = farsign_contrib.pycose.Sign1Message(signer.key(), payload=b"...")
    encoded = message.encode()

The protected header gets alg and kid. The key's URI says its algorithm.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._given import no_such_algorithm, signing_key


def Sign1Message(key: Any, phdr: dict[Any, Any] | None = None, **options: Any) -> Any:  # noqa: N802  # pycose's name; a function, so that it is imported late
    """A ``pycose.messages.Sign1Message``; phdr: more protected headers, options: uhdr, payload, external_aad.

    Raises AlgorithmNotSupported for algorithms that pycose does not have.
    """
    from pycose import algorithms, headers

    signing = signing_key(key)
    name = "EdDSA" if signing.algorithm in ("EdDSA", "Ed25519") else signing.algorithm.capitalize()  # Es256, Ps256, ...
    algorithm = getattr(algorithms, name.replace("Rs", "RsaPkcs1Sha"), None)
    if algorithm is None:
        raise no_such_algorithm(signing, "pycose", "RS256 to RS512, PS256 to PS512, ES256 to ES512 or EdDSA")
    made = _class()(phdr={headers.Algorithm: algorithm, headers.KID: signing.kid.encode(), **(phdr or {})}, **options)
    made.signing_key = signing
    return made


@cache
def _class() -> Any:
    from pycose import messages

    class RemoteSign1Message(messages.Sign1Message):
        signing_key: Any

        def compute_signature(self, detached_payload: bytes | None = None, *_: Any, **__: Any) -> bytes:
            # What pycose's own compute_signature signs; it asks only for a key that it can read.
            signature: bytes = self.signing_key.sign(self._create_sig_structure(detached_payload))
            return signature

    return RemoteSign1Message
