"""When a channel is kept, when another takes its place, and that none is left over."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from cloudkms import CANARY, StaticCredentials
from faulty_proxy import ForgetfulProxy

import farsign
from farsign import errors
from farsign._base import events
from farsign.driver import SignRequest
from farsign_gcp import _client
from farsign_gcp._driver import AsyncCloudKey, CloudKey
from farsign_gcp._emulator import GcpEmulator


def test_a_server_that_comes_back_is_used_at_once(gcp: GcpEmulator, drive: Callable[..., CloudKey]) -> None:
    """gRPC alone would wait ever longer, up to two minutes, between two attempts to connect."""
    key = gcp.create_key("ES256")
    driver, request = drive(key.uri), SignRequest(key.version, "ES256", "digest", bytes(32))
    driver.sign(request, timeout=5)
    gcp.close()
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        with pytest.raises(grpc.RpcError):
            driver.sign(request, timeout=0.5)
        time.sleep(0.05)
    gcp.start()
    started = time.monotonic()
    while True:
        try:
            driver.sign(request, timeout=0.5)
            break
        except grpc.RpcError:
            assert time.monotonic() - started < 5.0  # a second and its jitter; by default it would be at 1 + 1.6 + 2.6 s by now
            time.sleep(0.05)


def test_a_connection_that_is_dead_is_not_used_again(gcp: GcpEmulator, drive: Callable[..., CloudKey]) -> None:
    """Somebody between forgot it. gRPC by itself would go on with it until the system gives it up."""
    key = gcp.create_key("ES256")
    proxy, before = ForgetfulProxy(gcp.url), len(_client._open)
    driver = drive(key.uri.replace(gcp.url, proxy.address))
    request = SignRequest(key.version, "ES256", "digest", bytes(32))

    async def sign(timeout: float) -> None:
        assert isinstance(driver, AsyncCloudKey)
        await driver.asign(request, timeout=timeout)

    for attempt in (lambda timeout: driver.sign(request, timeout=timeout), lambda timeout: asyncio.run(sign(timeout))):
        attempt(5.0)
        assert proxy.forget()
        with pytest.raises(grpc.RpcError):
            attempt(0.3)
        attempt(5.0)
    assert len(_client._open) == before + 1, "the dead ones are closed"
    proxy.close()


def test_calls_on_a_connection_that_is_reset_are_made_again_on_a_new_one(gcp: GcpEmulator) -> None:
    """RULES 23. All calls share one connection: were each of them a failure, one reset would open the breaker."""
    key, proxy = gcp.create_key("ES256"), ForgetfulProxy(gcp.url)
    seen: list[events.Event] = []
    with farsign.open_signer(key.uri.replace(gcp.url, proxy.address)) as signer, ThreadPoolExecutor(33) as threads:
        stop = farsign.observe(seen.append)
        ours = signer.check()
        gcp.faults.latency("sign", 0.3)
        in_threads = [threads.submit(ours.sign, b"x", timeout=10.0) for _ in range(32)]
        in_tasks = threads.submit(asyncio.run, at_once(ours, 32))
        while gcp.calls("sign") < 40:
            time.sleep(0.01)
        assert proxy.reset() == 1
        for future in (*in_threads, in_tasks):
            future.result()
        stop()
    outcomes = [event.outcome for event in seen if isinstance(event, events.Attempt)]
    assert len(outcomes) >= 64
    assert set(outcomes) == {"ok"}
    assert not [event for event in seen if isinstance(event, events.Breaker)]
    proxy.close()


async def at_once(key: farsign.SigningKey, count: int) -> None:
    await asyncio.gather(*(key.asign(b"x", timeout=10.0) for _ in range(count)))


def test_an_attempt_after_one_that_could_not_connect_connects(gcp: GcpEmulator, drive: Callable[..., CloudKey]) -> None:
    """gRPC by itself would let it fail unsent for 100 ms and more, and three attempts are over by then."""
    key, proxy, before = gcp.create_key("ES256"), ForgetfulProxy(gcp.url), len(_client._open)
    driver = drive(key.uri.replace(gcp.url, proxy.address))
    request = SignRequest(key.version, "ES256", "digest", bytes(32))
    proxy.refuse(1)
    with pytest.raises(grpc.RpcError):
        driver.sign(request, timeout=5.0)
    assert proxy.accepted == 1
    driver.sign(request, timeout=5.0)
    assert proxy.accepted == 2
    assert len(_client._open) == before + 1, "the one that broke is closed"
    proxy.close()


def test_one_slow_call_among_others_is_no_dead_connection(gcp: GcpEmulator, drive: Callable[..., CloudKey]) -> None:
    """Else callers in a hurry would make a connection each, just when the server has no time for that."""
    key, before = gcp.create_key("ES256"), len(_client._open)
    driver = drive(key.uri)
    request = SignRequest(key.version, "ES256", "digest", bytes(32))
    driver.sign(request, timeout=5.0)
    line = driver._shared.client._line
    gcp.faults.stall("sign", times=1)
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(driver.sign, request, timeout=1.0)
        while gcp.calls("sign") < 2:
            time.sleep(0.01)
        driver.sign(request, timeout=5.0)
        with pytest.raises(grpc.RpcError):
            slow.result()
    assert driver._shared.client._line is line
    assert len(_client._open) == before + 1


def test_a_call_that_ends_after_the_last_close_makes_no_connection(gcp: GcpEmulator) -> None:
    before = len(_client._open)
    shared = _client.connect(_client.settings(farsign.parse_uri(gcp.create_key("ES256").uri), (), None, None))
    with shared.client.line(time.monotonic()):
        shared.release()
    assert len(_client._open) == before


def test_a_token_that_nobody_waits_for_any_more_is_not_waited_for(gcp: GcpEmulator) -> None:
    """Tasks whose time is over leave nothing in the queue for the next ones."""
    hang = threading.Event()
    credentials = StaticCredentials(on_refresh=lambda: hang.wait(10))
    uri = farsign.parse_uri(gcp.create_key("ES256").uri.replace("&auth=emulator", ""))
    shared = _client.connect(_client.settings(uri, (), credentials, None))

    async def run() -> None:
        tasks = [asyncio.create_task(shared.client.aheaders(0.2)) for _ in range(50)]
        failed = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, errors.ProviderUnavailable) for error in failed)

    asyncio.run(run())
    assert all(future.cancelled() or future.running() for future, _ in shared.client._waiting._queue)
    hang.set()
    started = time.monotonic()
    assert ("authorization", f"Bearer {CANARY}") in asyncio.run(shared.client.aheaders(5.0))
    assert time.monotonic() - started < 1.0
    shared.release()


def test_loops_that_ended_leave_no_channel(gcp: GcpEmulator) -> None:
    """A driver is opened for each loop; asyncio.run() makes a new one every time."""
    before = len(_client._open)
    with farsign.open_signer(gcp.create_key("ES256").uri) as signer:
        key = signer.key()
        for _ in range(5):
            asyncio.run(key.asign(b"x"))
            gc.collect()
    assert len(_client._open) == before
