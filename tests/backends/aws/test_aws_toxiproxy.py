"""TCP faults by toxiproxy, which is not ours, in front of the emulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import toxiproxy
from aws_wire import LIMIT, SLACK

import farsign
from farsign import errors
from farsign._base.events import Retrying
from farsign._plugin import kept
from farsign.testing.conformance._verify import is_valid
from farsign_aws._emulator import AwsEmulator

Emulators = Callable[..., AwsEmulator]
Toxic = tuple[farsign.SigningKey, toxiproxy.Proxy, AwsEmulator]


@pytest.fixture
def toxic(emulator: Emulators) -> Iterator[Toxic]:
    """A key whose endpoint is a proxy in front of the emulator."""
    aws = emulator("awskms")
    proxy = toxiproxy.Proxy(aws.authority)
    uri = aws.create_key("ES256").uri.replace(aws.authority, proxy.address)
    with farsign.open_signer(uri, policy=farsign.Policy(timeout=5.0, attempts=3)) as signer:  # five in a row open the breaker
        yield signer.key(), proxy, aws
    proxy.close()


def signs(key: farsign.SigningKey) -> None:
    assert is_valid(key.public_key(), "ES256", key.sign(b"x"), b"x")


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 10_000}),
        ("timeout", {"timeout": 0}),  # nothing comes, nothing ends
        ("bandwidth", {"rate": 0}),
        ("slicer", {"average_size": 1, "size_variation": 0, "delay": 200_000}),
    ],
)
@pytest.mark.parametrize("upstream", [False, True], ids=["replies", "requests"])
def test_slow_tcp(kind: str, attributes: dict[str, int], upstream: bool, toxic: Toxic) -> None:
    key, proxy, _ = toxic
    proxy.add(kind, upstream=upstream, **attributes)
    started = time.monotonic()
    with pytest.raises((errors.DeadlineExceeded, errors.ProviderUnavailable)):
        key.sign(b"x", timeout=LIMIT)
    assert time.monotonic() - started < LIMIT + SLACK
    proxy.clear()
    signs(key)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("reset_peer", {"timeout": 0}), ("limit_data", {"bytes": 100}), ("timeout", {"timeout": 30})],
)
def test_tcp_that_breaks(kind: str, attributes: dict[str, int], toxic: Toxic) -> None:
    key, proxy, _ = toxic
    proxy.add(kind, **attributes)
    with pytest.raises((errors.ProviderUnavailable, errors.DeadlineExceeded)):
        key.sign(b"x", timeout=0.5)
    proxy.clear()
    signs(key)


def test_tcp_that_breaks_now_and_then_loses_nothing(toxic: Toxic, monkeypatch: pytest.MonkeyPatch) -> None:
    key, proxy, _ = toxic
    monkeypatch.setattr(kept, "IDLE", -1.0)  # a new connection each time
    proxy.add("reset_peer", toxicity=0.12, timeout=0)  # five in a row, once in 40,000, would open the breaker
    with farsign.open_signer(key.name.strip("'"), policy=farsign.Policy(timeout=10.0)) as signer:
        patient, told = signer.key(), []
        stop = farsign.observe(told.append)
        for _ in range(60):
            signs(patient)
        stop()
    assert any(isinstance(event, Retrying) for event in told)


def test_a_slow_close_and_an_outage(toxic: Toxic) -> None:
    key, proxy, _ = toxic
    proxy.add("slow_close", delay=3000)
    started = time.monotonic()
    signs(key)
    proxy.enable(False)
    with pytest.raises(errors.ProviderUnavailable):
        key.sign(b"x", timeout=0.3)
    proxy.enable(True)
    signs(key)
    assert time.monotonic() - started < 3.0
