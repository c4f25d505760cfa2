"""The SDKs' own retries are off, so that layers do not multiply: wire calls are counted at the server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Final

import pytest
from faulty_backends import ALGORITHM, Backend, running
from faulty_remote import remote

import farsign
from farsign import errors
from farsign.testing.conformance import verify
from farsign.testing.conformance._harness import many
from farsign.testing.emulator import EmulatedKey, Emulator

DEAD = ("reset:sign", "truncate:sign")
FAULTS = ("throttle:sign", "error:sign:unavailable", "reset:sign", "truncate:sign", "stall:sign")
OFFERED: Final = 300  # calls a second
GOODPUT: Final = 95  # signatures a second, of a quota of 100
SECONDS: Final = many(2, 10)  # for which they are offered
SHARE: Final = many(80, 100) / 100  # of the goodput: in the default form other tests have the cores too (RULES 38)
WINDOWS: Final = 3  # one that others spoil is measured again; a goodput that collapses does so in each


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_attempt_is_one_wire_call(fault: str, native: bool, cloud: Emulator, made: EmulatedKey) -> None:
    for attempts in (1, 2):
        policy = farsign.Policy(timeout=10.0, attempt_timeout=0.3 if "stall" in fault else 2.0, attempts=attempts)
        with farsign.open_signer(made.uri, policy=policy) as signer:
            key = signer.key()
            asyncio.run(key.asign(b"warm", timeout=10.0))  # the first one imports the SDK's other half
            cloud.faults.order(fault)
            before = cloud.calls("sign")
            with pytest.raises(errors.ProviderError):
                asyncio.run(key.asign(b"x")) if native else key.sign(b"x")
            kept = 1 if fault in DEAD else 0  # a kept connection that was dead is replaced at once (RULES 23)
            assert attempts <= cloud.calls("sign") - before <= attempts + kept
            cloud.faults.clear()


def test_a_fifth_of_faults_loses_nothing(row: Backend, cloud: Emulator, signer: farsign.Signer) -> None:
    """The short form of ``python -m benchmarks.chaos``. Retries follow the arithmetic of independent faults: 2,500 in 10,000."""
    key, count, threads = signer.key(), many(200, 10_000), 16
    lost: list[Exception] = []

    def work(thread: int) -> None:
        for number in range(count // threads):
            data = b"%d %d" % (thread, number)
            try:
                verify(key.public_key(), key.algorithm, key.sign(data, timeout=5.0), data)
            except errors.FarsignError as error:
                lost.append(error)

    before = cloud.calls("sign")
    cloud.faults.mix("sign", 0.2, {"error:unavailable": 50, "throttle": 25, "reset": 15, "latency:1.5": 1})
    running = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert lost == []
    calls = cloud.calls("sign") - before
    assert count < calls < 1.25 * count + 5 * (0.31 * count) ** 0.5  # five standard deviations


def test_what_a_quota_refuses_is_waited_for(row: Backend) -> None:
    """A quota of 100 a second: its goodput is reached, not collapsed, when three times as much is asked for."""
    with running(row.scheme):
        pass  # skips the test where there is none

    async def offer(key: farsign.SigningKey) -> int:
        """How many were signed while they were offered; what comes after that is none of a second's."""
        start, signed = time.monotonic(), 0

        async def one() -> None:
            nonlocal signed
            with contextlib.suppress(errors.Throttled):
                await key.asign(b"x")
                signed += time.monotonic() <= start + SECONDS

        async with asyncio.TaskGroup() as tasks:
            for number in range(int(OFFERED * SECONDS)):
                await asyncio.sleep(start + number / OFFERED - time.monotonic())
                tasks.create_task(one())
        return signed

    with remote(row.scheme, ALGORITHM, ["rate:sign:100"]) as server, farsign.open_signer(server.uri) as signer:
        key = signer.check(timeout=10.0)
        asyncio.run(key.asign(b"warm", timeout=10.0))
        assert any(asyncio.run(offer(key)) >= GOODPUT * SECONDS * SHARE for _ in range(WINDOWS))
