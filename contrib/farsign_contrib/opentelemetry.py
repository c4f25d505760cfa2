"""Metrics and spans for OpenTelemetry, from farsign's events. ``observe()`` once at start-up; needs ``opentelemetry-api``.

Labels are backend, endpoint, operation, algorithm and outcome ("ok" or an error code); of a breaker its state, of a failover the previous
endpoint. Keys are left out unless asked for: they make a series each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import farsign

_LABELS: Final = MappingProxyType(
    {
        "operation": "operation",
        "algorithm": "algorithm",
        "outcome": "outcome",
        "code": "outcome",
        "state": "state",
        "previous": "previous",
    }
)
_KEYS: Final = MappingProxyType({"key": "key", "kid": "kid", "previous_kid": "previous_kid"})
_WAITS: Final = ("wait", "retry_after")


def observe(*, meter_provider: Any = None, tracer_provider: Any = None, keys: bool = False) -> Callable[[], None]:
    """Counts and times wire calls, and makes a span of each. Returns a function that ends it.

    Instruments: farsign.attempt.duration (histogram, s), farsign.events (counter, by event: breaker, failover, stale key, ...),
    farsign.retry.wait (histogram, s: the waits before retries, and what throttling endpoints ask for). keys: label with keys too.
    """
    from opentelemetry import metrics, trace

    meter = metrics.get_meter("farsign", farsign.__version__, meter_provider=meter_provider)
    tracer = trace.get_tracer("farsign", farsign.__version__, tracer_provider=tracer_provider)
    durations = meter.create_histogram("farsign.attempt.duration", unit="s", description="Wire calls to key providers")
    others = meter.create_counter("farsign.events", description="Retries, switches and failures between wire calls")
    waits = meter.create_histogram("farsign.retry.wait", unit="s", description="Waits before retries, and those asked for")
    fields = {**_LABELS, **_KEYS} if keys else _LABELS

    def record(event: Any) -> None:
        kind = type(event).__name__
        # An endpoint is named after its backend first: "awskms eu-west-1".
        labels = {"backend": event.endpoint.partition(" ")[0], "endpoint": event.endpoint}
        labels |= {label: getattr(event, field) for field, label in fields.items() if hasattr(event, field)}
        if kind == "Attempt":
            durations.record(event.seconds, labels)
            _span(tracer, event, labels)
            return
        labels["event"] = kind
        others.add(1, labels)
        for field in _WAITS:
            if getattr(event, field, None) is not None:
                waits.record(getattr(event, field), labels)

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
