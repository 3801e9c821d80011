"""One trace goes with a report from the request to whatever is decided of it, and names nobody."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.contracts import ReportReceived
from homeward.common.envelope import Envelope
from homeward.common.logs import JsonLines
from homeward.common.parts import Service
from homeward.common.telemetry import current_traceparent, make_spans_with, span
from homeward.common.tx import Tx

from .asking import answering, in_process
from .noting import NoteTaken, handling, report
from .test_relay import published

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = PARENT.split("-")[1]


@pytest.fixture(scope="session")
def exporter() -> Iterator[InMemorySpanExporter]:
    """A process has one tracer provider; after these tests it exports nothing."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    make_spans_with(provider)
    yield exporter
    exporter.shutdown()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


def traces(spans: InMemorySpanExporter) -> set[str]:
    return {f"{one.context.trace_id:032x}" for one in spans.get_finished_spans() if one.context}


async def on_note(event: NoteTaken, tx: Tx) -> None:
    tx.emit(NoteTaken(report_id=event.report_id, text="noted again"))


async def test_a_trace_crosses_request_outbox_consumer_and_what_is_said_then(
    world: World, service: Service, spans: InMemorySpanExporter
) -> None:
    service = replace(answering(service), consumers={NoteTaken: on_note})
    async with in_process(service, "notes:write") as client:
        response = await client.post("/v1/notes", json={"text": "x"}, headers={"traceparent": PARENT})
        assert response.status_code == 201
    await world.relay(service)
    await world.consume(service)
    await world.relay(service)
    [first, second] = sorted(await published(world), key=lambda envelope: envelope.sequence)
    assert first.traceparent is not None
    assert second.traceparent is not None
    assert first.traceparent.split("-")[1] == second.traceparent.split("-")[1] == TRACE
    assert first.traceparent != second.traceparent != PARENT
    request, handled = spans.get_finished_spans()
    assert (request.name, request.kind) == ("POST /v1/notes", SpanKind.SERVER)
    assert (handled.name, handled.kind) == ("tiny homeward.note.taken.v1", SpanKind.CONSUMER)
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT.split("-")[2]
    assert handled.parent is not None
    assert request.context is not None
    assert handled.parent.span_id == request.context.span_id
    assert traces(spans) == {TRACE}


async def test_each_event_of_a_batch_stays_in_its_own_trace(
    world: World, service: Service, spans: InMemorySpanExporter
) -> None:
    records = []
    for n in (1, 2):
        [record] = await world.records(report())
        parent = f"00-{n:032x}-{n:016x}-01"
        envelope = replace(Envelope.of(record), traceparent=parent)
        records.append(replace(record, headers=envelope.record(b"").headers))
    await world.handle(service, [*records, *await world.records(report())])
    rows = await world.execute(service, "SELECT traceparent FROM outbox ORDER BY position")
    assert [row.traceparent.split("-")[1] for row in rows[:2]] == [f"{n:032x}" for n in (1, 2)]
    assert rows[2].traceparent.split("-")[1] not in {f"{n:032x}" for n in (1, 2)}


async def test_an_event_decided_later_keeps_the_trace_it_is_given(service: Service, world: World) -> None:
    async with service.parts.transaction("client:x") as tx:
        tx.emit(NoteTaken(report_id=UUID(int=1)), traceparent=PARENT)
        tx.emit(NoteTaken(report_id=UUID(int=1)))
    rows = await world.execute(service, "SELECT traceparent FROM outbox ORDER BY position")
    assert [row.traceparent for row in rows] == [PARENT, None]


def everything(spans: InMemorySpanExporter) -> str:
    def told(one: ReadableSpan) -> str:
        events = [(event.name, dict(event.attributes or {})) for event in one.events]
        return f"{one.name} {dict(one.attributes or {})} {events} {one.status.description}"

    return " ".join(map(told, spans.get_finished_spans()))


async def test_spans_hold_no_ids_no_paths_and_no_messages(
    world: World, service: Service, spans: InMemorySpanExporter
) -> None:
    async def fails(event: ReportReceived, tx: Tx) -> None:
        raise ValueError(f"cannot take {event.full_name}")

    reported = report("Zoë Lin")
    async with in_process(answering(service), "notes:write") as client:
        await client.get("/v1/notes/R-SECRET-CODE?limit=3")
        await client.get("/v1/nothing/R-SECRET-CODE")
        await client.post("/v1/fail/R-SECRET-CODE")
        await client.request("R-SECRET-CODE", "/v1/notes")
    await Consumer(handling(service, fails)).handle(await world.records(reported))
    await Consumer(service).handle(await world.records(report("Zoë Lin")))
    told = everything(spans)
    assert len(spans.get_finished_spans()) == 6
    for secret in ("SECRET", "Zo", "cannot take", str(reported.report_id), "limit", "caseworker"):
        assert secret not in told
    names = [one.name for one in spans.get_finished_spans()]
    assert names[:4] == ["GET /v1/notes/{name}", "GET none", "POST /v1/fail/{how}", "other /v1/notes"]
    failed = [one.status.description for one in spans.get_finished_spans() if not one.status.is_unset]
    assert failed == ["RuntimeError", "ValueError"]


@pytest.mark.parametrize(
    "traceparent", [None, "", "00-x-y-01", "Zoë", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"]
)
def test_a_traceparent_that_is_none_begins_a_new_trace(
    spans: InMemorySpanExporter, traceparent: str | None
) -> None:
    with span("x", SpanKind.SERVER, traceparent):
        assert current_traceparent() is not None
    [one] = spans.get_finished_spans()
    assert one.parent is None
    assert current_traceparent() is None


def test_a_log_line_names_its_trace(spans: InMemorySpanExporter) -> None:
    record = logging.makeLogRecord({"msg": "x"})
    with span("x", SpanKind.SERVER, PARENT):
        assert f'"trace_id": "{TRACE}"' in JsonLines("tiny").format(record)
    assert "trace_id" not in JsonLines("tiny").format(record)
