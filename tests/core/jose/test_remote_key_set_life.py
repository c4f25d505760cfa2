"""RemoteKeySet over its life: seeds, deadlines, cancelled waiters, forks, own clients, ETags, and what is remembered."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import pytest
from fakekms import FakeClock
from jwks_origin import Issuer, Origin, settled, with_kid

import farsign
from farsign import errors, jwk, jwt
from farsign._jose.jwks_fetch import Document
from farsign.errors import KeySetUnavailable

httpx = pytest.importorskip("httpx", reason="pip install 'farsign[http]'")


# -- seeds ----------------------------------------------------------------------------------------------------------------


def test_a_seed_serves_at_once_and_is_fetched_anew_behind(origin: Origin) -> None:
    old, new = Issuer(), Issuer()
    origin.serve({"keys": [new.jwk]})
    gate = origin.hold()
    keys = jwk.RemoteKeySet(origin.url, seed={"keys": [old.jwk]})
    assert jwt.decode(old.token(), keys)["sub"] == "42"
    gate.set()
    settled(keys)
    assert jwt.decode(new.token(), keys)["sub"] == "42"
    with pytest.raises(jwt.UnknownKey):
        jwt.decode(old.token(), keys)


def test_a_seed_outlives_a_server_that_is_down_until_the_hard_limit(origin: Origin) -> None:
    issuer, clock = Issuer(), FakeClock()
    origin.serve({}, 503)
    keys = jwk.RemoteKeySet(origin.url, seed={"keys": [issuer.jwk]}, hard_limit=600, clock=clock)
    clock.advance(599)
    assert jwt.decode(issuer.token(), keys)["sub"] == "42"
    clock.advance(1)
    with pytest.raises(KeySetUnavailable):
        jwt.decode(issuer.token(), keys)


@pytest.mark.parametrize("seed", ["", b"<html>", {"keys": []}, {}, '{"keys":[],"keys":[]}'])
def test_a_bad_seed_is_refused_when_it_is_given(seed: Any) -> None:
    with pytest.raises(errors.ConfigurationError):
        jwk.RemoteKeySet("https://issuer.example/jwks.json", seed=seed)


@pytest.mark.parametrize("limit", [-1, "1h", True, float("nan"), None])
def test_a_hard_limit_is_seconds(limit: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="hard_limit"):
        jwk.RemoteKeySet("https://issuer.example/jwks.json", hard_limit=limit)


# -- waiting --------------------------------------------------------------------------------------------------------------


def test_rules_17_a_deadline_ends_the_wait_and_not_the_fetch(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    keys, token, gate = jwk.RemoteKeySet(origin.url), issuer.token(), origin.hold()
    started = time.perf_counter()
    with farsign.deadline(0.2), pytest.raises(KeySetUnavailable):
        jwt.decode(token, keys)
    assert time.perf_counter() - started < 1.0, "five-fold slack; without the deadline it would be 5 s"
    gate.set()
    settled(keys)
    assert jwt.decode(issuer.token(), keys)["sub"] == "42"
    assert len(origin.fetches) == 1


def test_rules_22_a_cancelled_waiter_fails_no_other(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    origin.delay = 0.2
    keys, token = jwk.RemoteKeySet(origin.url), issuer.token()

    async def work() -> list[Any]:
        first = asyncio.create_task(jwt.adecode(token, keys))
        others = [asyncio.create_task(jwt.adecode(token, keys)) for _ in range(5)]
        await asyncio.sleep(0.05)
        first.cancel()
        return await asyncio.gather(first, *others, return_exceptions=True)

    results = asyncio.run(work())
    assert isinstance(results[0], asyncio.CancelledError)
    assert [claims["sub"] for claims in results[1:]] == ["42"] * 5
    assert len(origin.fetches) == 1


def test_two_hundred_unknown_kids_at_once_share_one_fetch(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    keys = jwk.RemoteKeySet(origin.url)
    keys.prefetch()
    origin.delay = 0.3
    token, refused = Issuer().token(), []

    def ask(number: int) -> None:
        try:
            jwt.decode(with_kid(token, f"bad-{number}"), keys)
        except jwt.UnknownKey as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 200
    assert len(origin.fetches) <= 3  # one for those who came while it was under way; a straggler may start another


def test_an_unknown_kid_is_remembered_for_ten_seconds_and_counted(origin: Origin) -> None:
    issuer, clock = Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]}, ETag='"v1"')
    keys, bad = jwk.RemoteKeySet(origin.url, clock=clock), with_kid(Issuer().token(), "bad")
    keys.prefetch()
    origin.answer = lambda handler: origin.send(handler, b"", 304)
    for advance, fetches, suppressed in ((0, 2, 0), (9, 2, 1), (2, 3, 1), (1, 3, 2)):
        clock.advance(advance)
        with pytest.raises(jwt.UnknownKey):
            jwt.decode(bad, keys)
        assert (len(origin.fetches), keys.status().suppressed) == (fetches, suppressed)


def test_what_strangers_send_is_not_remembered_without_end() -> None:
    issuer, clock = Issuer(), FakeClock()
    documents = [Document(None, None, None)]

    def fetch(etag: str | None, seconds: float) -> Document:
        return documents[0]

    keys = jwk.RemoteKeySet("https://issuer.example/", seed={"keys": [issuer.jwk]}, clock=clock, fetch=fetch)
    token = Issuer().token()
    for number in range(1_500):
        clock.advance(10)
        with pytest.raises(jwt.UnknownKey):
            jwt.decode(with_kid(token, f"bad-{number}"), keys)
        settled(keys)
    assert len(keys._missing) <= 1_024
    assert keys.status().fetches > 1_000


# -- fetching -------------------------------------------------------------------------------------------------------------


def test_304_without_an_etag_of_ours_is_a_failure(origin: Origin) -> None:
    origin.answer = lambda handler: origin.send(handler, b"", 304)
    with pytest.raises(KeySetUnavailable, match="304"):
        jwt.decode(Issuer().token(), jwk.RemoteKeySet(origin.url))


@pytest.mark.parametrize(("cache_control", "fresh"), [("max-age=5", 59), ("max-age=99999", 3_590), ("no-store", 299), ("private, max-age=600", 599), ("max-age=x", 299)])  # fmt: skip
def test_it_is_fresh_for_as_long_as_the_server_says_within_reason(cache_control: str, fresh: float, origin: Origin) -> None:
    """60 s to 1 h, 5 min by default; the fetch ahead may come up to a fifth earlier."""
    issuer, clock = Issuer(), FakeClock()
    origin.serve({"keys": [issuer.jwk]}, Cache_Control=cache_control)
    keys = jwk.RemoteKeySet(origin.url, clock=clock)
    keys.prefetch()
    clock.advance(fresh * 0.79)
    jwt.decode(issuer.token(), keys)
    assert len(origin.fetches) == 1
    clock.advance(fresh * 0.22 + 11)
    jwt.decode(issuer.token(), keys)
    settled(keys)
    assert len(origin.fetches) == 2


def test_a_client_of_the_callers_is_used_and_does_not_follow_redirects(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    with httpx.Client(headers={"X-Ours": "yes"}, follow_redirects=True) as client:
        keys = jwk.RemoteKeySet(origin.url, client=client)
        assert jwt.decode(issuer.token(), keys)["sub"] == "42"
        assert origin.fetches[0]["X-Ours"] == "yes"
        origin.serve(b"", 302, Location=origin.url)
        with pytest.raises(KeySetUnavailable, match="302"):
            jwt.decode(issuer.token(), jwk.RemoteKeySet(origin.url, client=client))


def test_no_header_of_the_request_says_more_than_it_has_to(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    jwk.RemoteKeySet(origin.url).prefetch()
    assert not {"Authorization", "Cookie"} & set(origin.fetches[0])


def test_rules_16_a_query_is_sent_and_never_shown(origin: Origin, caplog: pytest.LogCaptureFixture) -> None:
    """Some issuers want an API key there."""
    origin.serve({}, 503)
    keys = jwk.RemoteKeySet(origin.url + "?key=sesame")
    with pytest.raises(KeySetUnavailable) as caught:
        keys.prefetch()
    shown = caught.value.diagnostics() + repr(keys) + caplog.text + str(keys.status())
    assert "jwks.json" in shown
    assert "sesame" not in shown
    assert origin.paths == ["/jwks.json?key=sesame"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_rules_22_a_forked_child_keeps_the_keys_and_fetches_by_itself(origin: Origin) -> None:
    issuer, new = Issuer(), Issuer()
    origin.serve({"keys": [issuer.jwk]})
    keys, tokens = jwk.RemoteKeySet(origin.url), [issuer.token(), new.token()]
    jwt.decode(tokens[0], keys)
    origin.serve({"keys": [issuer.jwk, new.jwk]})
    with keys._lock:  # as if another thread held it just then
        child = os.fork()
        if child == 0:
            try:
                good = all(jwt.decode(token, keys)["sub"] == "42" for token in tokens)
            except BaseException:
                good = False
            os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(origin.fetches) == 2
