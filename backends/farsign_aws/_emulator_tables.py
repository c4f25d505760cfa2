"""What AWS KMS knows, as data: key specs, signing algorithms, error texts (API reference of AWS KMS, 2014-11-01)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

SIGN_VERIFY, ENCRYPT_DECRYPT, MAC, AGREEMENT = "SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"


@dataclass(frozen=True, slots=True)
class KeySpec:
    name: str
    kind: str  # in the key store
    usages: tuple[str, ...]
    signing: tuple[str, ...] = ()
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # usage -> algorithms
    legacy: bool = True  # whether CustomerMasterKeySpec, frozen since 2021, has it

    def algorithms(self, usage: str) -> dict[str, list[str]]:
        """The member of KeyMetadata that lists algorithms for that usage."""
        listed = self.signing if usage == SIGN_VERIFY else self.others.get(usage, ())
        return {_LISTED_AS[usage]: list(listed)}


_LISTED_AS: Final = {
    SIGN_VERIFY: "SigningAlgorithms",
    ENCRYPT_DECRYPT: "EncryptionAlgorithms",
    MAC: "MacAlgorithms",
    AGREEMENT: "KeyAgreementAlgorithms",
}
_RSA_SIGNING = tuple(f"RSASSA_{padding}_SHA_{bits}" for padding in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512))
_RSA_OTHERS = {ENCRYPT_DECRYPT: ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")}
_ECDH = {AGREEMENT: ("ECDH",)}
_RSA_USAGES, _EC_USAGES = (ENCRYPT_DECRYPT, SIGN_VERIFY), (SIGN_VERIFY, AGREEMENT)

SPECS: Final = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            *(KeySpec(f"RSA_{bits}", f"RSA-{bits}", _RSA_USAGES, _RSA_SIGNING, _RSA_OTHERS) for bits in (2048, 3072, 4096)),
            KeySpec("ECC_NIST_P256", "P-256", _EC_USAGES, ("ECDSA_SHA_256",), _ECDH),
            KeySpec("ECC_NIST_P384", "P-384", _EC_USAGES, ("ECDSA_SHA_384",), _ECDH),
            KeySpec("ECC_NIST_P521", "P-521", _EC_USAGES, ("ECDSA_SHA_512",), _ECDH),
            KeySpec("ECC_SECG_P256K1", "secp256k1", (SIGN_VERIFY,), ("ECDSA_SHA_256",)),
            KeySpec("ECC_NIST_EDWARDS25519", "Ed25519", (SIGN_VERIFY,), ("ED25519_SHA_512", "ED25519_PH_SHA_512"), legacy=False),
            *(
                KeySpec(f"ML_DSA_{size}", f"ML-DSA-{size}", (SIGN_VERIFY,), ("ML_DSA_SHAKE_256",), legacy=False)
                for size in (44, 65, 87)
            ),
            # keys that cannot sign, so that a signer can be refused by one
            KeySpec("SYMMETRIC_DEFAULT", "secret", (ENCRYPT_DECRYPT,), (), {ENCRYPT_DECRYPT: ("SYMMETRIC_DEFAULT",)}),
            *(KeySpec(f"HMAC_{bits}", "secret", (MAC,), (), {MAC: (f"HMAC_SHA_{bits}",)}) for bits in (224, 256, 384, 512)),
        )
    }
)
SPEC_OF_KIND: Final = MappingProxyType({spec.kind: spec for spec in SPECS.values() if spec.signing})


@dataclass(frozen=True, slots=True)
class Signing:
    """message types it takes -> exact length of the message, None: 1 to 4096; and how to sign (farsign.testing.emulator)."""

    takes: Mapping[str, int | None]
    parameters: Mapping[str, Any]


def _hashed(bits: int, **parameters: Any) -> Signing:
    return Signing({"RAW": None, "DIGEST": bits // 8}, {"hash": f"SHA{bits}", **parameters})


# PSS: the salt is as long as the digest (developer guide, "RSA key specs for signing and verification").
SIGNING: Final = MappingProxyType(
    {
        **{f"RSASSA_PKCS1_V1_5_SHA_{bits}": _hashed(bits) for bits in (256, 384, 512)},
        **{f"RSASSA_PSS_SHA_{bits}": _hashed(bits, salt="digest") for bits in (256, 384, 512)},
        **{f"ECDSA_SHA_{bits}": _hashed(bits) for bits in (256, 384, 512)},
        "ED25519_SHA_512": Signing({"RAW": None}, {}),
        "ED25519_PH_SHA_512": Signing({"DIGEST": 64}, {}),
        "ML_DSA_SHAKE_256": Signing({"RAW": None, "EXTERNAL_MU": 64}, {}),
        "SM2DSA": Signing({"RAW": None, "DIGEST": 32}, {}),
    }
)
# members of requests that are no text, and those that are lists of texts
INTEGERS: Final = frozenset({"Limit", "PendingWindowInDays"})
BOOLEANS: Final = frozenset({"BypassPolicyLockoutSafetyCheck", "DryRun", "MultiRegion"})
LISTS: Final = frozenset({"GrantTokens", "Operations"})
OBJECTS: Final = frozenset({"Constraints", "Tags"})  # not looked into
MESSAGE_TYPES: Final = ("RAW", "DIGEST", "EXTERNAL_MU")
MAX_MESSAGE: Final = 4096

# code -> HTTP status where it is not 400, and the text for an ordered error. {arn}, {action}, {principal} are filled in.
STATUS: Final = MappingProxyType(
    {
        "KMSInternalException": 500,
        "InternalFailure": 500,
        "KeyUnavailableException": 500,
        "ServiceUnavailable": 503,
        "DependencyTimeoutException": 503,
        "DryRunOperationException": 412,
    }
)
TEXT: Final = MappingProxyType(
    {
        "ThrottlingException": "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        "KMSInternalException": "AWS KMS could not complete the request because of an internal error.",
        "InternalFailure": "The request processing has failed because of an unknown error, exception or failure.",
        "ServiceUnavailable": "The service is temporarily unable to handle the request.",
        "DependencyTimeoutException": "The system timed out while trying to fulfill the request.",
        "KeyUnavailableException": "The request was rejected because the key was not available. The request can be retried.",
        "LimitExceededException": "A quota was exceeded.",
        "DisabledException": "{arn} is disabled.",
        "KMSInvalidStateException": "{arn} is pending deletion.",
        "NotFoundException": "Key '{arn}' does not exist",
        "InvalidKeyUsageException": "{arn} key usage is ENCRYPT_DECRYPT which is not valid for {operation}.",
        "AccessDeniedException": "User: {principal} is not authorized to perform: {action} on resource: {arn} "
        "because no identity-based policy allows the {action} action",
        "ExpiredTokenException": "The security token included in the request is expired",
        "UnrecognizedClientException": "The security token included in the request is invalid.",
        "InvalidSignatureException": "Signature expired: 20000101T000000Z is now earlier than 20000101T001000Z "
        "(20000101T001500Z - 5 min.)",
    }
)
# codes of farsign.errors -> how AWS says it
SITUATIONS: Final = MappingProxyType(
    {
        "throttled": "ThrottlingException",
        "unavailable": "KMSInternalException",
        "key-unavailable": "KeyUnavailableException",
        "credentials-expired": "ExpiredTokenException",
        "denied": "AccessDeniedException",
        "not-found": "NotFoundException",
        "disabled": "DisabledException",
        "deleted": "KMSInvalidStateException",
        "misuse": "InvalidKeyUsageException",
        "quota": "LimitExceededException",
        "clock-skew": "InvalidSignatureException",
    }
)
