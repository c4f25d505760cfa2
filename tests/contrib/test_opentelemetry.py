"""The integration against the real SDK's in-memory exporters."""

from __future__ import annotations

import contextlib

import pytest
from fakekms import FakeClock, FakeDriver, FakeKMS

import farsign
from farsign import errors
from farsign._base import events
from farsign_contrib import opentelemetry as ours

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Seen:
    """What a reader and an exporter of the real SDK get."""

    def __init__(self, **options: bool) -> None:
        self.reader, self.exporter, tracers = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.stop = ours.observe(meter_provider=MeterProvider([self.reader]), tracer_provider=tracers, **options)

    def read(self) -> None:
        self.stop()
        self.data = self.reader.get_metrics_data()
        self.points = {m.name: m.data.data_points for m in self.data.resource_metrics[0].scope_metrics[0].metrics}

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(point.attributes) for point in self.points[name]]


def test_attempts_become_spans_and_durations_without_keys_or_secrets() -> None:
    seen = Seen()
    kms = FakeKMS(endpoint="fake otel")
    key = farsign.Signer(lambda: FakeDriver(kms), name="canary-name").key()
    kms.errors["sign"].append("throttled")
    key.sign(b"canary-message")
    seen.read()
    key.sign(b"unseen")

    spans = seen.exporter.get_finished_spans()
    assert [(span.name, span.attributes["outcome"], span.status.is_ok) for span in spans] == [
        ("farsign describe", "ok", True), ("farsign sign", "throttled", False), ("farsign sign", "ok", True)]  # fmt: skip
    assert all(0 <= span.end_time - span.start_time < 10**9 for span in spans)
    points = {point.attributes["outcome"]: point.count for point in seen.points["farsign.attempt.duration"]
              if point.attributes["operation"] == "sign"}  # fmt: skip
    assert points == {"ok": 1, "throttled": 1}
    whole = {"backend": "fake", "endpoint": "fake otel"}
    assert seen.labels("farsign.attempt.duration")[1] == whole | {
        "operation": "sign",
        "algorithm": "ES256",
        "outcome": "throttled",
    }
    throttling = whole | {"event": "Throttling"}
    retrying = whole | {"event": "Retrying", "operation": "sign", "outcome": "throttled"}
    assert seen.labels("farsign.events") == [throttling, retrying]
    assert seen.labels("farsign.retry.wait") == [retrying]
    assert "canary" not in seen.data.to_json() + "".join(span.to_json() for span in spans)


ONE_OF_EACH = {
    events.Retrying("e 1", "k", "sign", "denied", 0.25): {"operation": "sign", "outcome": "denied"},
    events.Retrying("e 1", "k", "sign", "throttled", 0.5): {"operation": "sign", "outcome": "throttled"},
    events.Throttling("e 1", "k", 2.0): {},
    events.CredentialsRefreshed("e 1", "k"): {},
    events.Breaker("e 1", "k", "open"): {"state": "open"},
    events.Breaker("e 1", "k", "closed"): {"state": "closed"},
    events.FailedOver("e 1", "k", "e 2"): {"previous": "e 2"},
    events.FailedOver("e 1", "k", "e 3"): {"previous": "e 3"},
    events.KeyPending("e 1", "k", "kid-new", 360.0): {},
    events.KeySwitched("e 1", "k", "kid-new", "kid-old"): {},
    events.StaleKey("e 1", "k", "unavailable"): {"outcome": "unavailable"},
    events.StaleKey("e 1", "k", "denied"): {"outcome": "denied"},
    events.ListingDenied("e 1", "k"): {},
}
KIDS = {"KeyPending": {"kid": "kid-new"}, "KeySwitched": {"kid": "kid-new", "previous_kid": "kid-old"}}


@pytest.mark.parametrize("keys", [False, True])
def test_each_event_with_what_tells_it_from_others(keys: bool) -> None:
    assert {type(event).__name__ for event in ONE_OF_EACH} == {kind.__name__ for kind in events.Event.__subclasses__()} - {
        "Attempt"
    }
    seen = Seen(keys=keys)
    for event in ONE_OF_EACH:
        events.emit(event)
    seen.read()
    expected = []
    for event, labels in ONE_OF_EACH.items():
        kind = type(event).__name__
        named = {"key": "k", **KIDS.get(kind, {})} if keys else {}
        expected.append({"backend": "e", "endpoint": "e 1", "event": kind} | labels | named)
    assert seen.labels("farsign.events") == expected
    waits = {
        point.attributes["event"] + point.attributes.get("outcome", ""): point.sum for point in seen.points["farsign.retry.wait"]
    }
    assert waits == {"Retryingdenied": 0.25, "Retryingthrottled": 0.5, "Throttling": 2.0}


def test_a_real_breaker_tells_open_from_closed() -> None:
    seen, clock = Seen(), FakeClock()
    kms = FakeKMS(endpoint="fake breaker")
    key = farsign.Signer(lambda: FakeDriver(kms), name="canary-name", clock=clock).key()
    kms.errors["sign"].extend(["unavailable"] * 200)
    for _ in range(60):
        with contextlib.suppress(errors.FarsignError):
            key.sign(b"x")
    kms.errors["sign"].clear()
    clock.advance(60.0)
    key.sign(b"x")
    seen.read()
    assert [each["state"] for each in seen.labels("farsign.events") if each["event"] == "Breaker"] == ["open", "closed"]
