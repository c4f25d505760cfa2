"""TCP faults by toxiproxy, a program that is not ours, in front of each emulator, and of a server that is not ours either: what the
network itself does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import independent_aws
import pytest
from faulty_backends import ALGORITHM, IDS, TABLE, Backend, running
from faulty_proxy import ForgetfulProxy
from faulty_time import LATE, slack
from toxiproxy import Proxy

import farsign
from farsign import errors
from farsign.testing.conformance import verify
from farsign.testing.conformance._harness import many

TIMEOUT: Final = 0.4
ENDLESS: Final = (  # no reply in time
    pytest.param(("timeout", {"timeout": 0}), id="a black hole"),
    pytest.param(("slicer", {"average_size": 1, "size_variation": 0, "delay": 50_000}), id="a slow drip"),
    pytest.param(("latency", {"latency": 5000}), id="latency"),
    pytest.param(("bandwidth", {"rate": 0}), id="hardly any bandwidth"),
)
BROKEN: Final = {  # no reply at all
    "reset": ("reset_peer", {"timeout": 0}),
    "half-closed in the middle of the reply": ("limit_data", {"bytes": 100}),
}
BEARABLE: Final = {
    "latency and jitter": ("latency", {"latency": 40, "jitter": 30}),
    "a slow close": ("slow_close", {"delay": 2000}),
    "pieces": ("slicer", {"average_size": 64, "size_variation": 32, "delay": 500}),
}
Toxic = tuple[str, dict[str, Any]]


class Server(NamedTuple):
    """uri: of a key there."""

    authority: str
    uri: str


@pytest.fixture(params=[*TABLE, None], ids=[*IDS, "independent-aws"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    row: Backend | None = request.param
    if row is None:
        yield independent()
        return
    with running(row.scheme) as emulator:
        yield Server(emulator.authority, emulator.create_key(ALGORITHM).uri)


def independent() -> Server:
    """FARSIGN_TEST_AWS_ENDPOINT, or MiniStack."""
    pytest.importorskip("boto3", reason="needs boto3")
    from boto import client

    url = independent_aws.endpoint()
    key_id = client(url).create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    return Server(urlsplit(url).netloc, f"awskms:///{key_id}?region=us-east-1&endpoint={url}&auth=emulator")


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    made = Proxy(server.authority)
    yield made
    made.close()


@pytest.fixture
def key(proxy: Proxy, server: Server) -> Iterator[farsign.SigningKey]:
    with through(proxy, server, farsign.Policy(timeout=5.0, attempts=4)) as signer:  # five in a row would open the breaker
        yield signer.check()


def through(proxy: Proxy | ForgetfulProxy, server: Server, policy: farsign.Policy) -> farsign.Signer:
    return farsign.open_signer(server.uri.replace(server.authority, proxy.address), policy=policy)


@pytest.mark.parametrize("toxic", ENDLESS[: many(2, 4)])
def test_a_call_ends_in_time(toxic: Toxic, proxy: Proxy, key: farsign.SigningKey) -> None:
    kind, attributes = toxic
    proxy.add(kind, **attributes)
    for call in (lambda: key.sign(b"x", timeout=TIMEOUT), lambda: asyncio.run(key.asign(b"x", timeout=TIMEOUT))):
        started = time.monotonic()
        with pytest.raises((errors.DeadlineExceeded, errors.ProviderUnavailable)):
            call()
        assert time.monotonic() - started < TIMEOUT + slack(LATE)
    proxy.clear()
    recovers(key)


@pytest.mark.parametrize("toxic", BROKEN.values(), ids=BROKEN)
def test_what_breaks_is_an_error_with_a_name(toxic: Toxic, proxy: Proxy, key: farsign.SigningKey) -> None:
    kind, attributes = toxic
    proxy.add(kind, **attributes)
    with pytest.raises((errors.ProviderUnavailable, errors.IntegrityFailure)):
        key.sign(b"x", timeout=TIMEOUT)
    proxy.clear()
    recovers(key)


@pytest.mark.parametrize("toxic", BEARABLE.values(), ids=BEARABLE)
def test_what_can_be_borne_is(toxic: Toxic, proxy: Proxy, key: farsign.SigningKey) -> None:
    kind, attributes = toxic
    proxy.add(kind, **attributes)
    for _ in range(3):
        signs(key)


def test_connections_that_break_now_and_then_lose_nothing(proxy: Proxy, server: Server) -> None:
    with through(proxy, server, farsign.Policy(timeout=5.0)) as signer:
        key = signer.check()
        proxy.add("reset_peer", toxicity=0.1, timeout=20)  # of new connections; five in a row are one in 100,000
        for _ in range(many(40, 2_000)):
            signs(key)


def test_connections_that_break_in_a_row_lose_nothing(server: Server) -> None:
    """The kept one, and the two that are to take its place: the third is good. Nothing of this is left to chance."""
    proxy = ForgetfulProxy(server.authority)
    with through(proxy, server, farsign.Policy(timeout=5.0)) as signer:
        key = signer.check()
        for call in (key.sign, lambda data: asyncio.run(key.asign(data))) * 2:  # of more, the breaker would rightly open
            before = proxy.accepted
            proxy.refuse(2)
            proxy.reset()
            verify(key.public_key(), key.algorithm, call(b"x"), b"x")
            assert proxy.accepted >= before + 3
            for _ in range(3):
                signs(key)  # else most attempts fail, and the breaker opens as it should
    proxy.close()


def test_an_outage_and_the_return(proxy: Proxy, key: farsign.SigningKey) -> None:
    proxy.enable(False)
    with pytest.raises(errors.ProviderUnavailable):
        key.sign(b"x", timeout=TIMEOUT)
    proxy.enable(True)
    recovers(key)


def signs(key: farsign.SigningKey) -> None:
    verify(key.public_key(), key.algorithm, key.sign(b"x"), b"x")


def recovers(key: farsign.SigningKey) -> None:
    """At the latest when an open breaker lets a probe through: within 6 s."""
    end = time.monotonic() + 6.0
    while (wait := signs_or_wait(key)) is not None:
        assert time.monotonic() + wait < end
        time.sleep(wait)


def signs_or_wait(key: farsign.SigningKey) -> float | None:
    try:
        signs(key)
    except errors.ProviderUnavailable as error:
        return error.retry_after or 0.1
    return None
