"""The integration against the real SDK's in-memory exporters."""

from __future__ import annotations

import pytest
from fakekms import FakeDriver, FakeKMS

import farsign
from farsign_contrib import opentelemetry as ours

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def test_attempts_become_spans_and_durations_without_keys_or_secrets() -> None:
    reader, exporter, tracers = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    stop = ours.observe(meter_provider=MeterProvider([reader]), tracer_provider=tracers)
    kms = FakeKMS(endpoint="fake otel")
    key = farsign.Signer(lambda: FakeDriver(kms), name="canary-name").key()
    kms.errors["sign"].append("throttled")
    key.sign(b"canary-message")
    stop()
    key.sign(b"unseen")

    spans = exporter.get_finished_spans()
    assert [(span.name, span.attributes["outcome"], span.status.is_ok) for span in spans] == [
        ("farsign describe", "ok", True), ("farsign sign", "throttled", False), ("farsign sign", "ok", True)]  # fmt: skip
    assert all(0 <= span.end_time - span.start_time < 10**9 for span in spans)
    data = reader.get_metrics_data()
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    points = {point.attributes["outcome"]: point.count for point in metrics["farsign.attempt.duration"].data.data_points
              if point.attributes["operation"] == "sign"}  # fmt: skip
    assert points == {"ok": 1, "throttled": 1}
    told = [point.attributes for point in metrics["farsign.events"].data.data_points]
    assert told == [{"event": kind, "endpoint": "fake otel"} for kind in ("Throttling", "Retrying")]
    assert "canary" not in data.to_json() + "".join(span.to_json() for span in spans)
