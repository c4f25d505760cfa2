"""A multi-Region key: one URI, two regions, and one of them goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import farsign
from farsign.testing.conformance._harness import Harness
from farsign.testing.emulator import EmulatedKey
from farsign_aws._emulator import AwsEmulator

PATIENT = farsign.Policy(timeout=10.0, attempt_timeout=5.0)
PRIMARY, REPLICA = "us-east-1", "eu-west-1"
signs = Harness.signs  # and verifies


@pytest.fixture
def aws(emulator: Callable[..., AwsEmulator]) -> AwsEmulator:
    return emulator("awskms")


@pytest.fixture
def pair(aws: AwsEmulator) -> tuple[EmulatedKey, EmulatedKey]:
    """A multi-Region key and its replica."""
    primary = aws.create_key("ES256", multi_region=True, region=PRIMARY)
    return primary, aws.replicate(primary, REPLICA)


@pytest.fixture
def both(aws: AwsEmulator, pair: tuple[EmulatedKey, EmulatedKey]) -> Iterator[farsign.Signer]:
    """The shorthand: one URI, two regions."""
    uri = pair[0].pinned.replace(f"region={PRIMARY}", f"region={PRIMARY},{REPLICA}")
    with farsign.open_signer(uri, policy=PATIENT) as signer:
        assert [leg.endpoint.name for leg in signer.legs] == [f"awskms {region} at {aws.url}" for region in (PRIMARY, REPLICA)]
        yield signer


def regions(aws: AwsEmulator) -> list[str]:
    return [record.scope for record in aws.log if record.portable == "sign"]


def test_region_a_b_signs_at_the_first_and_fails_over_when_it_is_down(
    both: farsign.Signer, pair: tuple[EmulatedKey, EmulatedKey], aws: AwsEmulator
) -> None:
    assert both.check().version == pair[0].version
    assert regions(aws) == [PRIMARY, REPLICA]
    told: list[Any] = []
    stop = farsign.observe(told.append)
    aws.faults.down(scope=PRIMARY)
    key = both.key()
    for n in range(40):
        signs(key, f"{n}".encode())
    stop()
    assert regions(aws).count(REPLICA) == 1 + 40
    assert regions(aws).count(PRIMARY) < 15, "a region that does not answer is left alone"
    failed_over = {event.endpoint for event in told if type(event).__name__ == "FailedOver"}
    assert failed_over == {f"awskms {REPLICA} at {aws.url}"}
    assert both.key().kid == key.kid


def test_a_process_that_starts_while_the_first_region_is_down(both: farsign.Signer, aws: AwsEmulator) -> None:
    aws.faults.down(scope=PRIMARY)
    signs(both.key())
    aws.faults.clear()
    asyncio.run(both.key().asign(b"x"))


@pytest.mark.parametrize("trouble", ["disabled", "deleted", "throttled"])
def test_a_replica_that_can_not_serve(
    trouble: str, both: farsign.Signer, pair: tuple[EmulatedKey, EmulatedKey], aws: AwsEmulator
) -> None:
    """Each region's key has a state of its own."""
    signs(both.key())
    if trouble == "throttled":
        aws.faults.throttle("sign", scope=PRIMARY)
    else:
        {"disabled": aws.disable, "deleted": aws.delete}[trouble](pair[0])
    signs(both.key())
    assert regions(aws)[-1] == REPLICA


def test_a_replica_that_is_being_made(aws: AwsEmulator) -> None:
    """KMSInvalidStateException of a Creating key is no verdict."""
    primary = aws.create_key("ES256", multi_region=True, region=PRIMARY)
    aws.lag.reads = 2
    aws.replicate(primary, REPLICA)
    uri = primary.pinned.replace(f"region={PRIMARY}", f"region={REPLICA}")
    with farsign.open_signer(uri, policy=PATIENT) as signer:
        signs(signer.key())
    assert aws.calls("describe") == 3


def test_an_arn_with_a_second_region(aws: AwsEmulator, pair: tuple[EmulatedKey, EmulatedKey]) -> None:
    uri = f"awskms:///{pair[0].version}?region={PRIMARY},{REPLICA}&endpoint={aws.url}&auth=emulator"
    with farsign.open_signer(uri, policy=PATIENT) as signer:
        signer.check()
        aws.faults.down(scope=PRIMARY)
        signs(signer.key())
    assert [record.key for record in aws.log if record.scope == REPLICA] == [pair[1].version] * 3, (
        "described, and signed for check(), then for us"
    )
