"""Cloud KMS's signing algorithms, and what they are to JOSE. The algorithm belongs to the key version; a request names none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from farsign.driver import Form

DATA: Final = 64 * 1024  # bytes; Google documents this for MACs and for encryption, and nothing for signing
LIMITS: Final[Mapping[Form, int | None]] = MappingProxyType({"digest": None, "message": DATA, "mu": 64})


class Signing(NamedTuple):
    algorithm: str  # JOSE name
    form: Form  # the only one that it takes
    bits: int = 0  # of RSA


# CryptoKeyVersionAlgorithm -> what it is. Not here, because no JWS can be made with them: RSA_SIGN_RAW_PKCS1_* (the caller builds the
# DigestInfo, so the key signs under any hash), PQ_SIGN_*SLH_DSA_* (no JOSE name), and everything that does not sign.
ALGORITHMS: Final[Mapping[str, Signing]] = MappingProxyType(
    {
        "RSA_SIGN_PKCS1_2048_SHA256": Signing("RS256", "digest", 2048),
        "RSA_SIGN_PKCS1_3072_SHA256": Signing("RS256", "digest", 3072),
        "RSA_SIGN_PKCS1_4096_SHA256": Signing("RS256", "digest", 4096),
        "RSA_SIGN_PKCS1_4096_SHA512": Signing("RS512", "digest", 4096),
        "RSA_SIGN_PSS_2048_SHA256": Signing("PS256", "digest", 2048),
        "RSA_SIGN_PSS_3072_SHA256": Signing("PS256", "digest", 3072),
        "RSA_SIGN_PSS_4096_SHA256": Signing("PS256", "digest", 4096),
        "RSA_SIGN_PSS_4096_SHA512": Signing("PS512", "digest", 4096),
        "EC_SIGN_P256_SHA256": Signing("ES256", "digest"),
        "EC_SIGN_P384_SHA384": Signing("ES384", "digest"),
        "EC_SIGN_SECP256K1_SHA256": Signing("ES256K", "digest"),
        "EC_SIGN_ED25519": Signing("Ed25519", "message"),
        "PQ_SIGN_ML_DSA_44": Signing("ML-DSA-44", "message"),
        "PQ_SIGN_ML_DSA_65": Signing("ML-DSA-65", "message"),
        "PQ_SIGN_ML_DSA_87": Signing("ML-DSA-87", "message"),
        "PQ_SIGN_ML_DSA_44_EXTERNAL_MU": Signing("ML-DSA-44", "mu"),
        "PQ_SIGN_ML_DSA_65_EXTERNAL_MU": Signing("ML-DSA-65", "mu"),
        "PQ_SIGN_ML_DSA_87_EXTERNAL_MU": Signing("ML-DSA-87", "mu"),
    }
)
SIGNED: Final = tuple(dict.fromkeys(row.algorithm for row in ALGORITHMS.values()))


def post_quantum(algorithm: str) -> bool:
    """By JOSE or by wire name: whether the public key has to be asked for in a format of its own."""
    return algorithm.startswith(("ML-DSA", "PQ_"))
