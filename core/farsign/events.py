"""What happens inside, as typed events: ``farsign.observe(callback)``.

They name the endpoint, the operation, the algorithm and the outcome; never a token, a digest or a credential.
"""

from ._base.events import (
    Attempt,
    Breaker,
    CredentialsRefreshed,
    Event,
    FailedOver,
    KeyPending,
    KeySwitched,
    ListingDenied,
    Retrying,
    StaleKey,
    Throttling,
    observe,
)

__all__ = [
    "Attempt",
    "Breaker",
    "CredentialsRefreshed",
    "Event",
    "FailedOver",
    "KeyPending",
    "KeySwitched",
    "ListingDenied",
    "Retrying",
    "StaleKey",
    "Throttling",
    "observe",
]
