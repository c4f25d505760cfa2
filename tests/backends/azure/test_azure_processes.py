"""Shared clients, fork, threads, event loops, and calls that end in time whatever the wire does."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable

import pytest
from azure.core.exceptions import AzureError
from azure.keyvault.keys._shared import http_challenge_cache
from driving import MESSAGE, verify
from faulty_children import fork, outcomes
from keyvault import StaticCredential, without_emulator_credential

import farsign
import farsign_azure
from farsign._plugin.shared import _registry
from farsign.driver import SignRequest
from farsign.errors import DeadlineExceeded, ProviderUnavailable
from farsign.testing.emulator import HttpEmulator
from farsign_azure import _loops
from farsign_azure._driver import AsyncVaultKey, VaultKey
from farsign_azure._emulator import AzureEmulator
from farsign_azure._transport import Transport

forks = hasattr(os, "fork")
DIGEST = hashlib.sha256(MESSAGE).digest()


def test_a_hundred_keys_share_a_client(azure: AzureEmulator) -> None:
    before = len(_registry.clients)
    keys = [azure.create_key("ES256") for _ in range(100)]
    signers = [farsign.open_signer(key.uri) for key in keys]
    for signer in signers:
        signer.key().sign(MESSAGE)
    assert len(_registry.clients) == before + 1
    assert azure.calls("challenge") == 1
    for signer in signers:
        signer.close()
    assert len(_registry.clients) == before


def test_clients_differ_where_their_settings_do(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    key = azure.create_key("ES256")
    one, same, other = drive(key.uri), drive(key.uri), drive(f"{key.uri}&api_version=7.4")
    assert one._vault is same._vault
    assert one._vault is not other._vault
    other.describe(timeout=5)


def test_async_clients_are_one_per_loop_and_end_with_it(azure: AzureEmulator) -> None:
    """Nothing is left unclosed: warnings are errors here, and aiohttp warns."""
    keys = [azure.create_key("ES256") for _ in range(10)]
    signers = [farsign.open_signer(key.uri) for key in keys]

    async def run() -> weakref.ref[asyncio.AbstractEventLoop]:
        for signer, key in zip(signers, keys, strict=True):
            verify(key.public_key, "ES256", await (await signer.akey()).asign(MESSAGE))
        assert _here() == 1
        return weakref.ref(asyncio.get_running_loop())

    for signer in signers:
        signer.key()
    for _ in range(3):
        loop = asyncio.run(run())
        gc.collect()
        assert loop() is None, "an ended loop is kept by nobody"
    for signer in signers:
        signer.close()


def test_aclose_ends_the_client_of_its_loop(azure: AzureEmulator) -> None:
    async def run() -> None:
        async with farsign.open_signer(azure.create_key("ES256").uri) as one:
            async with farsign.open_signer(azure.create_key("ES256").uri) as other:
                await (await one.akey()).asign(MESSAGE)
                await (await other.akey()).asign(MESSAGE)
                assert _here() == 1
            await (await one.akey()).asign(MESSAGE)
            assert _here() == 1
        assert _here() == 0

    asyncio.run(run())


def test_close_from_another_thread_ends_it_too(azure: AzureEmulator) -> None:
    async def run() -> None:
        signer = farsign.open_signer(azure.create_key("ES256").uri)
        await (await signer.akey()).asign(MESSAGE)
        await asyncio.to_thread(signer.close)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if not _here():
                return
        pytest.fail("it is still there")

    asyncio.run(run())


def _here() -> int:
    return len(_loops._clients.get(asyncio.get_running_loop(), {}))


def test_connections_are_used_again(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-core would make a TLS context, and so a connection, for each request that has a CA file."""
    accepted: list[object] = []
    server = azure._server
    serve = server._serve
    monkeypatch.setattr(server, "_serve", lambda *arguments: (accepted.append(1), serve(*arguments)))
    with farsign.open_signer(azure.create_key("ES256").uri) as signer:
        key = signer.key()
        for _ in range(20):
            key.sign(MESSAGE)
        assert len(accepted) == 1

        async def run() -> None:
            for _ in range(20):
                await key.asign(MESSAGE)

        asyncio.run(run())
        assert len(accepted) == 2


