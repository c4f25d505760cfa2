"""RULES 11, 16: canaries in the credentials, the message, its digest and its signature are looked for in all that is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import logging
import traceback
from collections.abc import Iterator

import pytest
from faulty_backends import Backend

import farsign
from farsign._signer.signing import sign_with
from farsign.errors import FarsignError
from farsign.testing._http import HttpServer
from farsign.testing._tls import server_certificate
from farsign.testing.conformance._harness import many, until
from farsign.testing.emulator import EmulatedKey, Emulator, Reply, Request

MESSAGE = b"canary-message-5c1f0a"
FAULTS = (
    "error:{}:denied", "error:{}:unavailable", "error:{}:throttled", "error:{}:disabled", "error:{}:credentials-expired",
    "reset:{}", "truncate:{}", "garbage:{}", "oversized:{}", "stall:{}", "wrong_signature:{}",
)  # fmt: skip
ORDERS = [(text.format(operation), operation) for operation in ("sign", "describe") for text in FAULTS]
WELL = 3  # signatures between two faults, so that no breaker opens


def spellings(data: bytes) -> list[str]:
    standard = base64.b64encode(data).decode().rstrip("=")
    urlsafe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return [standard, urlsafe, data.hex(), repr(data)[2:-1]]


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """Every logger at DEBUG, those of the SDKs too, with tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", *root.manager.loggerDict)}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class Caller:
    """Calls a signer from a thread, or from one event loop; keeps the signatures."""

    def __init__(self, signer: farsign.Signer, runner: asyncio.Runner | None) -> None:
        self.signer, self._runner = signer, runner
        self.signatures: list[bytes] = []

    def key(self) -> farsign.SigningKey:
        return self._runner.run(self.signer.akey(timeout=5.0)) if self._runner else self.signer.key(timeout=5.0)

    def sign(self, key: farsign.SigningKey, timeout: float | None = None) -> None:
        signed = key.asign(MESSAGE, timeout=timeout) if self._runner else key.sign(MESSAGE, timeout=timeout)
        self.signatures.append(self._runner.run(signed) if self._runner else signed)  # type: ignore[arg-type]

    def look_up(self) -> None:
        self.signer.invalidate()
        self._runner.run(self.signer.akey()) if self._runner else self.signer.key()

    def is_well(self) -> bool:
        """False: what was asked before has not ended yet."""
        self.signer.invalidate()
        try:
            return bool(self.key())
        except FarsignError:
            return False

    def close(self) -> None:
        self._runner.run(self.signer.aclose(timeout=0.5)) if self._runner else self.signer.close(timeout=0.5)


def meet(order: str, operation: str, caller: Caller, cloud: Emulator, told: io.StringIO) -> None:
    """That fault, which has to reach the wire; and then all is well."""
    key, before = caller.key(), cloud.calls(operation)
    cloud.faults.order(order)
    try:
        caller.sign(key) if operation == "sign" else caller.look_up()
    except FarsignError as error:
        told.write("".join(traceback.format_exception(error)) + error.diagnostics() + repr(error))
        logging.getLogger("a.users.own").exception("it failed")
    cloud.faults.clear()
    assert cloud.calls(operation) > before, order
    until(caller.is_well)
    for _ in range(WELL):
        caller.sign(caller.key(), timeout=5.0)


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
def test_canaries_are_nowhere(
    native: bool, row: Backend, cloud: Emulator, made: EmulatedKey, told: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In logs at DEBUG, exceptions and their causes, tracebacks, reprs, events, spans and metrics."""
    pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from farsign_contrib import opentelemetry as ours

    reader, exporter, tracers = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    stops = [
        ours.observe(meter_provider=MeterProvider([reader]), tracer_provider=tracers),
        farsign.observe(lambda event: told.write(f"{event!r}\n") and None),
    ]
    opened = row.given(cloud, made, monkeypatch, policy=farsign.Policy(timeout=0.6, attempt_timeout=0.3, attempts=2))
    with opened.signer as signer, asyncio.Runner() as runner:
        caller = Caller(signer, runner if native else None)
        key = caller.key()
        caller.sign(key, timeout=5.0)
        told.write(f"{signer!r} {key!r} {signer.legs!r} {sign_with(signer, lambda _: MESSAGE)!r}\n")
        plan = key.plan(key.algorithm, MESSAGE)
        told.write(f"{plan!r} {signer._calls.sign(signer.operation(5.0), plan)!r}\n")
        for order, operation in ORDERS:
            meet(order, operation, caller, cloud, told)
        caller.close()
    for stop in stops:
        stop()
    spans = exporter.get_finished_spans()
    assert len(spans) > len(ORDERS) * WELL
    data = reader.get_metrics_data()
    assert data is not None
    everything = told.getvalue() + data.to_json() + "".join(span.to_json() for span in spans)
    assert "farsign" in everything
    secret = [*opened.secrets(), *spellings(MESSAGE), *spellings(hashlib.sha256(MESSAGE).digest())]
    for signature in caller.signatures:
        secret += spellings(signature)
    hits = [text for text in secret if text in everything]
    assert hits == [], f"{len(hits)} of {len(secret)} canaries were told"


class Elsewhere:
    """Another host, which answers everything and remembers what came."""

    def __init__(self, *, tls: bool) -> None:
        self.heard: list[Request] = []
        self.certificate = server_certificate(("127.0.0.1", "localhost"))
        self._server = HttpServer(self._answer, tls=self.certificate.context if tls else None)
        self._server.start()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.port}/stolen"

    def _answer(self, request: Request) -> Reply:
        self.heard.append(request)
        return Reply(200, b"{}", {"Content-Type": "application/json"})

    def close(self) -> None:
        self._server.close()


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("status", (302, 307, 301, 308)[: many(2, 4)])
def test_a_redirect_to_another_host_carries_no_credential(
    status: int, native: bool, row: Backend, cloud: Emulator, made: EmulatedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not followed at all: nothing arrives there, with a credential or without."""
    if not row.http:
        pytest.skip("no redirects on this wire")
    elsewhere = Elsewhere(tls="https" in cloud.url)
    opened = row.given(cloud, made, monkeypatch, policy=farsign.Policy(timeout=0.4))
    with opened.signer as signer, asyncio.Runner() as runner:
        caller = Caller(signer, runner if native else None)
        key = caller.key()
        caller.sign(key, timeout=5.0)
        monkeypatch.setattr(cloud, "answer", lambda request: Reply(status, b"", {"Location": elsewhere.url}))
        for attempt in (lambda: caller.sign(key), caller.look_up):
            with pytest.raises(FarsignError):
                attempt()
        caller.close()
    elsewhere.close()
    assert elsewhere.heard == []
