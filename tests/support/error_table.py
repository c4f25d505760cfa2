"""What goes wrong at providers, as data: a situation has one class, whatever each provider calls it, and a class says what is done.

``tests/backends/test_all_errors.py`` orders every name below from that provider's emulator, with the real SDK, and counts what happens.
``docs/errors.md`` shows the same rows (``error_page.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from farsign import errors
from farsign.errors import ProviderError

ATTEMPTS: Final = 4  # of the policy with which the table is walked


class Done(NamedTuple):
    """What farsign does about a class: ARCHITECTURE's table, as numbers."""

    text: str
    attempts: int = 1  # of ATTEMPTS, if it does not pass
    refreshes: int = 0  # of credentials
    elsewhere: bool = False  # another place with the same key signs instead, at once


DONE: Final[Mapping[type[ProviderError], Done]] = {
    errors.Throttled: Done("tried again, with backoff", ATTEMPTS, elsewhere=True),
    errors.ProviderUnavailable: Done("tried again", ATTEMPTS, elsewhere=True),
    errors.KeyUnavailable: Done("tried again", ATTEMPTS, elsewhere=True),
    errors.CredentialsExpired: Done("credentials refreshed, then tried once more", 2, refreshes=1),
    errors.KeyNotFound: Done("asked twice", 2, elsewhere=True),
    errors.IntegrityFailure: Done("asked three times", 3, elsewhere=True),
    errors.KeyDisabled: Done("fails at once", elsewhere=True),
    errors.KeyDeleted: Done("fails at once", elsewhere=True),
    errors.CredentialsNotFound: Done("fails at once"),
    errors.PermissionDenied: Done("fails at once"),
    errors.KeyMisuse: Done("fails at once"),
    errors.QuotaExceeded: Done("fails at once"),
    errors.ClockSkew: Done("fails at once"),
}


class Situation(NamedTuple):
    what: str
    error: type[ProviderError]
    names: Mapping[str, Sequence[str]] = {}  # scheme -> what that provider calls it
    wire: str = ""  # instead of names: a fault that every connection knows, or "closed"
    not_at: Sequence[str] = ()  # schemes whose connections do not know it


SCHEMES: Final = {
    "awskms": "AWS KMS",
    "azurekms": "Key Vault",
    "gcpkms": "Cloud KMS",
    "hashivault": "Vault, OpenBao",
}

