"""Following a feed, without input or output: what to ask for, what came, when to try again. The two clients
of ``sdk.py`` do what it says."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import httpx

from .cursors import CursorStore
from .session import Refused, Stranger, Unreachable, checked

PATH = "/v1/events/stream"
LONGEST_PAUSE = 30.0
_COMES_AGAIN = frozenset({408, 425, 429, 500})


class Event(TypedDict):
    """A CloudEvent (JSON format) as the platform serves it."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: NotRequired[str]
    sequence: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Told:
    """One server-sent event."""

    name: str
    id: str | None
    data: str


class Parser:
    """Server-sent events of their bytes (WHATWG HTML §9.2.6), as the platform writes them: lines end with a
    line feed. No other character ends one, whatever ``str.splitlines`` believes."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._id: str | None = None
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Told]:
        """The events that a piece completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if told := self._line(line.removesuffix(b"\r").decode()):
                yield told

    def _line(self, line: str) -> Told | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id":
            self._id = value
        if line:
            return None
        told = Told(self._name or "message", self._id, "\n".join(self._data)) if self._data else None
        self._name, self._id, self._data = "", None, []
        return told


class Ended(Exception):
    """The stream ended, as it does with the token; it is to be asked for again."""


class Course:
    """One who follows, from where ``store`` says it was."""

    def __init__(self, store: CursorStore, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._cursor = store.load()
        self._saved = self._cursor
        self._parser = Parser()
        self._answered = False
        self._failures = 0
        self._wait_at_least = 0.0

    def request(self) -> dict[str, Any]:
        """What to send with a GET of :data:`PATH`."""
        self._parser = Parser()
        last = {"Last-Event-ID": self._cursor} if self._cursor else {}
        return {"params": {"limit": self._limit}, "headers": {"Accept": "text/event-stream", **last}}

    def connected(self, response: httpx.Response) -> None:
        """Refused, if the answer is a no that stays one; Unreachable, if it may be another one soon."""
        self._answered = True
        if response.is_success:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise Stranger("what answers is not a feed of Homeward")
            return
        after = response.headers.get("retry-after", "")
        self._wait_at_least = float(after) if after.isdigit() else 0.0
        try:
            checked(response)
        except Refused as refused:
            if refused.status in _COMES_AGAIN:
                raise Unreachable(str(refused)) from None
            raise

    def hear(self, chunk: bytes) -> Iterator[tuple[str | None, Event]]:
        """The events that a piece completes, each with the cursor behind it, to be given to :meth:`handled`.
        Ended, Refused, if the platform says so."""
        for told in self._parser.feed(chunk):
            self._failures = 0
            if told.name == "message":
                event: Event = json.loads(told.data)
                yield told.id, event
            elif told.name == "heartbeat":
                self.handled(told.id)
            elif told.name == "problem":
                problem = json.loads(told.data)
                if problem["status"] == 401:
                    raise Ended
                raise Refused(problem["status"], problem)

    def handled(self, cursor: str | None) -> None:
        """All before this was handled."""
        if cursor is not None and cursor != self._saved:
            self._cursor = self._saved = cursor
            self._store.save(cursor)

    def pause(self, error: Exception) -> float:
        """How many seconds to wait before asking again; raises Unreachable where nobody has ever answered."""
        if isinstance(error, Ended) and self._failures == 0:
            self._failures = 1
            return random.uniform(0, 1)  # noqa: S311 - those who were cut off together shall not come together
        if isinstance(error, Stranger):
            raise error
        if not self._answered:
            raise error if isinstance(error, Unreachable) else Unreachable(type(error).__name__) from error
        self._failures += 1
        longest = min(LONGEST_PAUSE, 0.5 * 2 ** min(self._failures, 10))
        wait, self._wait_at_least = self._wait_at_least, 0.0
        return wait + random.uniform(longest / 4, longest)  # noqa: S311