@pytest.mark.skipif(not forks, reason="this system does not fork")
def test_a_child_forked_while_the_sdks_lock_is_held(azure: AzureEmulator) -> None:
    """RULES 22: the SDK's lock around its challenges belongs to a module, so a child inherits it as it is."""
    key = azure.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        known.sign(MESSAGE)
        holding, release = threading.Event(), threading.Event()

        def hold() -> None:
            with http_challenge_cache._lock:
                holding.set()
                release.wait(20)

        thread = threading.Thread(target=hold)
        thread.start()
        holding.wait(5)
        child = fork(lambda: verify(key.public_key, "ES256", known.sign(MESSAGE, timeout=5)))
        release.set()
        thread.join(5)
        assert outcomes([child], 20) == [0]
        verify(key.public_key, "ES256", known.sign(MESSAGE))


def test_threads_get_their_own_signatures(azure: AzureEmulator) -> None:
    key = azure.create_key("ES256")
    errors: list[BaseException] = []
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=20)) as signer:

        def work(n: int) -> None:
            try:
                for i in range(20):
                    data = f"{n} {i}".encode()
                    verify(key.public_key, "ES256", signer.key().sign(data), data)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not errors


@pytest.mark.parametrize("fault", ["stall:sign", "latency:sign:30"])
def test_the_drivers_own_timeout(azure: AzureEmulator, drive: Callable[..., VaultKey], fault: str) -> None:
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    driver.describe(timeout=5)
    azure.faults.order(fault)
    started = time.monotonic()
    with pytest.raises(AzureError) as caught:
        driver.sign(SignRequest(key.version, "ES256", "digest", DIGEST), timeout=0.3)
    assert 0.25 < time.monotonic() - started < 0.3 + 0.5
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.answered) == (ProviderUnavailable, False)


def test_total_timeout_is_honest(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    """A slow drip outlasts the SDK's read timeout, so the driver says that it has to be watched (RULES 17)."""
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    driver.describe(timeout=5)
    azure.faults.slow_drip("sign", 2.0, times=1)
    started = time.monotonic()
    driver.sign(SignRequest(key.version, "ES256", "digest", DIGEST), timeout=0.3)
    assert time.monotonic() - started > 1.0
    assert driver.total_timeout is False


@pytest.mark.parametrize("fault", ["slow_drip:sign:10", "stall:sign", "latency:sign:10", "slow_drip:challenge:10"])
@pytest.mark.parametrize("native", [False, True])
def test_a_call_ends_in_time_whatever_the_wire_does(azure: AzureEmulator, fault: str, native: bool) -> None:
    """RULES 17: within 50 ms; asserted with five-fold slack (RULES 38)."""
    key = azure.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        azure.faults.order(fault)
        if "challenge" in fault:
            http_challenge_cache.clear()

        async def run() -> float:
            started = time.monotonic()
            with pytest.raises((DeadlineExceeded, ProviderUnavailable)):
                await known.asign(MESSAGE, timeout=0.6)
            return time.monotonic() - started

        if native:
            assert asyncio.run(run()) < 0.6 + 0.25
        else:
            started = time.monotonic()
            with pytest.raises((DeadlineExceeded, ProviderUnavailable)):
                known.sign(MESSAGE, timeout=0.6)
            assert time.monotonic() - started < 0.6 + 0.25
        azure.faults.clear()
        http_challenge_cache.clear()
        verify(key.public_key, "ES256", known.sign(MESSAGE, timeout=20))


def test_a_slow_credential_holds_nobody_longer_than_its_deadline(azure: AzureEmulator) -> None:
    """RULES 21, 22: the fetch goes on, and the next caller has it."""

    def slowly() -> str:
        time.sleep(1.6)
        return azure.tokens.grant()

    credential = StaticCredential(slowly)
    uri, policy = without_emulator_credential(azure.create_key("ES256").uri), farsign.Policy(timeout=20.0)
    with farsign_azure.open_signer(uri, credential=credential, policy=policy) as signer:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            signer.key(timeout=0.3)
        assert time.monotonic() - started < 0.3 + 0.25
        signer.key().sign(MESSAGE)
    assert len(credential.asked) == 1


def test_without_aiohttp_asyncio_is_served_from_threads(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farsign_azure._driver.find_spec", lambda name: None)
    key = azure.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        assert not isinstance(signer.legs[0].drivers.handle().driver, AsyncVaultKey)
        verify(key.public_key, "ES256", asyncio.run(signer.key().asign(MESSAGE)))


def test_a_transport_of_the_callers_own(azure: AzureEmulator) -> None:
    assert azure.certificate
    sent: list[str] = []

    class Mine(Transport):
        def send(self, request, **options):
            sent.append(request.url)
            return super().send(request, **options)

    key = azure.create_key("ES256")
    uri = f"azurekms://emulator.vault.azure.net/{key.name}"
    transport = Mine(azure.url, azure.certificate.ca_file)
    with farsign_azure.open_signer(uri, credential=StaticCredential(azure.tokens.grant), transport=transport) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
        verify(key.public_key, "ES256", asyncio.run(signer.key().asign(MESSAGE)))
    assert len(sent) >= 4
    assert all(url.startswith("https://emulator.vault.azure.net/keys/") for url in sent)


def test_the_emulator_is_found_through_the_plugin() -> None:
    from farsign._plugin.discovery import backend

    made = backend("azurekms").emulator()
    assert isinstance(made, HttpEmulator)
    assert isinstance(made, AzureEmulator)


def test_a_transport_of_the_callers_own_stays_open(azure: AzureEmulator) -> None:
    """An attempt that is given up ends its client, and the next one needs the transport again; in a child too (RULES 17, 22)."""
    assert azure.certificate
    key = azure.create_key("ES256")
    uri, transport = f"azurekms://emulator.vault.azure.net/{key.name}", Transport(azure.url, azure.certificate.ca_file)
    objects = {"credential": StaticCredential(azure.tokens.grant()), "transport": transport}
    with farsign_azure.open_signer(uri, **objects) as signer:
        known = signer.key()
        azure.faults.stall("sign", 1)
        with pytest.raises((DeadlineExceeded, ProviderUnavailable)):
            known.sign(MESSAGE, timeout=0.3)
        time.sleep(0.5)
        verify(key.public_key, "ES256", known.sign(MESSAGE))
        parents = transport.session.adapters["https://"].poolmanager

        def child() -> None:
            verify(key.public_key, "ES256", known.sign(MESSAGE))
            assert transport.session.adapters["https://"].poolmanager is not parents

        assert not forks or outcomes([fork(child)], 20) == [0]
    with farsign_azure.open_signer(uri, **objects) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))