TABLE: Final = (
    Situation(
        "too many requests",
        errors.Throttled,
        {
            "awskms": ("ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"),
            "azurekms": ("Throttled",),
            "gcpkms": ("RESOURCE_EXHAUSTED", "throttled"),
            "hashivault": ("429",),
        },
    ),
    Situation(
        "an internal error",
        errors.ProviderUnavailable,
        {
            "awskms": ("KMSInternalException", "InternalFailure"),
            "azurekms": ("InternalServerError",),
            "gcpkms": ("INTERNAL", "UNKNOWN"),
            "hashivault": ("an internal error",),
        },
    ),
    Situation(
        "the service is down, or behind something that is",
        errors.ProviderUnavailable,
        {
            "awskms": ("ServiceUnavailable", "DependencyTimeoutException", "RequestTimeout"),
            "azurekms": ("ServiceUnavailable", "BadGateway", "GatewayTimeout", "RequestTimeout"),
            "gcpkms": ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED"),
            "hashivault": ("sealed", "no-leader", "307", "408", "501", "502", "504"),
        },
    ),
    Situation("nobody listens", errors.ProviderUnavailable, wire="closed"),
    Situation("the connection is reset", errors.ProviderUnavailable, wire="reset"),
    Situation("no reply in time", errors.ProviderUnavailable, wire="stall"),
    # gRPC delivers messages whole: one that is cut is one that means nothing
    Situation("a reply that ends in the middle", errors.ProviderUnavailable, wire="truncate", not_at=("gcpkms",)),
    Situation(
        "the key, or its store, is not ready",
        errors.KeyUnavailable,
        {
            "awskms": (
                "KeyUnavailableException",
                "CloudHsmClusterNotActiveException",
                "CustomKeyStoreInvalidStateException",
                "XksProxyUriUnreachableException",
            ),
            "azurekms": ("not yet valid", "ObjectIsBeingRecovered"),
            "gcpkms": ("key-unavailable",),
            "hashivault": ("412",),
        },
    ),
    Situation(
        "a token or session that has ended, or that nobody knows",
        errors.CredentialsExpired,
        {
            "awskms": (
                "ExpiredTokenException",
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "SignatureDoesNotMatch",
                "IncompleteSignatureException",
            ),
            "azurekms": ("TokenExpired", "AKV10046"),
            "gcpkms": ("UNAUTHENTICATED",),
            "hashivault": ("credentials-expired", "401"),
        },
    ),
    Situation("a token for another audience", errors.CredentialsExpired, {"azurekms": ("AKV10022",)}),
    Situation("no credential was sent", errors.CredentialsNotFound, {"awskms": ("MissingAuthenticationTokenException",)}),
    Situation("this machine's clock is wrong", errors.ClockSkew, {"awskms": ("InvalidSignatureException", "RequestExpired")}),
    Situation(
        "a missing permission",
        errors.PermissionDenied,
        {
            "awskms": ("AccessDeniedException",),
            "azurekms": ("ForbiddenByRbac", "ForbiddenByPolicy"),
            "gcpkms": ("PERMISSION_DENIED", "denied"),
            "hashivault": ("denied",),
        },
    ),
    Situation(
        "the account or the network is not admitted",
        errors.PermissionDenied,
        {
            "awskms": ("OptInRequired", "RegionDisabledException"),
            "azurekms": ("ForbiddenByFirewall", "ForbiddenByConnection"),
        },
    ),
    Situation(
        "no such key, or version",
        errors.KeyNotFound,
        {
            "awskms": ("NotFoundException",),
            "azurekms": ("KeyNotFound",),
            "gcpkms": ("NOT_FOUND",),
            "hashivault": ("not-found", "404", "requested version for signing is higher than the latest key version"),
        },
    ),
    Situation(
        "a disabled key",
        errors.KeyDisabled,
        {
            "awskms": ("DisabledException",),
            "azurekms": ("KeyDisabled",),
            "gcpkms": ("disabled",),
            "hashivault": ("requested version for signing is less than the minimum encryption key version",),
        },
    ),
    Situation("a key whose time is over", errors.KeyDisabled, {"azurekms": ("expired key",)}),
    Situation(
        "a key that is being deleted",
        errors.KeyDeleted,
        {
            "awskms": ("KMSInvalidStateException",),
            "azurekms": ("ObjectIsDeletedButRecoverable", "ObjectIsBeingDeleted"),
            "gcpkms": ("deleted",),
            "hashivault": ("key is soft deleted",),
        },
    ),
    Situation(
        "the key was made for something else",
        errors.KeyMisuse,
        {
            "awskms": ("InvalidKeyUsageException", "UnsupportedOperationException"),
            "azurekms": ("not permitted on this key",),
            "gcpkms": ("FAILED_PRECONDITION",),
            "hashivault": ("unsupported rsa signature algorithm", "405"),
        },
    ),
    Situation(
        "a request that makes no sense to the provider",
        errors.KeyMisuse,
        {
            "awskms": ("ValidationException", "InvalidArnException", "SerializationException", "InvalidGrantTokenException"),
            "azurekms": ("BadParameter",),
            "gcpkms": ("INVALID_ARGUMENT", "UNIMPLEMENTED"),
            "hashivault": ("400", "413"),
        },
    ),
    Situation("a resource quota is used up", errors.QuotaExceeded, {"awskms": ("LimitExceededException",)}),
    Situation("a checksum that does not fit", errors.IntegrityFailure, {"gcpkms": ("integrity",)}),
    Situation("a reply that means nothing", errors.IntegrityFailure, wire="garbage"),
    Situation("a signature with a wrong bit", errors.IntegrityFailure, wire="wrong_signature"),
    Situation("a signature by another key", errors.IntegrityFailure, wire="other_keys_signature"),
    Situation("a signature over something else", errors.IntegrityFailure, wire="other_digest"),
    Situation("a signature that is too short", errors.IntegrityFailure, wire="short_signature"),
    Situation("a signature that is too long", errors.IntegrityFailure, wire="oversized"),
    Situation("another version signed", errors.IntegrityFailure, wire="wrong_key_id"),
)

# Where the first attempt makes one call more, by scheme and by the fault of the wire or the class's code: what broke was a kept
# connection, so the call goes out once more on a new one (RULES 23); a 401 is Key Vault's challenge, which the SDK answers at once.
ONE_MORE: Final = {
    ("awskms", "reset"),
    ("awskms", "truncate"),
    ("azurekms", "reset"),
    ("gcpkms", "reset"),
    ("hashivault", "reset"),
    ("azurekms", "credentials-expired"),
}


class Row(NamedTuple):
    """One order at one provider."""

    scheme: str
    situation: Situation
    name: str  # the provider's; empty for a fault of the wire

    @property
    def fault(self) -> str:
        return f"error:sign:{self.name}" if self.name else f"{self.situation.wire}:sign"

    @property
    def done(self) -> Done:
        return DONE[self.situation.error]

    @property
    def first(self) -> int:
        """Requests to sign that the first attempt makes, if it does not pass."""
        if self.situation.wire == "closed":
            return 0
        return 2 if (self.scheme, self.situation.wire or self.situation.error.code) in ONE_MORE else 1

    @property
    def calls(self) -> int:
        """Those of all attempts."""
        return 0 if self.situation.wire == "closed" else self.first + self.done.attempts - 1

    def __str__(self) -> str:
        return f"{self.scheme}-{self.name or self.situation.wire}"


def rows() -> Iterator[Row]:
    for situation in TABLE:
        for scheme in SCHEMES:
            yield from (Row(scheme, situation, name) for name in _names(situation, scheme))


def _names(situation: Situation, scheme: str) -> Sequence[str]:
    if not situation.wire:
        return situation.names.get(scheme, ())
    return () if scheme in situation.not_at else ("",)
