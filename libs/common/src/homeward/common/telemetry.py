"""OpenTelemetry traces that cross the broker: a W3C traceparent rides in every event."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("homeward")


def configure(service: str, otlp_endpoint: str | None) -> None:
    """Make spans in this process and send them to ``otlp_endpoint`` (its ``/v1/traces`` URL). Without one
    nothing is recorded, and a trace still goes through with its events."""
    resource = Resource.create({"service.name": f"homeward-{service}"})
    provider = TracerProvider(resource=resource, sampler=None if otlp_endpoint else ALWAYS_OFF)
    if otlp_endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """The W3C traceparent of the current span; None outside a trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, kind: SpanKind, traceparent: str | None) -> Iterator[trace.Span]:
    """A span below ``traceparent``. An exception marks it by type only: messages can hold people's data."""
    context = _propagator.extract({"traceparent": traceparent} if traceparent else {})
    with _tracer.start_as_current_span(
        name, context=context, kind=kind, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
