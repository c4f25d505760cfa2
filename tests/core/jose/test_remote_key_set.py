"""RemoteKeySet against a real HTTP server on loopback, with a fake clock where hours pass (RELIABILITY's recommended semantics)."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fakekms import FakeClock, FakeDriver, FakeKMS

from farsign import errors, jwk, jwt
from farsign._signer.signer import Signer

pytest.importorskip("httpx", reason="pip install 'farsign[http]'")


class Origin:
    """A JWKS server whose answers are set by the test."""

    def __init__(self) -> None:
        self.fetches: list[dict[str, str]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: self.send(handler, {"keys": []})
        self.delay = 0.0
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin.fetches.append(dict(self.headers))
                time.sleep(origin.delay)
                origin.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def send(self, handler: BaseHTTPRequestHandler, document: object, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def serve(self, document: object, status: int = 200, **headers: str) -> None:
        self.answer = lambda handler: self.send(handler, document, status, **headers)


@pytest.fixture
def origin() -> Iterator[Origin]:
    server = Origin()
    yield server
    server.server.shutdown()
    server.server.server_close()


class Issuer:
    """Signs tokens with a key of its own and knows its JWK."""

    def __init__(self) -> None:
        kms = FakeKMS()
        self.signer = Signer(lambda: FakeDriver(kms))
        self.jwk = self.signer.key().jwk()
        self.kid = self.jwk["kid"]

    def token(self) -> str:
        return jwt.encode({"sub": "42"}, self.signer)


def settled(keys: jwk.RemoteKeySet) -> None:
    """Wait for the fetch in the background."""
    assert keys._flight is not None
    keys._flight.exception(10.0)


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


def test_two_hundred_threads_cold_make_one_fetch(origin: Origin) -> None:
    issuer = Issuer()
    origin.serve({"keys": [issuer.jwk]})
    origin.delay = 0.1
    keys, token, results = jwk.RemoteKeySet(origin.url), issuer.token(), []
    threads = [threading.Thread(target=lambda: results.append(jwt.decode(token, keys))) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200
    assert len(origin.fetches) == 1


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


def test_ten_thousand_bad_kids_cost_six_fetches_and_no_good_token(origin: Origin) -> None:
    issuer, stranger = Issuer(), Issuer()
    origin.serve({"keys": [issuer.jwk]})
    keys = jwk.RemoteKeySet(origin.url)
    good, bad = issuer.token(), stranger.token()
    for number in range(10_000):
        with pytest.raises(errors.InvalidToken):
            jwt.decode(_with_kid(bad, f"bad-{number}"), keys)
        if number % 100 == 0:
            jwt.decode(good, keys)
    assert len(origin.fetches) <= 7


def _with_kid(token: str, kid: str) -> str:
    from farsign._base.encodings import b64url_encode

    header = b64url_encode(json.dumps({"alg": "ES256", "kid": kid}).encode())
    return ".".join([header, *token.split(".")[1:]])


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
