"""Everything that farsign raises, in three branches, because callers answer differently.

FarsignError
├── ConfigurationError              the deployment or the call is wrong: fix it, do not retry
│   ├── InvalidKeyURI               uri               also a ValueError, so settings libraries report it
│   │   └── UnknownScheme           unknown-scheme    no installed backend owns the scheme
│   ├── SchemeRefused               scheme-refused    FARSIGN_ALLOW_SCHEMES or FARSIGN_DISABLE_BACKENDS says no
│   ├── SchemeConflict              scheme-conflict   two distributions claim one scheme
│   ├── BackendNotInstalled         backend-missing   the backend's SDK is not installed
│   ├── BackendBroken               backend-broken    a plugin failed to load or broke its contract
│   ├── HostRefused                 host-refused      credentials would go to a host that is not the provider's
│   ├── KeyFileError                key-file          a key file that cannot be used as it is
│   ├── InvalidKey                  key               text or an object that is no acceptable key or key set
│   ├── AlgorithmRequired           alg-required      the key signs several algorithms and none was chosen
│   ├── AlgorithmNotSupported       alg               the key, or this farsign, cannot sign this
│   ├── MessageTooLong              message-size      the provider takes no message of this size for this key
│   ├── KeyMismatch                 key-mismatch      not the public key that was pinned or promised
│   ├── KeyIDConflict               kid-conflict      two published keys would share one kid
│   ├── KeyNotExportable            not-exportable    a private part was asked for; it never leaves the provider
│   ├── NotPicklable                not-picklable     made with objects, or with a key that lives in this process
│   └── SignerClosed                closed            used after close()
├── InvalidToken                    token             answer 401; every subclass is also one of PyJWT's (farsign.jwt)
└── ProviderError                   provider          answer 503; .retry_after, .request_id
    ├── Throttled                   throttled
    ├── ProviderUnavailable         unavailable
    ├── KeyUnavailable              key-unavailable
    ├── CredentialsExpired          credentials-expired
    ├── CredentialsNotFound         no-credentials
    ├── PermissionDenied            denied
    ├── KeyNotFound                 not-found
    ├── KeyDisabled                 disabled
    ├── KeyDeleted                  deleted
    ├── KeyMisuse                   misuse
    ├── QuotaExceeded               quota
    ├── KeyChanged                  key-changed
    ├── KeyNotPublished             key-not-published
    ├── IntegrityFailure            integrity
    ├── KeySetUnavailable           keys-unavailable  another issuer's keys cannot be fetched, and none that are fresh enough are known
    ├── ClockSkew                   clock-skew
    └── DeadlineExceeded            deadline

Codes are stable: log them, alert on them. ``next_step`` is what the reader should do; it is also a note of the exception, so
that tracebacks show it. No message holds a token, a signing input, a digest or a credential.

Nothing here derives from TypeError or AttributeError, and only InvalidKeyURI from ValueError: libraries that sign swallow those.
"""

from __future__ import annotations

from typing import ClassVar


class FarsignError(Exception):
    """The root. ``str(error)`` is what happened; ``diagnostics()`` adds the class, the code and the next step."""

    code: ClassVar[str] = "error"
    default_step: ClassVar[str] = ""

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.next_step: str = self.default_step if next_step is None else next_step
        if self.next_step:
            self.add_note(f"  next: {self.next_step}")

    def diagnostics(self) -> str:
        """Text for a person: one line that says what happened, one that says what to do."""
        head = f"{type(self).__name__} [{self.code}]: {self}"
        return f"{head}\n  next: {self.next_step}" if self.next_step else head


class ConfigurationError(FarsignError):
    code = "configuration"


class InvalidKeyURI(ConfigurationError, ValueError):
    code = "uri"
    default_step = "see `farsign uri 'URI'`, which explains each part"


class UnknownScheme(InvalidKeyURI):
    code = "unknown-scheme"


class SchemeRefused(ConfigurationError):
    code = "scheme-refused"
    default_step = "FARSIGN_ALLOW_SCHEMES and FARSIGN_DISABLE_BACKENDS decide which schemes may be opened"


class SchemeConflict(ConfigurationError):
    code = "scheme-conflict"
    default_step = "uninstall one of them"


class BackendNotInstalled(ConfigurationError):
    code = "backend-missing"


class BackendBroken(ConfigurationError):
    code = "backend-broken"
    default_step = "report it to the distribution's authors, or uninstall it"


class HostRefused(ConfigurationError):
    code = "host-refused"
    default_step = "if the host is yours, name it in FARSIGN_ALLOW_HOSTS or open_signer(..., allow_hosts=[...])"


