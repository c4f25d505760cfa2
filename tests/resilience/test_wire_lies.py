"""A lying server: well-formed replies whose signature is wrong, in seven ways. None reaches the caller (RULES 1)."""

from __future__ import annotations

import asyncio

import pytest

import farsign
from farsign import errors
from farsign.testing.conformance import verify
from farsign.testing.conformance._harness import many
from farsign.testing.emulator import LIES, Emulator

KINDS = (*LIES, "garbage")
NATIVE = pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])


@NATIVE
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_only_lies_is_an_error(kind: str, native: bool, cloud: Emulator, signer: farsign.Signer) -> None:
    key = signer.key()
    cloud.faults.order(f"{kind}:sign")
    with pytest.raises((errors.IntegrityFailure, errors.ProviderUnavailable)):
        asyncio.run(key.asign(b"x")) if native else key.sign(b"x")


def test_of_many_replies_no_lie_comes_through(cloud: Emulator, signer: farsign.Signer) -> None:
    key, told = signer.key(), 0
    cloud.faults.mix("sign", 0.9, dict.fromkeys(KINDS, 1.0))
    before = cloud.calls("sign")
    while cloud.calls("sign") - before < many(500, 10_000):
        told += 1
        data = b"%d" % told
        try:
            signature = key.sign(data)
        except (errors.IntegrityFailure, errors.ProviderUnavailable):
            continue
        verify(key.public_key(), key.algorithm, signature, data)  # raises if a lie came through
