"""``RemoteKeySet``: another issuer's JWKS by URL. Reading it takes no lock and no I/O; a bad document never replaces a good one.

Fresh for the server's max-age (60 s to 1 h, 5 min if it does not say); fetched again in the background before that is over; used on
while the server fails, up to a hard limit; then verification fails closed. A kid that is not known causes a fetch at most once in 10 s
on the average, so that strangers' tokens cannot make it a load on the issuer.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, NamedTuple

from farsign._base import fork
from farsign._base.clock import SYSTEM, Clock
from farsign._base.events import logger
from farsign._base.policy import time_left
from farsign._base.workers import Workers, wait_for
from farsign.errors import FarsignError, KeySetUnavailable

from .claims import Seconds, span
from .jwks_fetch import Fetch, check_url, fetcher
from .key import Key
from .key_set import KeySet
from .key_source import CACHE_ENTRIES, CACHE_SEGMENT, Found, KeySource
from .token_errors import UnknownKey

DEFAULT_TTL, LEAST_TTL, MOST_TTL = 300.0, 60.0, 3600.0
HARD_LIMIT: Final = 86_400.0
FETCH: Final = 5.0  # seconds for a fetch; after twice that it is left behind
WAIT: Final = 1.0  # seconds that a token with an unknown kid waits for a fetch
BUCKET, REFILL = 5.0, 0.1  # fetches for unknown kids: at once, and per second
FORGET: Final = 10.0  # seconds for which an unknown kid is remembered
UNKNOWN: Final = 1024  # kids that are remembered so
BACKOFF, LONGEST = 1.0, 60.0  # seconds between fetches after failures: first, doubled up to


class Status(NamedTuple):
    """age: seconds since the last good document, None if there never was one. suppressed: unknown kids refused without a fetch, because
    there had been enough. last_error: of the last fetch, if it failed."""

    age: float | None
    keys: int
    fetches: int
    failures: int
    suppressed: int
    last_error: str | None


class RemoteKeySet(KeySource):
    """Open one per process and issuer; use it from any thread, task or forked child. Nothing is fetched before it is needed.

    alg: what RSA keys without an alg are for. hard_limit: seconds (or a timedelta) for which a document is used when no newer one can be had; this
    is also how long a withdrawn key may live on while the server is down (otherwise until the next fetch). client: an httpx.Client.
    allow_hosts: hosts that may be asked over plain http. seed: a JWKS to start with, text or a mapping, deployed along with a function that
    starts often; it counts as fetched when this object is made, and is fetched anew at its first use, in the background.
    Waiting ends with ``farsign.deadline``. Raises ConfigurationError, BackendNotInstalled.
    """

    __slots__ = (
        "_alg",
        "_backoff",
        "_bucket",
        "_bucket_at",
        "_clock",
        "_document",
        "_ends",
        "_etag",
        "_failures",
        "_fetch",
        "_fetched",
        "_fetches",
        "_flight",
        "_flight_at",
        "_hard",
        "_known",
        "_last_error",
        "_lock",
        "_missing",
        "_revoked",
        "_set",
        "_suppressed",
        "_wake",
        "_where",
        "_worker",
    )  # fmt: skip

    def __init__(
        self,
        url: str,
        *,
        alg: str | None = None,
        hard_limit: Seconds = HARD_LIMIT,
        client: Any = None,
        allow_hosts: Sequence[str] = (),
        seed: str | bytes | Mapping[str, Any] | None = None,
        clock: Clock = SYSTEM,
        fetch: Fetch | None = None,
    ) -> None:
        self._where, self._alg, self._clock = (
            check_url(url, allow_hosts).partition("?")[0],
            alg,
            clock,
        )  # a query may hold an API key
        self._hard = span(hard_limit, "hard_limit")
        self._fetch = fetch or fetcher(url, client)
        self._set: KeySet | None = None
        self._document: KeySet | None = None
        self._known: dict[bytes, Found] = {}
        self._missing: dict[str, float] = {}
        self._revoked: frozenset[str] = frozenset()
        self._etag: str | None = None
        self._fetched = self._wake = (
            self._ends
        ) = -1.0  # clock times: of the last good document, of the next fetch, of the hard limit
        self._fetches = self._failures = self._suppressed = 0
        self._backoff = 0.0
        self._last_error: str | None = None
        self._bucket, self._bucket_at = BUCKET, clock.monotonic()
        if seed is not None:
            self._install(KeySet.parse(seed, alg=alg))
            self._fetched_at(clock.monotonic())
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._flight_at = 0.0
        self._worker = Workers(1, "farsign-jwks")

    # -- what verifying functions call ------------------------------------------------------------------------------------

    @property
    def known(self) -> dict[bytes, Found]:  # type: ignore[override]  # here it depends on the time
        """Headers seen under the present keys; empty once they are too old to be used."""
        now = self._clock.monotonic()
        if (now >= self._wake or now >= self._ends) and not self._current():
            return {}
        return self._known

    def remember(self, segment: bytes, found: Found) -> None:
        known = self._known  # before the set: a fetch exchanges them in the other order, so no withdrawn key gets into new ones
        if self._set is not None and found.key in self._set.keys and len(segment) <= CACHE_SEGMENT and found.header.flat:
            if len(known) >= CACHE_ENTRIES:
                known.clear()
            known[segment] = found

    def find(self, header: Mapping[str, Any]) -> Key:
        key_set = self._current()
        if key_set is None:
            flight = self._cold()
            key_set = self._wait(flight, 0.0 if _in_event_loop() else time_left(FETCH))
        try:
            return key_set.find(header)
        except UnknownKey as error:
            again = self._look_again(header)
            if again is None or _in_event_loop():
                raise
            unknown = error
        return self._again(again, header, unknown, time_left(WAIT))

    async def afind(self, header: Mapping[str, Any]) -> Key:
        key_set = self._current()
        if key_set is None:
            flight = self._cold()
            await wait_for(flight, time_left(FETCH))
            key_set = self._wait(flight, 0.0)
        try:
            return key_set.find(header)
        except UnknownKey as error:
            if (again := self._look_again(header)) is None:
                raise
            unknown = error
        await wait_for(again, time_left(WAIT))
        return self._again(again, header, unknown, 0.0)

    # -- for operators ----------------------------------------------------------------------------------------------------

    def prefetch(self, *, timeout: float | None = None) -> None:
        """Fetch now, and wait: for start-up hooks. Raises KeySetUnavailable if there are no keys then."""
        self._wait(self._start(), time_left(FETCH) if timeout is None else timeout)

    async def aprefetch(self, *, timeout: float | None = None) -> None:
        """As ``prefetch``."""
        flight = self._start()
        await wait_for(flight, time_left(FETCH) if timeout is None else timeout)
        self._wait(flight, 0.0)

    def revoke(self, kid: str) -> None:
        """Accept that key no more, whatever the issuer publishes, as long as this object lives."""
        with self._lock:
            self._revoked |= {kid}
            self._install(self._document)

    def status(self) -> Status:
        age = None if self._set is None else self._clock.monotonic() - self._fetched
        return Status(age, len(self._set or ()), self._fetches, self._failures, self._suppressed, self._last_error)

    def __repr__(self) -> str:
        return f"<RemoteKeySet {self._where} {len(self._set or ())} keys>"

    # -- fetching ---------------------------------------------------------------------------------------------------------

    def _current(self) -> KeySet | None:
        """The keys, if they may still be used; starts a fetch when it is time."""
        now = self._clock.monotonic()
        if now >= self._ends:
            return None
        if now >= self._wake:
            self._start()
        return self._set

    def _cold(self) -> Future[None]:
        """Nothing usable is there. Between failures there is a pause in which nobody asks."""
        now = self._clock.monotonic()
        if self._backoff and now < self._wake and (self._flight is None or self._flight.done()):
            raise self._unavailable(self._wake - now)
        return self._start()

    def _look_again(self, header: Mapping[str, Any]) -> Future[None] | None:
        """A fetch for an unknown kid, if there is reason and room for one."""
        kid, now = header.get("kid"), self._clock.monotonic()
        if not isinstance(kid, str) or kid in self._revoked:
            return None
        with self._lock:
            if self._flight is not None and not self._flight.done():
                return self._flight
            if now < self._missing.get(kid, -1.0):
                self._suppressed += 1
                return None
            self._bucket = min(BUCKET, self._bucket + (now - self._bucket_at) * REFILL)
            self._bucket_at = now
            if self._bucket < 1.0:
                self._suppressed += 1
                return None
            self._bucket -= 1.0
            if len(self._missing) >= UNKNOWN:
                self._missing.clear()
            self._missing[kid] = now + FORGET
        return self._start()

    def _again(self, flight: Future[None], header: Mapping[str, Any], unknown: UnknownKey, seconds: float) -> Key:
        try:
            key_set = self._wait(flight, seconds)
        except KeySetUnavailable:
            raise unknown from None
        return key_set.find(header)

    def _start(self) -> Future[None]:
        with self._lock:
            now = self._clock.monotonic()
            hung = self._flight is not None and now > self._flight_at + 2 * FETCH
            if self._flight is None or self._flight.done() or hung:
                if hung:
                    self._worker = Workers(1, "farsign-jwks")
                self._flight_at, self._wake = now, now + FETCH
                self._flight = self._worker.submit(self._refresh)
            return self._flight

    def _wait(self, flight: Future[None], seconds: float) -> KeySet:
        with suppress(TimeoutError):  # what is there, or is not, decides below
            flight.exception(max(0.0, seconds))
        key_set = self._set
        if key_set is None or self._clock.monotonic() >= self._ends:
            raise self._unavailable(self._backoff)
        return key_set

    def _unavailable(self, retry_after: float | None) -> KeySetUnavailable:
        if self._last_error is None and self._set is None:
            step = "under asyncio use await jwt.adecode(...), which waits; or fetch them at start: prefetch(), await aprefetch()"
            return KeySetUnavailable(f"the keys at {self._where} have not arrived yet", retry_after=retry_after, next_step=step)
        why = f": {self._last_error}" if self._last_error else ""
        return KeySetUnavailable(f"the keys at {self._where} cannot be had{why}", retry_after=retry_after)

    def _refresh(self) -> None:
        self._fetches += 1
        try:
            document = self._fetch(self._etag, FETCH)
            parsed = self._document if document.body is None else KeySet.parse(document.body, alg=self._alg)
        except FarsignError as error:
            self._failed(error)
            return
        now = self._clock.monotonic()
        ttl = min(MOST_TTL, max(LEAST_TTL, document.max_age if document.max_age is not None else DEFAULT_TTL))
        with self._lock:
            self._etag, self._backoff, self._last_error = document.etag, 0.0, None
            self._fetched_at(now)
            if document.body is not None:
                self._missing.clear()
                self._install(parsed)
            self._wake = now + ttl * random.uniform(0.8, 1.0)  # noqa: S311 - jitter

    def _fetched_at(self, now: float) -> None:
        self._fetched, self._ends = now, now + self._hard

    def _failed(self, error: FarsignError) -> None:
        """What was good stays; the next try comes later and later."""
        with self._lock:
            self._failures += 1
            self._last_error = f"{error}"
            self._backoff = min(LONGEST, self._backoff * 2 or BACKOFF)
            self._wake = self._clock.monotonic() + self._backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        logger.warning("the keys at %s could not be fetched: %s", self._where, error)

    def _install(self, parsed: KeySet | None) -> None:
        self._document = parsed
        if parsed is not None:
            self._set = KeySet([key for key in parsed if key.kid not in self._revoked], skipped=parsed.skipped)
        self._known = {}


def _in_event_loop() -> bool:
    """Whether this thread runs one, so that waiting here would stop everything (RULES 25)."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