class KeyFileError(ConfigurationError):
    code = "key-file"


class InvalidKey(ConfigurationError):
    code = "key"
    default_step = "give a PEM, JWK or JWKS that holds a public key of a supported type"


class AlgorithmRequired(ConfigurationError):
    code = "alg-required"


class AlgorithmNotSupported(ConfigurationError):
    code = "alg"


class MessageTooLong(ConfigurationError):
    code = "message-size"


class KeyMismatch(ConfigurationError):
    code = "key-mismatch"
    default_step = "find out who changed the key; if it was you, update the thumbprint"


class KeyIDConflict(ConfigurationError):
    code = "kid-conflict"
    default_step = "publish only one of them, or give each a key of its own"


class KeyNotExportable(ConfigurationError):
    code = "not-exportable"
    default_step = "pass the private-key object itself, or its public key; see docs/private-keys.md for adapters"


class NotPicklable(ConfigurationError):
    code = "not-picklable"
    default_step = "open the signer again from its URI in the other process"


class SignerClosed(ConfigurationError):
    code = "closed"
    default_step = "open signers once per process and close them when the process ends"


class InvalidToken(FarsignError):
    code = "token"
    default_step = "refuse the token (HTTP 401)"


class ProviderError(FarsignError):
    """The provider did not give a signature. Which class it is decides whether farsign tried again.

    retry_after: seconds to wait, where the provider or the arithmetic says; request_id: the provider's, for its support;
    reason: the provider's own name for it; endpoint: who said so.
    """

    code = "provider"
    default_step = "answer 503; look at the provider's status and at .request_id"

    def __init__(
        self,
        message: str,
        *,
        next_step: str | None = None,
        retry_after: float | None = None,
        request_id: str = "",
        reason: str = "",
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.retry_after = retry_after
        self.request_id = request_id
        self.reason = reason
        self.endpoint = ""


class Throttled(ProviderError):
    code = "throttled"
    default_step = "answer 503 with Retry-After; raise the provider's quota or spread the load over more keys or regions"


class ProviderUnavailable(ProviderError):
    """answered: False if nothing came back (connect, TLS, DNS, timeout). counts: whether the circuit breaker learns of it."""

    code = "unavailable"
    default_step = "answer 503; retry later; look at the provider's status page and at the network between"

    def __init__(
        self,
        message: str,
        *,
        next_step: str | None = None,
        retry_after: float | None = None,
        request_id: str = "",
        reason: str = "",
        answered: bool = True,
        counts: bool = True,
    ) -> None:
        super().__init__(message, next_step=next_step, retry_after=retry_after, request_id=request_id, reason=reason)
        self.answered, self.counts = answered, counts


class KeyUnavailable(ProviderError):
    code = "key-unavailable"
    default_step = "the key is not ready yet or its store is offline: retry later"


class CredentialsExpired(ProviderError):
    code = "credentials-expired"
    default_step = "renew the credentials that this process was given"


class CredentialsNotFound(ProviderError):
    code = "no-credentials"


class PermissionDenied(ProviderError):
    code = "denied"


class KeyNotFound(ProviderError):
    code = "not-found"
    default_step = "check the key's name, region and account in the URI"


class KeyDisabled(ProviderError):
    code = "disabled"
    default_step = "enable the key, or point the URI at another"


class KeyDeleted(ProviderError):
    code = "deleted"
    default_step = "cancel the deletion while that is possible, or point the URI at another key"


class KeyMisuse(ProviderError):
    code = "misuse"
    default_step = "the key was not made for this: create a signing key of the algorithm you need"


class QuotaExceeded(ProviderError):
    code = "quota"
    default_step = "a resource quota is used up: raise it at the provider; waiting does not help"


class KeyChanged(ProviderError):
    code = "key-changed"
    default_step = "ask the signer for its key again and build the header anew"


class KeyNotPublished(ProviderError):
    code = "key-not-published"
    default_step = "wait until verifiers know the new key, or accept the gap with Policy(follow='immediately')"


class IntegrityFailure(ProviderError):
    code = "integrity"
    default_step = "what came back is not a signature by this key: suspect a proxy, an emulator or a wrong endpoint"


class KeySetUnavailable(ProviderError):
    code = "keys-unavailable"
    default_step = "answer 503; look at the issuer's key set: the token could not be judged"


class ClockSkew(ProviderError):
    code = "clock-skew"
    default_step = "correct this machine's clock"


class DeadlineExceeded(ProviderError):
    code = "deadline"
    default_step = "answer 503; if the provider is merely slow, raise `timeout`"


class VendorError(Exception):
    """Stands as the cause of a ProviderError for what an SDK raised: its class and reason, never its request or response."""
