"""RemoteKeySet beside PyJWT's PyJWKClient, against one server on loopback: ``python -m benchmarks.jwks``.

Fetches that the server saw, good tokens that were refused, and how long the slowest good token took. farsign's clock is a fake one, moved
past the lifetime of the keys; PyJWKClient gets a lifetime of one second where keys expire, and that is waited for.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt as pyjwt

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))  # the server is that of the tests

from fakekms import FakeClock
from jwks_origin import Issuer, Origin, with_kid

from farsign import jwk, jwt

from ._timing import table

TIMEOUT: Final = 2.0  # seconds that PyJWKClient is given for a fetch; RemoteKeySet has 5
Verify = Callable[[str], object]


class Outcome(NamedTuple):
    fetches: int
    lost: int
    slowest: float  # seconds


class Farsign:
    name = "farsign"

    def __init__(self, origin: Origin, **_: float) -> None:
        self._clock = FakeClock()
        self._keys = jwk.RemoteKeySet(origin.url, clock=self._clock)

    def verify(self, token: str) -> object:
        return jwt.decode(token, self._keys)

    def expire(self) -> None:
        self._clock.advance(400)

    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)


class PyJWT:
    name = "PyJWKClient"

    def __init__(self, origin: Origin, **options: Any) -> None:
        self._client = pyjwt.PyJWKClient(origin.url, timeout=TIMEOUT, **options)

    def verify(self, token: str) -> object:
        return pyjwt.decode(token, self._client.get_signing_key_from_jwt(token), algorithms=["ES256"])

    def expire(self) -> None:
        time.sleep(1.1)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)


Contender = Any  # Farsign or PyJWT


def timed(verify: Verify, token: str) -> tuple[bool, float]:
    start = time.perf_counter()
    try:
        verify(token)
    except Exception:  # each library's own: the token was lost
        return False, time.perf_counter() - start
    return True, time.perf_counter() - start


def outcome(origin: Origin, before: int, results: list[tuple[bool, float]]) -> Outcome:
    return Outcome(len(origin.fetches) - before, sum(not good for good, _ in results), max(seconds for _, seconds in results))


def crowd(contender: Contender, token: str, count: int) -> list[tuple[bool, float]]:
    results: list[tuple[bool, float]] = []
    together = threading.Barrier(count)

    def one() -> None:
        together.wait()
        results.append(timed(contender.verify, token))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def cold(origin: Origin, contender: Contender, issuer: Issuer) -> Outcome:
    origin.delay = 0.05
    return outcome(origin, 0, crowd(contender, issuer.token(), 200))


def expired(origin: Origin, contender: Contender, issuer: Issuer) -> Outcome:
    contender.verify(issuer.token())
    contender.expire()
    origin.delay = 0.05
    results = crowd(contender, issuer.token(), 200)
    time.sleep(0.2)  # for a fetch in the background
    return outcome(origin, 1, results)


def flood(origin: Origin, contender: Contender, issuer: Issuer) -> Outcome:
    """10,000 kids that nobody has, in ten seconds, and a good token after every hundredth."""
    good, bad = issuer.token(), Issuer().token()
    contender.verify(good)
    results = []
    for number in range(10_000):
        timed(contender.verify, with_kid(bad, f"bad-{number}"))
        if number % 100 == 99:
            results.append(timed(contender.verify, good))
            contender.pass_time(0.1)
    return outcome(origin, 1, results)


def after(answer: Callable[[Origin], object]) -> Callable[[Origin, Contender, Issuer], Outcome]:
    """The endpoint answers so when the keys have expired: 20 good tokens, one after the other."""

    def scenario(origin: Origin, contender: Contender, issuer: Issuer) -> Outcome:
        contender.verify(issuer.token())
        answer(origin)
        contender.expire()
        results = [timed(contender.verify, issuer.token()) for _ in range(5)]
        time.sleep(0.1)
        return outcome(origin, 1, results)

    return scenario


def known_while_hanging(origin: Origin, contender: Contender, issuer: Issuer) -> Outcome:
    """Another thread waits for a fetch that hangs, and a token of a key that is known comes in."""
    good, bad = issuer.token(), with_kid(Issuer().token(), "unknown")
    contender.verify(good)
    origin.delay = TIMEOUT + 1
    other = threading.Thread(target=timed, args=(contender.verify, bad))
    other.start()
    time.sleep(0.1)
    results = [timed(contender.verify, good) for _ in range(20)]
    other.join()
    return outcome(origin, 1, results)


def new_key(origin: Origin, contender: Contender, issuer: Issuer) -> Outcome:
    """The issuer changes its key, and a token by the new one comes in."""
    contender.verify(issuer.token())
    other = Issuer()
    origin.serve({"keys": [issuer.jwk, other.jwk]})
    return outcome(origin, 1, [timed(contender.verify, other.token())])


def close(origin: Origin) -> None:
    origin.stop()


Scenario = Callable[[Origin, Contender, Issuer], Outcome]
SCENARIOS: Final[dict[str, Scenario]] = {
    "200 threads, cold": cold,
    "200 threads, expired": expired,
    "10,000 bad kids in 10 s": flood,
    "expired, endpoint down": after(close),
    "expired, endpoint hangs": after(lambda origin: setattr(origin, "delay", TIMEOUT + 1)),
    "expired, 503": after(lambda origin: origin.serve({}, 503)),
    "expired, no keys": after(lambda origin: origin.serve({"keys": []})),
    "expired, HTML": after(lambda origin: origin.serve(b"<html>", Content_Type="text/html")),
    "expired, one kid twice": after(lambda origin: origin.serve({"keys": [Issuer().jwk | {"kid": "a"}, Issuer().jwk | {"kid": "a"}]})),
    "expired, redirect": after(lambda origin: origin.serve(b"", 302, Location="http://127.0.0.1:1/")),
    "known kid, a fetch hangs": known_while_hanging,
    "a new key": new_key,
}  # fmt: skip
# PyJWKClient's settings, where its defaults (300 s, and 30 s between fetches for unknown kids) are not what the row is about.
OPTIONS: Final = {name: {"lifespan": 1} for name in SCENARIOS if "expired" in name} | {
    "known kid, a fetch hangs": {"cooldown_duration": 0}
}


def run(name: str, contender: type[Contender]) -> Outcome:
    origin, issuer = Origin(), Issuer()
    origin.serve({"keys": [issuer.jwk]})
    try:
        return SCENARIOS[name](origin, contender(origin, **OPTIONS.get(name, {})), issuer)
    finally:
        origin.stop()


def main() -> None:
    logging.getLogger("farsign").setLevel(logging.ERROR)  # each failed fetch is a warning
    rows: list[tuple[object, ...]] = []
    for name in SCENARIOS:
        ours, theirs = run(name, Farsign), run(name, PyJWT)
        rows.append((name, ours.fetches, ours.lost, ours.slowest * 1e3, theirs.fetches, theirs.lost, theirs.slowest * 1e3))
    table("RemoteKeySet | PyJWKClient", ("", "fetches", "good lost", "slowest ms", "| fetches", "good lost", "slowest ms"), rows)


if __name__ == "__main__":
    main()
