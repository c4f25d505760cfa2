"""A signer for c2pa-python: content credentials.

    signer = farsign_contrib.c2pa.signer(signer.key(), certificates)          # cryptography certificates, the key's own first
    Builder(manifest).sign_file("in.jpg", "out.jpg", signer)

c2pa's native code cannot carry exceptions: it logs what the provider said (logger "c2pa") and raises a C2paError of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives import serialization

from ._given import check_certificate, no_such_algorithm, signing_key


def signer(key: Any, certificates: Iterable[Any], tsa_url: str | None = None) -> Any:
    """A ``c2pa.Signer``. The key's URI says its algorithm: ES256, ES384, ES512, PS256, PS384, PS512 or EdDSA."""
    import c2pa

    signing = signing_key(key)
    name = "ED25519" if signing.algorithm in ("EdDSA", "Ed25519") else signing.algorithm
    algorithm = getattr(c2pa.C2paSigningAlg, name, None)
    if algorithm is None:
        raise no_such_algorithm(signing, "C2PA", "ES256 to ES512, PS256 to PS512 or EdDSA, by alg= in the URI")
    chain = list(certificates)
    for own in chain[:1]:  # c2pa says itself that none is too few
        check_certificate(signing, own)
    pem = "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in chain)
    return c2pa.Signer.from_callback(signing.sign, algorithm, pem, tsa_url)
