"""The base of all emulators, by an emulator as its docstring shows one."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from farsign.testing.emulator import (
    DISABLED,
    ENABLED,
    PENDING_DELETION,
    EmulatedKey,
    EmulatorClock,
    Fault,
    HttpEmulator,
    InjectedError,
    Reply,
    Request,
    kind_of,
    parameters,
    verify,
)


class AcmeEmulator(HttpEmulator):
    scheme = "acmekms"
    operations = {"SignDigest": "sign", "GetKey": "describe"}  # noqa: RUF012  # a ClassVar of the base
    other_operations = ("CreateKey",)

    def create_key(
        self, algorithm: str, alias: str | None = None, *, bits: int = 2048, created: float | None = None, **options: Any
    ) -> EmulatedKey:
        name = alias or "k1"
        key = self.keys.create(name, kind_of(algorithm, bits), created=created)
        uri = f"acmekms://{self.authority}/{name}"
        return EmulatedKey(uri, f"{uri}/1", algorithm, f"{name}/1", name, "1", alias, key.newest.spki)

    def rotate(self, key: EmulatedKey, *, created: float | None = None) -> EmulatedKey:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"ACME_ADDR": self.url}

    def answer(self, request: Request) -> Reply:
        operation, name = request.path.strip("/").split("/")
        call = self.enter(operation, key=name, scope=request.headers.get("x-region", ""))
        version = self.keys.keys[name].newest
        signature = call.sign(self.keys, version, request.body, **parameters("ES256", "message"))
        body = {"signature": signature.hex(), "state": version.state, "named": call.named(self.keys, version).id}
        return Reply(200, json.dumps(body).encode(), {"X-Request": call.record.request_id}, call.faults)

    def answer_error(self, error: InjectedError) -> Reply:
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return Reply(429 if error.name == "throttled" else 500, error.name.encode(), headers)


@pytest.fixture
def acme() -> Iterator[AcmeEmulator]:
    with AcmeEmulator(seed=1, clock=EmulatorClock(lambda: 1_000_000_000.0)) as emulator:
        emulator.create_key("ES256")
        yield emulator


def ask(acme: AcmeEmulator, path: str = "/SignDigest/k1", timeout: float = 5.0, **headers: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(acme.url + path, b"m", headers), timeout=timeout) as reply:
        return json.load(reply) | {"headers": reply.headers}


def test_it_signs_counts_and_logs(acme: AcmeEmulator) -> None:
    reply = ask(acme, **{"X-Region": "eu"})
    verify(acme.keys.keys["k1"].newest.public_key, bytes.fromhex(reply["signature"]), b"m", **parameters("ES256", "message"))
    ask(acme, "/GetKey/k1")
    ask(acme, "/Other/k1")
    assert [acme.calls(name) for name in ("sign", "signdigest", "describe", "Other", "*")] == [1, 1, 1, 1, 3]
    record = next(iter(acme.log))
    assert (record.operation, record.portable, record.key, record.scope, record.time) == ("SignDigest", "sign", "k1", "eu", 1e9)
    assert record.request_id == reply["headers"]["X-Request"]
    assert reply["headers"]["Date"] == "Sun, 09 Sep 2001 01:46:40 GMT", "its own clock's"
    acme.log.clear()
    assert acme.calls("*") == 0


def test_a_misspelt_operation_is_told_at_once(acme: AcmeEmulator) -> None:
    """It would strike nothing and count nothing, and the test that it stands in would pass."""
    faults = acme.faults
    orders: tuple[Callable[[], object], ...] = (
        lambda: acme.calls("sing"),
        lambda: faults.throttle("sing"),
        lambda: faults.order("reset:sing:1"),
        lambda: faults.add(Fault("stall", "sing")),
        lambda: faults.mix("sing", 0.5, {"reset": 1}),
        lambda: faults.wrong_signature("sing"),
    )
    for order in orders:
        with pytest.raises(ValueError, match=r"'sing' here; there are \* sign describe SignDigest GetKey CreateKey"):
            order()
    for name in ("*", "sign", "Describe", "signDIGEST", "createkey"):
        faults.throttle(name, times=0)
        assert acme.calls(name) == 0


def test_ordered_errors_are_answered_in_the_emulators_words(acme: AcmeEmulator) -> None:
    acme.faults.throttle("sign", times=1, retry_after=2.5)
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(acme)
    assert (caught.value.code, caught.value.headers["Retry-After"], caught.value.read()) == (429, "2.5", b"throttled")
    caught.value.close()
    ask(acme)


def test_lies_and_latency(acme: AcmeEmulator) -> None:
    acme.faults.wrong_signature(times=1)
    acme.faults.wrong_key_id(times=1)
    acme.faults.latency("SignDigest", 0.2, times=1)
    started = time.monotonic()
    reply = ask(acme)
    assert time.monotonic() - started >= 0.2
    assert reply["named"] == "decoy"
    with pytest.raises(InvalidSignature):
        verify(acme.keys.keys["k1"].newest.public_key, bytes.fromhex(reply["signature"]), b"m", **parameters("ES256", "message"))
    assert ask(acme)["named"] == "1"


def test_states(acme: AcmeEmulator) -> None:
    key = acme.create_key("ES256", alias="states")
    for change, state in ((acme.disable, DISABLED), (acme.enable, ENABLED), (acme.delete, PENDING_DELETION)):
        change(key)
        assert ask(acme, "/GetKey/states")["state"] == state
    with pytest.raises(NotImplementedError, match="names do not move at acmekms"):
        acme.move_alias("states", key)


def test_close_refuses_and_start_resumes_with_the_same_keys_on_the_same_port(acme: AcmeEmulator) -> None:
    address = acme.url
    acme.start()
    assert acme.url == address, "starting twice is starting once"
    acme.close()
    acme.close()
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(acme)
    acme.start()
    assert acme.url == address
    ask(acme)


def test_close_does_not_wait_for_latency(acme: AcmeEmulator) -> None:
    acme.faults.latency("*", 30)

    def wait() -> None:
        with contextlib.suppress(OSError):  # cut, or answered at last
            ask(acme, timeout=40)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    time.sleep(0.1)
    started = time.monotonic()
    acme.close()
    waiting.join(5)
    assert not waiting.is_alive()
    assert time.monotonic() - started < 2


def test_what_is_not_started_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="start"):
        AcmeEmulator().create_key("ES256")
    assert AcmeEmulator(port=4242).url == "http://127.0.0.1:4242"


def test_a_private_key_is_in_no_repr(acme: AcmeEmulator) -> None:
    key = acme.create_key("ES256", alias="repr")
    assert "PrivateKey" not in f"{key!r} {acme.keys.keys['repr'].newest!r} {acme.keys.keys['repr']!r}"


def test_another_host_and_ipv6() -> None:
    with AcmeEmulator(host="::1") as acme:
        assert acme.url.startswith("http://[::1]:")
        acme.create_key("ES256")
        ask(acme)
