"""Metrics and spans for OpenTelemetry, from farsign's events. ``observe()`` once at start-up; needs ``opentelemetry-api``.

Labels are endpoint, operation, algorithm and outcome. Keys are left out: they would make a series each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import farsign


def observe(*, meter_provider: Any = None, tracer_provider: Any = None) -> Callable[[], None]:
    """Counts and times wire calls, and makes a span of each. Returns a function that ends it.

    Instruments: farsign.attempt.duration (histogram, s), farsign.events (counter, by event: breaker, failover, stale key, ...).
    """
    from opentelemetry import metrics, trace

    meter = metrics.get_meter("farsign", farsign.__version__, meter_provider=meter_provider)
    tracer = trace.get_tracer("farsign", farsign.__version__, tracer_provider=tracer_provider)
    durations = meter.create_histogram("farsign.attempt.duration", unit="s", description="Wire calls to key providers")
    others = meter.create_counter("farsign.events", description="Retries, switches and failures between wire calls")

    def record(event: Any) -> None:
        kind = type(event).__name__
        if kind != "Attempt":
            others.add(1, {"event": kind, "endpoint": event.endpoint})
            return
        labels = {
            "endpoint": event.endpoint,
            "operation": event.operation,
            "algorithm": event.algorithm,
            "outcome": event.outcome,
        }
        durations.record(event.seconds, labels)
        _span(tracer, event, labels)

    return farsign.observe(record)


def _span(tracer: Any, event: Any, labels: dict[str, str]) -> None:
    from opentelemetry.trace import SpanKind, Status, StatusCode

    end = time.time_ns()
    span = tracer.start_span(
        f"farsign {event.operation}", kind=SpanKind.CLIENT, start_time=end - int(event.seconds * 1e9), attributes=labels
    )
    if event.outcome != "ok":
        span.set_status(Status(StatusCode.ERROR, event.outcome))
    span.end(end)
