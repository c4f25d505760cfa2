"""What goes wrong at providers, as data: a situation has one class, whatever each provider calls it, and a class says what is done.

``tests/backends/test_all_errors.py`` orders every name below from that provider's emulator, with the real SDK, and counts what happens.
``docs/errors.md`` shows the same rows: ``python tests/support/error_table.py`` writes them there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
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
        },
    ),
    Situation(
        "an internal error",
        errors.ProviderUnavailable,
        {
            "awskms": ("KMSInternalException", "InternalFailure"),
            "azurekms": ("InternalServerError",),
        },
    ),
    Situation(
        "the service is down, or behind something that is",
        errors.ProviderUnavailable,
        {
            "awskms": ("ServiceUnavailable", "DependencyTimeoutException", "RequestTimeout"),
            "azurekms": ("ServiceUnavailable", "BadGateway", "GatewayTimeout", "RequestTimeout"),
        },
    ),
    Situation("nobody listens", errors.ProviderUnavailable, wire="closed"),
    Situation("the connection is reset", errors.ProviderUnavailable, wire="reset"),
    Situation("no reply in time", errors.ProviderUnavailable, wire="stall"),
    Situation("a reply that ends in the middle", errors.ProviderUnavailable, wire="truncate"),
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
            "azurekms": ("KeyNotYetValid", "ObjectIsBeingRecovered"),
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
    Situation("no such key, or version", errors.KeyNotFound, {"awskms": ("NotFoundException",), "azurekms": ("KeyNotFound",)}),
    Situation("a disabled key", errors.KeyDisabled, {"awskms": ("DisabledException",), "azurekms": ("KeyDisabled",)}),
    Situation("a key whose time is over", errors.KeyDisabled, {"azurekms": ("KeyExpired",)}),
    Situation(
        "a key that is being deleted",
        errors.KeyDeleted,
        {
            "awskms": ("KMSInvalidStateException",),
            "azurekms": ("ObjectIsDeletedButRecoverable", "ObjectIsBeingDeleted"),
        },
    ),
    Situation(
        "the key was made for something else",
        errors.KeyMisuse,
        {
            "awskms": ("InvalidKeyUsageException", "UnsupportedOperationException"),
            "azurekms": ("OperationNotPermitted",),
        },
    ),
    Situation(
        "a request that makes no sense to the provider",
        errors.KeyMisuse,
        {
            "awskms": ("ValidationException", "InvalidArnException", "SerializationException", "InvalidGrantTokenException"),
            "azurekms": ("BadParameter",),
        },
    ),
    Situation("a resource quota is used up", errors.QuotaExceeded, {"awskms": ("LimitExceededException",)}),
    Situation("a reply that means nothing", errors.IntegrityFailure, wire="garbage"),
    Situation("a signature with a wrong bit", errors.IntegrityFailure, wire="wrong_signature"),
    Situation("a signature by another key", errors.IntegrityFailure, wire="other_keys_signature"),
    Situation("a signature over something else", errors.IntegrityFailure, wire="other_digest"),
    Situation("a signature that is too short", errors.IntegrityFailure, wire="short_signature"),
    Situation("a signature that is too long", errors.IntegrityFailure, wire="oversized"),
    Situation("another version signed", errors.IntegrityFailure, wire="wrong_key_id"),
)

# Wire calls that one attempt makes, where that is not one. Key Vault: a 401 is the challenge, which the SDK answers at once.
CALLS_PER_ATTEMPT: Final = {("azurekms", errors.CredentialsExpired): 2}


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
    def calls(self) -> int:
        """Requests to sign that reach the provider if it does not pass."""
        each = CALLS_PER_ATTEMPT.get((self.scheme, self.situation.error), 1)
        return 0 if self.situation.wire == "closed" else each * self.done.attempts

    def __str__(self) -> str:
        return f"{self.scheme}-{self.name or self.situation.wire}"


def rows() -> Iterator[Row]:
    for situation in TABLE:
        for scheme in SCHEMES:
            names = ("",) if situation.wire else situation.names.get(scheme, ())
            yield from (Row(scheme, situation, name) for name in names)


MARK: Final = "<!-- rows: tests/support/error_table.py -->"
PAGE: Final = Path(__file__).parents[2] / "docs" / "errors.md"


def markdown() -> str:
    lines = [
        f"| what happens | {' | '.join(SCHEMES.values())} | class | what is done | failover |",
        f"|{'---|' * (len(SCHEMES) + 4)}",
    ]
    for situation in TABLE:
        named = (" ".join(f"`{name}`" for name in situation.names.get(scheme, ())) or "-" for scheme in SCHEMES)
        cells = ["on the wire"] * len(SCHEMES) if situation.wire else named
        done = DONE[situation.error]
        last = (f"`{situation.error.__name__}`", done.text, "yes" if done.elsewhere else "no")
        lines.append(f"| {' | '.join((situation.what, *cells, *last))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    before, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{mark}\n\n{markdown()}\n")
