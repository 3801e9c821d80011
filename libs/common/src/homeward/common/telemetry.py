"""OpenTelemetry traces that cross the broker: a W3C traceparent rides in every event.

Where spans are sent nowhere none is made, which would cost a tenth of handling an event: the traceparent
then passes through unchanged, as the recommendation allows (W3C Trace Context, §4.3).
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("homeward")
_passing: ContextVar[str | None] = ContextVar("traceparent", default=None)
_makes_spans = False
_TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def configure(service: str, otlp_endpoint: str | None) -> None:
    """Make spans in this process if there is an OTLP endpoint (its ``/v1/traces`` URL) to send them to."""
    if otlp_endpoint:
        provider = TracerProvider(resource=Resource.create({"service.name": f"homeward-{service}"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
        make_spans_with(provider)


def make_spans_with(provider: TracerProvider) -> None:
    """From now on spans are made in this process, by ``provider``."""
    global _makes_spans
    trace.set_tracer_provider(provider)
    _makes_spans = True


def current_traceparent() -> str | None:
    """The W3C traceparent of the current span; None outside a trace."""
    if not _makes_spans:
        return _passing.get()
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, kind: SpanKind, traceparent: str | None) -> Iterator[trace.Span]:
    """A span below ``traceparent``. An exception marks it by type only: messages can hold people's data."""
    if not _makes_spans:
        token = _passing.set(_passed_on(traceparent))
        try:
            yield trace.INVALID_SPAN
        finally:
            _passing.reset(token)
        return
    context = _propagator.extract({"traceparent": traceparent} if traceparent else {})
    with _tracer.start_as_current_span(
        name, context=context, kind=kind, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def _passed_on(traceparent: str | None) -> str:
    """The same, or a new trace's where there is none."""
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        return traceparent
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
