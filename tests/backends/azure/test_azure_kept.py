"""RULES 23: kept connections are not trusted blindly, and one that died costs no retry of the Signer's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from azure.core.rest import HttpRequest
from driving import MESSAGE, verify
from tunnel import TunnelProxy

import farsign
from farsign._base.events import Retrying
from farsign._plugin import kept
from farsign.errors import ProviderUnavailable
from farsign.testing.conformance._harness import in_threads
from farsign_azure._async_transport import AsyncTransport
from farsign_azure._emulator import AzureEmulator
from farsign_azure._transport import Transport

Accepted = Callable[[], int]


@pytest.fixture
def accepted(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> Accepted:
    """How many connections the emulator has taken."""
    seen: list[object] = []
    serve = azure._server._serve
    monkeypatch.setattr(azure._server, "_serve", lambda *arguments: (seen.append(1), serve(*arguments)))
    return lambda: len(seen)


async def one_by_one(key: farsign.SigningKey, spki: bytes, before: Callable[[], object], native: bool) -> None:
    """Signs, lets ``before`` happen, signs again."""
    for happens in (lambda: None, before):
        happens()
        verify(spki, "ES256", await key.asign(MESSAGE) if native else key.sign(MESSAGE))


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
def test_a_reset_on_a_kept_connection_is_retried_at_once_on_a_new_one(azure: AzureEmulator, native: bool) -> None:
    made = azure.create_key("ES256")
    retries: list[object] = []
    stop = farsign.observe(lambda event: retries.append(event) if isinstance(event, Retrying) else None)
    with farsign.open_signer(made.pinned) as signer:
        asyncio.run(one_by_one(signer.key(), made.public_key, lambda: azure.faults.reset("sign", times=1), native))
    stop()
    assert azure.calls("sign") == 3
    assert retries == []


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
def test_a_reset_costs_no_other_connection(azure: AzureEmulator, accepted: Accepted, native: bool) -> None:
    """Eight calls at once keep eight connections; of these one is reset, and seven go on."""
    made = azure.create_key("ES256")
    with farsign.open_signer(made.pinned) as signer:
        key = signer.key()

        async def at_once(number: int) -> None:
            if native:
                await asyncio.gather(*(key.asign(MESSAGE) for _ in range(number)))
            else:
                in_threads(number, lambda _: key.sign(MESSAGE))

        async def scenario() -> tuple[int, int]:
            azure.faults.latency("sign", 0.2)  # so that they do overlap
            await at_once(8)
            kept_before = accepted()
            azure.faults.clear()
            azure.faults.reset("sign", times=1)
            await at_once(1)
            azure.faults.latency("sign", 0.2)
            await at_once(7)
            return kept_before, accepted()

        kept_before, after = asyncio.run(scenario())
    assert kept_before >= 8
    assert after - kept_before == 1


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
def test_at_once_means_once(azure: AzureEmulator, native: bool) -> None:
    made = azure.create_key("ES256")
    with farsign.open_signer(made.pinned, policy=farsign.Policy(timeout=10.0, attempts=3)) as signer:
        key = signer.key()
        with pytest.raises(ProviderUnavailable) as caught:
            asyncio.run(one_by_one(key, made.public_key, lambda: azure.faults.reset("sign"), native))
    assert not caught.value.answered
    assert azure.calls("sign") == 1 + 2 + 1 + 1, "one; a kept connection and a new one; two retries on new ones"


def test_a_reset_on_a_new_connection_is_the_signers_business(azure: AzureEmulator) -> None:
    made = azure.create_key("ES256")
    azure.faults.reset("challenge", times=1)  # the first request of all
    opened = farsign.open_signer(made.pinned, policy=farsign.Policy(timeout=10.0, attempts=1))
    with opened as signer, pytest.raises(ProviderUnavailable):
        signer.key()
    assert azure.calls("challenge") == 1


def test_a_timeout_on_a_kept_connection_is_not_repeated(azure: AzureEmulator) -> None:
    """The vault may be at work: only the Signer may ask again."""
    made = azure.create_key("ES256")
    with farsign.open_signer(made.pinned, policy=farsign.Policy(timeout=3.0, attempt_timeout=0.3, attempts=3)) as signer:
        key = signer.key()
        key.sign(MESSAGE)
        azure.faults.stall("sign")
        with pytest.raises(ProviderUnavailable):
            key.sign(MESSAGE)
    assert azure.calls("sign") == 1 + 3


def test_a_rested_connection_is_not_used(azure: AzureEmulator, accepted: Accepted, monkeypatch: pytest.MonkeyPatch) -> None:
    made = azure.create_key("ES256")
    with farsign.open_signer(made.pinned) as signer:
        key = signer.key()
        key.sign(MESSAGE)
        assert accepted() == 1
        monkeypatch.setattr(kept, "IDLE", -1.0)  # as if it had rested for longer
        verify(made.public_key, "ES256", key.sign(MESSAGE))
        assert accepted() == 2


def test_aiohttp_keeps_none_for_that_long() -> None:
    async def keepalive() -> float:
        connector = aiohttp.TCPConnector()
        try:
            return connector._keepalive_timeout
        finally:
            await connector.close()

    assert asyncio.run(keepalive()) <= kept.IDLE


@pytest.fixture
def tunnelled(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[TunnelProxy]:
    """A proxy that every vault is reached through, which is the emulator."""
    with TunnelProxy(azure.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        yield proxy


def send(transport: Transport, azure: AzureEmulator) -> int:
    status: int = transport.send(HttpRequest("GET", f"https://localhost:{azure.port}/keys/x"), read_timeout=5).status_code
    return status


def test_connections_through_a_proxy_are_not_trusted_either(
    azure: AzureEmulator, tunnelled: TunnelProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is closed forgets its tunnel: opened again without one, it would say the token to the proxy."""
    assert azure.certificate
    with Transport("", azure.certificate.ca_file) as transport:
        assert [send(transport, azure), send(transport, azure)] == [401, 401]
        assert len(tunnelled.asked) == 1
        monkeypatch.setattr(kept, "IDLE", -1.0)
        assert send(transport, azure) == 401
        assert len(tunnelled.asked) == 2
        monkeypatch.setattr(kept, "IDLE", 60.0)
        azure.faults.reset("challenge", times=1)
        assert send(transport, azure) == 401
    assert tunnelled.asked == [f"CONNECT localhost:{azure.port} HTTP/1.0"] * 3


