"""RemoteKeySet against a real HTTP server on loopback, with a fake clock where hours pass (RELIABILITY's recommended semantics)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fakekms import FakeClock
from jwks_origin import Issuer, Origin, settled, with_kid

from farsign import errors, jwk, jwt
from farsign._jose import remote_key_set

pytest.importorskip("httpx", reason="pip install 'farsign[http]'")


BAD = {
    "500": lambda o: o.serve({}, 500),
    "html": lambda o: o.serve(b"<html>", Content_Type="text/html"),
    "empty body": lambda o: o.serve(b""),
    "no keys": lambda o: o.serve({"keys": []}),
    "redirect": lambda o: o.serve(b"", 302, Location="http://127.0.0.1:1/"),
    "list": lambda o: o.serve([]),
    "too large": lambda o: o.serve(b" " * 300_000),
    "duplicate kid": lambda o: o.serve({"keys": [Issuer().jwk | {"kid": "a"}, Issuer().jwk | {"kid": "a"}]}),
    "a secret": lambda o: o.serve({"keys": [{"kty": "oct", "k": "a" * 43, "alg": "HS256"}, Issuer().jwk]}),
    "a private part": lambda o: o.serve({"keys": [Issuer().jwk | {"d": "a" * 43}]}),
}


def at_once(count: int, call: Callable[[], object]) -> int:
    """How many of so many threads succeed."""
    done: list[object] = []
    together = threading.Barrier(count)

    def work() -> None:
        together.wait()
        done.append(call())

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done)


def test_two_hundred_threads_cold_make_one_fetch(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    origin.delay = 0.1
    keys, token = jwk.RemoteKeySet(origin.url), issuer.token()
    assert at_once(200, lambda: jwt.decode(token, keys)) == 200
    assert len(origin.fetches) == 1


def test_two_hundred_threads_at_expiry_make_one_fetch_and_wait_for_none(origin: Origin) -> None:
    issuer, clock = Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]})
    keys, token = jwk.RemoteKeySet(origin.url, clock=clock), issuer.token()
    jwt.decode(token, keys)
    clock.advance(301)
    gate = origin.hold()
    assert at_once(200, lambda: jwt.decode(token, keys)) == 200
    assert keys.status().age == 301, "the fetch is not answered yet"
    gate.set()
    settled(keys)
    assert len(origin.fetches) == 2


def test_two_hundred_threads_after_the_hard_limit_make_one_fetch(origin: Origin) -> None:
    issuer, clock = Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]})
    keys, token = jwk.RemoteKeySet(origin.url, clock=clock), issuer.token()
    jwt.decode(token, keys)
    clock.advance(86_401)
    origin.delay = 0.1
    assert at_once(200, lambda: jwt.decode(token, keys)) == 200
    assert len(origin.fetches) == 2


def test_it_is_fetched_again_ahead_in_the_background_with_its_etag(origin: Origin) -> None:
    issuer, clock = Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]}, ETag='"v1"', Cache_Control="public, max-age=600")
    keys = jwk.RemoteKeySet(origin.url, clock=clock)
    token = issuer.token()
    jwt.decode(token, keys)
    clock.advance(470)
    jwt.decode(token, keys)
    assert len(origin.fetches) == 1
    clock.advance(131)
    origin.answer = lambda handler: origin.send(handler, b"", 304, ETag='"v1"')
    jwt.decode(token, keys)
    settled(keys)
    assert len(origin.fetches) == 2
    assert origin.fetches[1]["If-None-Match"] == '"v1"'
    assert keys.status().age == 0


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_answer_loses_no_good_token_before_the_hard_limit_and_all_after(bad: str, origin: Origin) -> None:
    issuer, clock = Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]})
    keys = jwk.RemoteKeySet(origin.url, clock=clock, hard_limit=3600.0)
    token = issuer.token()
    jwt.decode(token, keys)
    BAD[bad](origin)
    for _ in range(11):
        clock.advance(300)
        jwt.decode(token, keys)
        settled(keys)
    assert keys.status().failures > 3
    assert keys.status().last_error
    clock.advance(301)
    with pytest.raises(errors.KeySetUnavailable) as caught:
        jwt.decode(token, keys)
    assert isinstance(caught.value, errors.ProviderError)
    origin.serve({"keys": [issuer.jwk]})
    clock.advance(120)
    assert jwt.decode(token, keys)["sub"] == "42"


@pytest.mark.parametrize("gone", ["down", "hanging", "dripping"])
def test_a_server_that_is_gone_loses_no_good_token_before_the_hard_limit_and_all_after(
    gone: str, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, clock = Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]})
    keys, token = jwk.RemoteKeySet(origin.url, clock=clock, hard_limit=3_600), issuer.token()
    keys.prefetch()
    monkeypatch.setattr(remote_key_set, "FETCH", 0.2)
    GONE[gone](origin)
    for _ in range(3):
        clock.advance(1_000)
        for _ in range(20):
            jwt.decode(token, keys)
        settled(keys)
    assert keys.status().failures == 3
    clock.advance(601)
    with pytest.raises(errors.KeySetUnavailable):
        jwt.decode(token, keys)


def drip(origin: Origin) -> None:
    """A byte now and then, for ever: no single read times out."""

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    origin.answer = answer


GONE: dict[str, Callable[[Origin], object]] = {
    "down": lambda origin: origin.server.server_close(),
    "hanging": lambda origin: setattr(origin, "delay", 3.0),
    "dripping": drip,
}


def test_a_server_that_is_down_is_not_asked_for_each_token(origin: Origin) -> None:
    origin.serve({}, 503)
    keys, token = jwk.RemoteKeySet(origin.url), Issuer().token()
    for _ in range(50):
        with pytest.raises(errors.KeySetUnavailable):
            jwt.decode(token, keys)
    assert len(origin.fetches) <= 2


def test_a_hung_fetch_delays_no_known_key(origin: Origin) -> None:
    issuer, stranger = Issuer(), Issuer()
    origin.serve({"keys": [issuer.jwk]})
    keys = jwk.RemoteKeySet(origin.url)
    token = issuer.token()
    jwt.decode(token, keys)
    origin.delay = 1.5
    refused: list[errors.InvalidToken] = []

    def ask() -> None:
        with pytest.raises(errors.InvalidToken) as caught:
            jwt.decode(stranger.token(), keys)
        refused.append(caught.value)

    unknown = threading.Thread(target=ask)
    unknown.start()
    time.sleep(0.1)
    started = time.perf_counter()
    for _ in range(20):
        jwt.decode(token, keys)
    assert (time.perf_counter() - started) / 20 < 0.005  # five-fold slack on 1 ms
    unknown.join()
    assert len(refused) == 1


def test_ten_thousand_bad_kids_in_ten_seconds_cost_six_fetches_and_no_good_token(origin: Origin) -> None:
    issuer, stranger, clock = Issuer(), Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]})
    keys = jwk.RemoteKeySet(origin.url, clock=clock)
    good, bad = issuer.token(), stranger.token()
    jwt.decode(good, keys)
    for number in range(10_000):
        clock.advance(0.001)
        with pytest.raises(errors.InvalidToken):
            jwt.decode(with_kid(bad, f"bad-{number}"), keys)
        if number % 100 == 0:
            jwt.decode(good, keys)
    assert len(origin.fetches) - 1 <= 6


def test_a_new_key_is_found_at_once_and_a_withdrawn_one_goes_at_the_next_fetch(origin: Origin) -> None:
    old, new, clock = Issuer(), Issuer(), FakeClock()
    origin.serve({"keys": [old.jwk]})
    keys = jwk.RemoteKeySet(origin.url, clock=clock)
    jwt.decode(old.token(), keys)
    origin.serve({"keys": [new.jwk]})
    assert jwt.decode(new.token(), keys)["sub"] == "42"
    with pytest.raises(errors.InvalidToken):
        jwt.decode(old.token(), keys)


def test_a_revoked_kid_is_refused_whatever_is_published(origin: Origin) -> None:
    issuer, other, clock = Issuer(), Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk, other.jwk]})
    keys = jwk.RemoteKeySet(origin.url, clock=clock)
    token = issuer.token()
    jwt.decode(token, keys)
    keys.revoke(issuer.kid)
    for _ in range(3):
        with pytest.raises(errors.InvalidToken):
            jwt.decode(token, keys)
        clock.advance(400)
        jwt.decode(other.token(), keys)
        settled(keys)


def test_rules_25_under_an_event_loop_sync_raises_at_once_and_async_waits(origin: Origin) -> None:
    issuer, new = Issuer(), Issuer()
    origin.serve({"keys": [issuer.jwk]})
    keys = jwk.RemoteKeySet(origin.url)

    async def work() -> None:
        await keys.aprefetch()
        assert jwt.decode(issuer.token(), keys)["sub"] == "42", "a known key needs no waiting"
        origin.serve({"keys": [issuer.jwk, new.jwk]})
        origin.delay = 0.3
        started = time.perf_counter()
        with pytest.raises(errors.InvalidToken):
            jwt.decode(new.token(), keys)
        assert time.perf_counter() - started < 0.25
        assert (await jwt.adecode(new.token(), keys))["sub"] == "42"

    asyncio.run(work())
    assert len(origin.fetches) == 2


def test_under_an_event_loop_a_cold_set_says_how_to_wait(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    keys = jwk.RemoteKeySet(origin.url)

    async def work() -> None:
        with pytest.raises(errors.KeySetUnavailable, match="not arrived yet") as caught:
            jwt.decode(issuer.token(), keys)
        assert "await jwt.adecode" in caught.value.next_step
        assert (await jwt.adecode(issuer.token(), keys))["sub"] == "42"

    asyncio.run(work())


def test_fifty_tasks_cold_make_one_fetch(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    origin.delay = 0.1
    keys, token = jwk.RemoteKeySet(origin.url), issuer.token()

    async def work() -> None:
        assert len(await asyncio.gather(*(jwt.adecode(token, keys) for _ in range(50)))) == 50

    asyncio.run(work())
    assert len(origin.fetches) == 1


@pytest.mark.parametrize(
    "url", ["", "ftp://x/", "http://issuer.example/jwks", "https://u:p@issuer.example/", "file:///etc/passwd", None, "https://"]
)
def test_only_https_or_what_was_named(url: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        jwk.RemoteKeySet(url)


def test_plain_http_goes_to_hosts_that_were_named() -> None:
    assert "issuer.example" in repr(jwk.RemoteKeySet("http://issuer.example/jwks", allow_hosts=["issuer.example"]))
