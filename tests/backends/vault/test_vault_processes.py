"""Threads, forked children, several signers: what is shared, what is not, and what is given back."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable

import elsewhere
import hvac
import pytest
from driving import MESSAGE, verify
from faulty_children import busy, fork, outcomes
from requests.adapters import BaseAdapter

import farsign
import farsign_vault
from farsign._base.events import Attempt
from farsign.testing.emulator import Reply, Request
from farsign_vault import _emulator_auth as accepted
from farsign_vault._driver import VaultKey
from farsign_vault._emulator import VaultEmulator
from farsign_vault._uri import EMULATOR_TOKEN

SOAK = "FARSIGN_SOAK" in os.environ
CHILDREN, EACH = (20, 150) if SOAK else (4, 20)


@pytest.fixture
def approle(vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch) -> str:
    vault.create_key("ES256", "auth")
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_ROLE_ID", accepted.ROLE_ID)
    monkeypatch.setenv("VAULT_SECRET_ID", accepted.SECRET_ID)
    return "hashivault://auth?auth=approle"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("warm", [True, False])
def test_forked_children_sign_their_own_digests(vault: VaultEmulator, approle: str, warm: bool) -> None:
    """A parent's socket that children share gave them each other's signatures, with HTTP 200 and no error."""
    with farsign.open_signer(approle) as signer:
        key = signer.check() if warm else None
        spki = vault.keys.keys["transit/auth"].newest.spki

        def work(number: int) -> None:
            held = key or signer.key()
            for n in range(EACH):
                data = f"child {number} {n}".encode()
                verify(spki, "ES256", held.sign(data), data)

        with busy(lambda: signer.key().sign(b"parent"), 4 if warm else 0):
            children = [fork(lambda number=number: work(number)) for number in range(CHILDREN)]
            assert outcomes(children) == [0] * CHILDREN
        signer.check()
    assert vault.calls("login") == CHILDREN + 1, "each process has a token of its own"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_while_the_parent_logs_in(vault: VaultEmulator, approle: str) -> None:
    """RULES 22: the lock and the flight of the lost thread are replaced, never waited for."""
    vault.faults.latency("login", 0.5)
    with farsign.open_signer(approle) as signer:
        leader = threading.Thread(target=signer.key, daemon=True)
        leader.start()
        time.sleep(0.2)
        assert outcomes([fork(signer.check)], 30) == [0]
        leader.join(10)
        signer.check()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes_open_it_from_its_uri(vault: VaultEmulator, approle: str, method: str) -> None:
    with farsign.open_signer(approle) as signer, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        key = signer.check()
        with multiprocessing.get_context(method).Pool(1, elsewhere.settle, (dict(os.environ),)) as pool:
            kid, theirs, signature = pool.apply_async(elsewhere.sign_here, (signer, key)).get(60)
    assert kid == theirs == key.kid
    verify(vault.keys.keys["transit/auth"].newest.spki, "ES256", signature, b"x")
    assert accepted.SECRET_ID.encode() not in pickle.dumps(signer)


def test_signers_share_connections_and_give_them_back(vault: VaultEmulator, drive: Callable[..., VaultKey]) -> None:
    from farsign._plugin.shared import _registry

    before = len(_registry.clients)
    keys = [vault.create_key("ES256") for _ in range(5)]
    drivers = [drive(key.uri) for key in keys]
    assert len({id(driver._shared.client) for driver in drivers}) == 1
    for driver in drivers:
        driver.describe(timeout=5)
    assert len(vault._server._connections) == 1
    other = drive(vault.create_key("ES256", namespace="admin").uri)
    assert other._shared.client is not drivers[0]._shared.client
    assert len(_registry.clients) == before + 2


def test_other_credentials_are_another_connection(vault: VaultEmulator, approle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 5: what a URI means depends on the environment that it was opened in."""
    with farsign.open_signer(approle) as one:
        one.check()
        monkeypatch.setenv("VAULT_SECRET_ID", "another")
        with farsign.open_signer(approle) as other, pytest.raises(farsign.errors.CredentialsExpired):
            other.key()
    assert vault.calls("login") == 2


def test_a_slow_server_holds_nobody_beyond_the_deadline(vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 17, honestly (total_timeout is False): a reply that drips on is left behind by who waits, whatever the socket does."""
    key = vault.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        held = signer.check()
        vault.faults.slow_drip("sign", 30.0)
        started = time.monotonic()
        with pytest.raises(farsign.errors.ProviderError):
            held.sign(MESSAGE, timeout=0.5)
        assert time.monotonic() - started < 0.75
        vault.faults.clear()
        held.sign(MESSAGE)


def test_a_login_that_hangs_holds_nobody_beyond_the_deadline(vault: VaultEmulator, approle: str) -> None:
    """RULES 21: it has its own limit, and who waits has another."""
    vault.faults.stall("login", 1)
    with farsign.open_signer(approle) as signer:
        started = time.monotonic()
        with pytest.raises(farsign.errors.ProviderError):
            signer.key(timeout=0.5)
        assert time.monotonic() - started < 0.75


def test_many_threads_need_no_more_connections_than_threads(vault: VaultEmulator) -> None:
    key = vault.create_key("EdDSA")
    peak, real = 0, vault.answer

    def answer(request: Request) -> Reply:
        nonlocal peak
        peak = max(peak, len(vault._server._connections))
        return real(request)

    vault.answer = answer  # type: ignore[method-assign]  # what the server calls
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=20)) as signer:
        held = signer.check()
        errors: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for n in range(10):
                    data = f"{number} {n}".encode()
                    verify(key.public_key, "EdDSA", held.sign(data), data)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert not errors
    assert peak <= 16 + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_given_client_in_forked_children(vault: VaultEmulator) -> None:
    """Its session is its owner's, and its sockets would be shared: other children's replies came, with HTTP 200 and no error."""
    made = vault.create_key("ES256", "auth")
    attempts: list[str] = []
    client = hvac.Client(url=vault.url, token=EMULATOR_TOKEN)
    client.session.mount("other://", BaseAdapter())  # which pools nothing
    with farsign_vault.open_signer("hashivault://auth", client=client) as signer:
        key = signer.check()

        def work() -> None:
            farsign.observe(lambda event: attempts.append(event.outcome) if isinstance(event, Attempt) else None)
            for n in range(EACH):
                verify(made.public_key, "ES256", key.sign(b"%d" % n), b"%d" % n)
            assert attempts == ["ok"] * EACH

        assert outcomes([fork(work) for _ in range(CHILDREN)]) == [0] * CHILDREN
        key.sign(MESSAGE)
