"""A collector that takes traces over OTLP/HTTP, as an operator's does, and keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What arrived so far. ``url`` is the endpoint to give a service."""

    url: str
    services: set[str] = field(default_factory=set)
    spans: list[str] = field(default_factory=list)
    """Names of spans."""
    requests: list[bytes] = field(default_factory=list)
    """The bodies as they came: protobuf holds texts as they are."""

    def take(self, body: bytes) -> None:
        """Keep one export; DecodeError if it is none."""
        export = ExportTraceServiceRequest.FromString(body)
        self.requests.append(body)
        for resource in export.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            self.services.add(names["service.name"])
            for scope in resource.scope_spans:
                self.spans += [span.name for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listening until the end of the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}/v1/traces")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
