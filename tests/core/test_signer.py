"""Signer and SigningKey over the driver contract: what is asked, what is checked, what is kept."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import os
import pickle
import re
import threading
import time
import traceback
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from fakekms import AsyncDriver, FakeClock, FakeDriver, FakeError, FakeKMS, RefreshingDriver, WatchedDriver, flip

import farsign
from farsign import errors
from farsign._base.policy import Policy, deadline
from farsign._signer.signer import Signer
from farsign.driver import Failure


def signer_of(kms: FakeKMS, driver: type[FakeDriver] = FakeDriver, **options: object) -> Signer:
    return Signer(lambda: driver(kms), **options)


def verify_es256(key: object, signature: bytes, data: bytes) -> None:
    half = len(signature) // 2
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    key.public_key().verify(der, data, ec.ECDSA(hashes.SHA256()))


def test_signs_raw_jws_signatures_that_verify_from_the_public_key_alone() -> None:
    key = signer_of(FakeKMS()).key()
    for size in (0, 1, 4096, 4097, 1 << 20):
        signature = key.sign(bytes(size))
        assert len(signature) == 64
        verify_es256(key, signature, bytes(size))


def test_opening_and_the_key_are_lazy_and_cached() -> None:
    kms = FakeKMS()
    signer = signer_of(kms)
    assert kms.calls == []
    assert signer.key() is signer.key()
    assert kms.calls == ["describe"]


def test_a_signing_key_says_what_it_is() -> None:
    key = signer_of(FakeKMS(), name="k").key()
    jwk = key.jwk()
    assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"], jwk["kid"]) == ("EC", "P-256", "ES256", "sig", key.kid)
    canonical = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert key.kid == base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
    assert key.protection == "test"
    assert key.version == "v1"
    with pytest.raises(TypeError, match="bytes, not str"):
        key.sign("text")  # type: ignore[arg-type]  # the mistake under test


def test_rules_7_alg_is_needed_to_sign_jws_not_to_resolve() -> None:
    six = {name: {"digest": None} for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")}
    kms = FakeKMS("RS256", inputs=six)
    key = signer_of(kms, name="k").key()
    assert key.algorithms == tuple(six)
    with pytest.raises(errors.AlgorithmRequired, match="RS256 RS384 RS512 PS256 PS384 PS512") as caught:
        key.sign(b"x")
    assert "?alg=RS256" in caught.value.next_step
    assert signer_of(kms, alg="PS384").key().algorithm == "PS384"
    with pytest.raises(errors.AlgorithmNotSupported, match="cannot sign ES256"):
        signer_of(kms, alg="ES256").key()
    assert kms.count("sign") == 0


def test_rules_27_ed25519_says_eddsa_unless_asked() -> None:
    kms = FakeKMS("EdDSA")
    key = signer_of(kms).key()
    assert key.algorithm == "EdDSA"
    key.public_key().verify(key.sign(b"x"), b"x")
    assert signer_of(kms, alg="Ed25519").key().algorithm == "Ed25519"


def test_a_message_over_the_limit_is_refused_before_any_call() -> None:
    kms = FakeKMS("EdDSA", limit=4096)
    key = signer_of(kms).key()
    key.sign(bytes(4096))
    with pytest.raises(errors.MessageTooLong, match="up to 4096 bytes for EdDSA; this one has 4097"):
        key.sign(bytes(4097))
    assert kms.count("sign") == 1


def test_rules_3_kid_only_where_the_version_is_pinned() -> None:
    assert signer_of(FakeKMS(pinned=True), kid="mine").key().kid == "mine"
    with pytest.raises(errors.InvalidKeyURI, match="kid="):
        signer_of(FakeKMS(pinned=False), kid="mine").key()


def test_rules_4_a_pinned_thumbprint_refuses_any_other_key() -> None:
    kms = FakeKMS()
    thumbprint = signer_of(kms).key().thumbprint
    assert signer_of(kms, thumbprint=thumbprint).key().thumbprint == thumbprint
    kms.rotate()
    with pytest.raises(errors.KeyMismatch, match="thumbprint"):
        signer_of(kms, thumbprint=thumbprint).key()


def test_rules_1_a_wrong_signature_is_asked_for_again_and_three_are_a_verdict() -> None:
    kms = FakeKMS()
    key = signer_of(kms).key()
    kms.replies.extend([flip, flip])
    verify_es256(key, key.sign(b"x"), b"x")
    assert kms.count("sign") == 3
    kms.replies.extend([flip] * 3)
    with pytest.raises(errors.IntegrityFailure, match="3 times"):
        key.sign(b"x")


def test_rules_1_another_version_in_the_reply_is_never_returned() -> None:
    kms = FakeKMS()
    key = signer_of(kms).key()
    kms.replies.extend([lambda reply: replace(reply, version="v9")] * 3)
    with pytest.raises(errors.IntegrityFailure, match="another one signed"):
        key.sign(b"x")


def test_rules_4_a_key_deleted_and_created_again_is_another_key() -> None:
    kms, clock = FakeKMS(), FakeClock()
    signer = signer_of(kms, clock=clock)
    key = signer.key()
    kms.all.clear()
    kms.rotate(version="v1")
    with pytest.raises(errors.KeyNotPublished) as caught:
        key.sign(b"x")
    assert 300 < caught.value.retry_after <= 360
    clock.advance(361)
    new = signer.key()
    assert new.version == "v1"
    assert new.kid != key.kid
    verify_es256(new, new.sign(b"y"), b"y")


@pytest.mark.parametrize("lie", ["truncated", "oversized", "empty", "other digest", "other key", "garbage", "swapped"])
def test_a_lying_server_reaches_nobody(lie: str) -> None:
    kms = FakeKMS()
    key = signer_of(kms).key()
    other = ec.generate_private_key(ec.SECP256R1())
    wrong = {
        "truncated": lambda r: replace(r, signature=r.signature[:-3]),
        "oversized": lambda r: replace(r, signature=r.signature + b"\0"),
        "empty": lambda r: replace(r, signature=b""),
        "other digest": lambda r: replace(r, signature=kms.latest.private.sign(b"else", ec.ECDSA(hashes.SHA256()))),
        "other key": lambda r: replace(r, signature=other.sign(b"x", ec.ECDSA(hashes.SHA256()))),
        "garbage": lambda r: replace(r, signature=os.urandom(len(r.signature))),
        "swapped": lambda r: replace(r, version="v2"),
    }[lie]
    for _ in range(20):
        kms.replies.extend([wrong] * 3)
        with pytest.raises(errors.IntegrityFailure):
            key.sign(b"x")


def test_failures_are_retried_refreshed_or_raised_as_the_table_says() -> None:
    kms, clock = FakeKMS(), FakeClock()
    key = signer_of(kms, RefreshingDriver, clock=clock).key()
    kms.errors["sign"].extend(["throttled", "unavailable", "expired"])
    verify_es256(key, key.sign(b"x"), b"x")
    assert (kms.count("sign"), kms.count("refresh")) == (4, 1)
    kms.errors["sign"].extend(["expired", "expired"])
    with pytest.raises(errors.CredentialsExpired):
        key.sign(b"x")
    kms.errors["sign"].append("denied")
    before = kms.count("sign")
    with pytest.raises(errors.PermissionDenied) as caught:
        key.sign(b"x")
    assert kms.count("sign") == before + 1
    assert caught.value.request_id == "r-1"


def test_rules_18_all_attempts_share_one_counter_and_the_deadline() -> None:
    kms, clock = FakeKMS(), FakeClock()
    key = signer_of(kms, clock=clock, policy=Policy(timeout=600.0)).key()
    kms.errors["sign"].extend(["unavailable"] * 50)
    with pytest.raises(errors.ProviderUnavailable, match="8 attempts"):
        key.sign(b"x")
    assert kms.count("sign") == 8
    started = clock.now
    with pytest.raises(errors.ProviderError):
        key.sign(b"x", timeout=0.2)
    assert clock.now - started <= 0.2


def test_rules_16_no_secret_in_text_repr_or_object_graph_of_what_is_raised() -> None:
    kms = FakeKMS()
    key = signer_of(kms).key()
    kms.errors["sign"].append("denied")
    with pytest.raises(errors.PermissionDenied) as caught:
        key.sign(b"canary-message")
    seen: set[int] = set()
    stack: list[object] = [caught.value]
    while stack:
        thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        assert "canary" not in repr(thing)
        if isinstance(thing, BaseException):
            stack += [thing.args, thing.__cause__, thing.__context__, vars(thing)]
            assert not isinstance(thing, FakeError)


def test_what_a_driver_does_not_classify_is_its_bug_and_is_not_retried() -> None:
    kms = FakeKMS()
    key = signer_of(kms).key()
    kms.errors["sign"].append(KeyError("x"))
    with pytest.raises(errors.BackendBroken, match="KeyError") as caught:
        key.sign(b"x")
    assert "fakekms.py" in str(caught.value.__cause__)
    assert kms.count("sign") == 1


def test_rules_17_timeout_ends_the_wait_whatever_the_driver_does_and_replaces_its_client() -> None:
    kms = FakeKMS()
    key = signer_of(kms, WatchedDriver).key()
    kms.delay = 1.0
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        key.sign(b"x", timeout=0.2)
    assert time.monotonic() - started < 1.0  # five-fold slack on 0.2 s
    kms.delay = 0.0
    key.sign(b"x")
    assert kms.opened == 2
    time.sleep(1.1)
    assert kms.closed == 1


def test_rules_17_argument_then_context_then_policy() -> None:
    kms, clock = FakeKMS(), FakeClock()
    signer = signer_of(kms, clock=clock)
    assert signer.operation(None).remaining() == 2.5
    with deadline(1.0, clock=clock):
        assert signer.operation(None).remaining() == 1.0
        assert signer.operation(5.0).remaining() == 5.0
        with deadline(9.0, clock=clock):
            assert signer.operation(None).remaining() == 1.0
    for wrong in (0, -1, True, "1", float("nan")):
        with pytest.raises(errors.ConfigurationError, match="seconds"):
            signer.operation(wrong)  # type: ignore[arg-type]  # the mistake under test


def test_two_hundred_threads_on_a_cold_key_make_one_describe() -> None:
    kms = FakeKMS(delay=0.1)
    signer = signer_of(kms)
    barrier, keys = threading.Barrier(200), []

    def work() -> None:
        barrier.wait()
        keys.append(signer.key())

    threads = [threading.Thread(target=work) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kms.count("describe") == 1
    assert len(keys) == 200
    assert len(set(map(id, keys))) == 1


def test_fifty_loops_on_a_cold_key_make_one_describe_and_a_cancelled_leader_fails_nobody() -> None:
    kms = FakeKMS(delay=0.3)
    signer = signer_of(kms)
    results: list[object] = []

    async def leader() -> None:
        task = asyncio.create_task(signer.akey())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def follower() -> None:
        await asyncio.sleep(0.1)
        results.append(await signer.akey())

    threads = [threading.Thread(target=asyncio.run, args=(leader(),))]
    threads += [threading.Thread(target=asyncio.run, args=(follower(),)) for _ in range(49)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kms.count("describe") == 1
    assert len(results) == 49


def test_rules_22_a_leader_that_runs_out_of_time_fails_no_follower() -> None:
    kms = FakeKMS(delay=0.5)
    signer, outcome = signer_of(kms), []
    with pytest.raises(errors.DeadlineExceeded):
        signer.key(timeout=0.1)
    thread = threading.Thread(target=lambda: outcome.append(signer.key(timeout=5.0)))
    thread.start()
    thread.join()
    assert len(outcome) == 1
    assert kms.count("describe") == 1


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
def test_rules_16_an_error_on_a_signer_that_was_closed_meanwhile_holds_nothing_of_the_sdk(native: bool) -> None:
    kms = FakeKMS()
    signer = signer_of(kms, AsyncDriver if native else FakeDriver)

    def close_then_fail() -> None:
        signer.close(timeout=0.0)
        raise FakeError("denied", b"canary-secret")

    async def call(key: farsign.SigningKey) -> None:
        await key.asign(b"x")

    key = signer.key()
    kms.before_sign = close_then_fail
    with pytest.raises(errors.SignerClosed) as caught:
        asyncio.run(call(key)) if native else key.sign(b"x")
    assert caught.value.__context__ is None
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    for frame, _ in traceback.walk_tb(caught.value.__traceback__):
        assert not any(isinstance(value, FakeError) for value in frame.f_locals.values()), "what collectors of errors send along"


@pytest.mark.parametrize(
    ("classified", "says"),
    [
        (lambda error: 1 / 0, "its classify() raised builtins.ZeroDivisionError"),
        (lambda error: "throttled", "its classify() returned no Failure"),
        (lambda error: Failure(ValueError), "its classify() returned no Failure"),
        (lambda error: Failure("denied"), "its classify() returned no Failure"),
        (lambda error: None, "which the backend does not know"),
    ],
)
def test_a_driver_that_misjudges_is_named(classified: Any, says: str) -> None:
    class Misjudges(FakeDriver):
        def classify(self, error: Exception) -> Any:
            return classified(error)

    kms = FakeKMS()
    key = signer_of(kms, Misjudges).key()
    kms.errors["sign"].append("denied")
    with pytest.raises(errors.BackendBroken, match=re.escape(says)) as caught:
        key.sign(b"x")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("said", ["5", math.nan, math.inf, -5.0])
def test_a_retry_after_that_is_none_is_dropped(said: Any) -> None:
    class Says(FakeDriver):
        def classify(self, error: Exception) -> Failure:
            return Failure(errors.Throttled, retry_after=said)

    kms, clock = FakeKMS(), FakeClock()
    key = Signer(lambda: Says(kms), clock=clock).key()
    kms.errors["sign"].append("throttled")
    verify_es256(key, key.sign(b"x"), b"x")
    assert sum(clock.slept) < 1.0


def test_async_signs_natively_in_each_loop_with_an_instance_of_its_own() -> None:
    kms = FakeKMS()
    signer = signer_of(kms, AsyncDriver)

    async def work() -> None:
        key = await signer.akey()
        for signature in await asyncio.gather(*(key.asign(b"x") for _ in range(20))):
            verify_es256(key, signature, b"x")

    asyncio.run(work())
    asyncio.run(work())
    assert kms.opened == 3  # one for blocking calls, one per loop


def test_async_over_a_blocking_driver_times_out_and_survives_cancellation() -> None:
    kms = FakeKMS()
    signer = signer_of(kms)

    async def work() -> None:
        key = await signer.akey()
        kms.delay = 0.5
        with pytest.raises(errors.ProviderError):
            await key.asign(b"x", timeout=0.1)
        task = asyncio.create_task(key.asign(b"x"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        kms.delay = 0.0
        verify_es256(key, await key.asign(b"y"), b"y")
        await signer.aclose()

    asyncio.run(work())


def test_rules_31_aclose_waits_for_native_calls_and_takes_no_more() -> None:
    class Slow(AsyncDriver):
        gone = False

        async def asign(self, request: object, *, timeout: float) -> object:
            await asyncio.sleep(0.2)
            assert not self.gone, "closed while in use"
            return self.sign(request, timeout=timeout)

        async def aclose(self) -> None:
            self.gone = True
            await super().aclose()

    kms = FakeKMS()
    signer = signer_of(kms, Slow)

    async def work() -> None:
        key = await signer.akey()
        tasks = [asyncio.create_task(key.asign(b"x")) for _ in range(5)]
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(signer.aclose())
        await asyncio.sleep(0.05)
        with pytest.raises(errors.SignerClosed):
            await key.asign(b"y")
        assert await closing
        for signature in await asyncio.gather(*tasks):
            verify_es256(key, signature, b"x")

    asyncio.run(work())


def test_rules_31_the_drivers_of_loops_that_ended_are_closed() -> None:
    kms = FakeKMS()
    with signer_of(kms, AsyncDriver) as signer:
        key = signer.key()
        for _ in range(20):
            asyncio.run(key.asign(b"x"))
        assert kms.opened - kms.closed <= 2
    assert kms.opened == kms.closed


def test_rules_31_aclose_gives_up_on_time() -> None:
    class Stuck(AsyncDriver):
        async def asign(self, request: object, *, timeout: float) -> object:
            await asyncio.sleep(timeout)
            raise FakeError("unavailable")

    async def work() -> None:
        signer = signer_of(FakeKMS(), Stuck)
        task = asyncio.create_task((await signer.akey()).asign(b"x"))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        assert not await signer.aclose(timeout=0.1)
        assert time.monotonic() - started < 1.0
        with pytest.raises(farsign.FarsignError):
            await task

    asyncio.run(work())


def test_rules_31_check_signs_once_and_close_drains() -> None:
    kms = FakeKMS()
    signer = signer_of(kms)
    signer.check()
    assert kms.calls == ["describe", "sign"]
    key = signer.key()
    kms.delay = 0.3
    done: list[bytes] = []
    thread = threading.Thread(target=lambda: done.append(key.sign(b"x")))
    thread.start()
    time.sleep(0.1)
    assert signer.close() is True
    thread.join()
    assert len(done) == 1
    assert kms.closed == 1
    for use in (signer.key, lambda: key.sign(b"x"), signer.check):
        with pytest.raises(errors.SignerClosed):
            use()
    signer.close()
    assert kms.closed == 1


def test_rules_8_pickling_reopens_by_uri_and_says_why_when_it_cannot() -> None:
    with pytest.raises(errors.NotPicklable, match="made with objects"):
        pickle.dumps(signer_of(FakeKMS()))


def test_a_subscription_ends_alone() -> None:
    seen: list[object] = []
    ends = [farsign.observe(seen.append) for _ in range(2)]
    kms = FakeKMS()
    signer = signer_of(kms)
    signer.key()
    assert len(seen) == 2
    ends[0]()
    signer.key().sign(b"x")
    assert len(seen) == 3
    ends[1]()
    signer.key().sign(b"x")
    assert len(seen) == 3


def test_observers_see_attempts_without_secrets_and_cannot_break_a_signature() -> None:
    kms, events = FakeKMS(), []
    key = signer_of(kms, name="k").key()

    def broken(event: object) -> None:
        raise RuntimeError("observer")

    stop, stop_broken = farsign.observe(events.append), farsign.observe(broken)
    kms.errors["sign"].append("throttled")
    key.sign(b"x")
    stop()
    stop_broken()
    key.sign(b"x")
    assert [(type(e).__name__, getattr(e, "outcome", e.key)) for e in events] == [
        ("Attempt", "throttled"), ("Throttling", "k"), ("Retrying", "k"), ("Attempt", "ok")]  # fmt: skip


def test_an_exiting_interpreter_does_not_wait_for_a_stuck_call() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import time; import fakekms\n"
        "from farsign._signer.signer import Signer\n"
        "kms = fakekms.FakeKMS(); signer = Signer(lambda: fakekms.WatchedDriver(kms)); key = signer.key(); kms.delay = 60\n"
        "t = time.monotonic()\n"
        "try: key.sign(b'x', timeout=.2)\n"
        "except Exception as e: print(type(e).__name__)\n"
    )
    started = time.monotonic()
    support = os.path.dirname(os.path.abspath(__import__("fakekms").__file__))
    done = subprocess.run([sys.executable, "-c", code, support], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "DeadlineExceeded", done.stderr
    assert time.monotonic() - started < 15
