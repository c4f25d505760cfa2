"""RULES 23: kept connections are not trusted blindly, and one that died costs no retry of the Signer's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import pytest
from keyvault import MESSAGE, verify

import farsign
from farsign._base.events import Retrying
from farsign._plugin import kept
from farsign.errors import ProviderUnavailable
from farsign_azure._emulator import AzureEmulator

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
