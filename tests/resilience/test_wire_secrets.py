"""RULES 11, 16: canaries in the credentials, the message, its digest and its signature are looked for in all that is told."""

from __future__ import annotations

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
from farsign.testing.conformance._harness import many
from farsign.testing.emulator import EmulatedKey, Emulator, Reply, Request

MESSAGE = b"canary-message-5c1f0a"
FAULTS = (
    "error:sign:denied", "error:sign:unavailable", "error:sign:throttled", "error:sign:disabled", "error:sign:credentials-expired",
    "reset:sign", "truncate:sign", "garbage:sign", "stall:sign", "wrong_signature:sign", "oversized:sign",
)  # fmt: skip


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


def test_canaries_are_nowhere(
    row: Backend, cloud: Emulator, made: EmulatedKey, told: io.StringIO, monkeypatch: pytest.MonkeyPatch
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
    opened = row.given(cloud, made, monkeypatch, policy=farsign.Policy(timeout=0.6, attempt_timeout=0.3))
    with opened.signer as signer:
        key = signer.key(timeout=5.0)
        signatures = [key.sign(MESSAGE, timeout=5.0)]
        told.write(f"{signer!r} {key!r} {signer.legs!r} {sign_with(signer, lambda _: MESSAGE)!r}\n")
        plan = key.plan(key.algorithm, MESSAGE)
        told.write(f"{plan!r} {signer._calls.sign(signer.operation(5.0), plan)!r}\n")
        for fault in FAULTS:
            cloud.faults.order(fault)
            try:
                signatures.append(key.sign(MESSAGE))
            except FarsignError as error:
                told.write("".join(traceback.format_exception(error)) + error.diagnostics() + repr(error))
                logging.getLogger("a.users.own").exception("signing failed")
            cloud.faults.clear()
        signer.close(timeout=0.5)
    for stop in stops:
        stop()
    spans = exporter.get_finished_spans()
    assert len(spans) > len(FAULTS)
    data = reader.get_metrics_data()
    assert data is not None
    everything = told.getvalue() + data.to_json() + "".join(span.to_json() for span in spans)
    assert "farsign" in everything
    secret = [*opened.secrets(), *spellings(MESSAGE), *spellings(hashlib.sha256(MESSAGE).digest())]
    for signature in signatures:
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


@pytest.mark.parametrize("status", (302, 307, 301, 308)[: many(2, 4)])
def test_a_redirect_to_another_host_carries_no_credential(
    status: int, row: Backend, cloud: Emulator, made: EmulatedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not followed at all: nothing arrives there, with a credential or without."""
    if not row.http:
        pytest.skip("no redirects on this wire")
    elsewhere = Elsewhere(tls="https" in cloud.url)
    opened = row.given(cloud, made, monkeypatch, policy=farsign.Policy(timeout=0.4))
    with opened.signer as signer:
        key = signer.key(timeout=5.0)
        key.sign(b"x", timeout=5.0)
        monkeypatch.setattr(cloud, "answer", lambda request: Reply(status, b"", {"Location": elsewhere.url}))
        for attempt in (lambda: key.sign(b"x"), lambda: signer.invalidate() or signer.key()):
            with pytest.raises(FarsignError):
                attempt()
    elsewhere.close()
    assert elsewhere.heard == []
