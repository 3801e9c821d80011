"""A platform of the test's own making, on a real socket: it answers what it is told to, and remembers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, and JSON or bytes; and further headers."""


@dataclass
class FakePlatform:
    """Answers by ``(method, path)``; an answer may be a list, taken in turn."""

    base_url: str
    answers: dict[tuple[str, str], Answer | list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of every request, those for tokens too; names in lower case."""
    tokens_granted: int = 0
    token_seconds: int = 300

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if (method, path) == ("POST", "/oauth/token"):
            self.tokens_granted += 1
            return 200, {"access_token": f"t{self.tokens_granted}", "expires_in": self.token_seconds}
        self.requests.append((method, path, body))
        found = self.answers.get(
            (method, path.partition("?")[0]), (404, {"title": "Not found", "status": 404})
        )
        return found.pop(0) if isinstance(found, list) else found


def _handler(platform: Callable[[], FakePlatform]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            platform().headers.append({name.lower(): value for name, value in self.headers.items()})
            status, content, *more = platform().answer(self.command, self.path, body)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


@contextmanager
def fake_platform() -> Iterator[FakePlatform]:
    """Serving until the end of the context."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(lambda: platform))
    platform = FakePlatform(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