def test_asyncio_goes_through_the_proxy_too(azure: AzureEmulator, tunnelled: TunnelProxy) -> None:
    assert azure.certificate
    ca_file = azure.certificate.ca_file

    async def run() -> int:
        async with AsyncTransport("", ca_file) as transport:
            status: int = (await transport.send(HttpRequest("GET", f"https://localhost:{azure.port}/keys/x"))).status_code
            return status

    assert asyncio.run(run()) == 401
    assert len(tunnelled.asked) == 1


def test_a_netrc_takes_no_token_out(azure: AzureEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 9, 16: requests would replace the token by what a .netrc has for every host; aiohttp would refuse to send it."""
    assert azure.certificate
    (tmp_path / ".netrc").write_text("default login me password canary\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    heard: list[str] = []
    answer = azure.answer
    monkeypatch.setattr(
        azure, "answer", lambda request: (heard.append(request.headers.get("authorization", "")), answer(request))[1]
    )
    requests = [
        HttpRequest("GET", f"https://localhost:{azure.port}/keys/x", headers=headers)
        for headers in ({}, {"Authorization": "Bearer x"})
    ]
    ca_file = azure.certificate.ca_file
    with Transport("", ca_file) as transport:
        for request in requests:
            transport.send(request)

    async def run() -> None:
        async with AsyncTransport("", ca_file) as transport:
            for request in requests:
                await transport.send(request)

    asyncio.run(run())
    assert heard == ["", "Bearer x"] * 2