@pytest.mark.skipif(not forks, reason="this system does not fork")
def test_a_child_forked_while_a_pools_lock_is_held(azure: AzureEmulator) -> None:
    """RULES 22: what a child has of its parent's is not even collected, because that takes the lock to close the connections."""
    key = azure.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        driver = signer.legs[0].drivers.handle().driver
        assert isinstance(driver, VaultKey)
        pools = driver._vault.client._client._client._pipeline._transport.session.adapters["https://"].poolmanager.pools
        del driver
        with next(iter(pools[key] for key in pools.keys())).pool.mutex:  # noqa: SIM118 - urllib3's container does not iterate
            del pools
            child = fork(lambda: verify(key.public_key, "ES256", known.sign(MESSAGE, timeout=5)))
        assert outcomes([child], 20) == [0]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:Unclosed:ResourceWarning")
@pytest.mark.parametrize("end", ["rests", "is closed", "was closed"])
def test_close_while_the_loop(azure: AzureEmulator, end: str) -> None:
    """A loop that was closed without a shutdown, as asyncio.run does it, leaves nothing but its sockets, to the collector."""
    before = len(_registry.clients)
    signer, loop = farsign.open_signer(azure.create_key("ES256").uri), asyncio.new_event_loop()
    loop.run_until_complete(_sign(signer))
    if end == "was closed":
        loop.close()
    signer.close()
    if end == "rests":
        loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()
    if end == "is closed":
        with farsign.open_signer(azure.create_key("ES256").uri) as other:
            asyncio.run(_sign(other))
    assert len(_registry.clients) == before
    assert loop not in _loops._clients or not _loops._clients[loop]
    del loop
    gc.collect()


async def _sign(signer: farsign.Signer) -> None:
    await (await signer.akey()).asign(MESSAGE)
