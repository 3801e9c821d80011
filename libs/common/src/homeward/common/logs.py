"""Logs as JSON lines, without anybody's data.

An exception is logged by its type and the places it passed, not by its message: messages of
libraries quote what they choked on.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from opentelemetry import trace

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "color_message",
    "taskName",
}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, service, logger, message, trace id, extras."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
        line.update({k: str(v) for k, v in record.__dict__.items() if k not in _STANDARD})
        if record.exc_info and record.exc_info[1]:
            line["error"] = where(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    # asyncio's own lines go on with the failed task as it would print itself, its exception included.
    message = record.getMessage()
    return message.partition("\n")[0] if record.name == "asyncio" else message


def where(error: BaseException) -> str:
    """An exception's type and the last places it passed, never its message."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " > ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}" for f in frames)
    return f"{type(error).__name__} at {places}" if places else type(error).__name__


def configure(service: str, level: str = "INFO") -> None:
    """Log to standard error, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Access lines quote URLs (receipt codes are in them); requests are measured by route instead.
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("aiokafka", "httpx", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
