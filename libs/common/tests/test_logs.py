"""A log line says what went wrong and where, and nothing anybody said."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from homeward.common import logs
from homeward.common.db import create_engine
from homeward.common.logs import JsonLines, where

SECRET = "Zoë Lin, +86 10 8888"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines, from here on."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines("tiny"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def parsed(lines: io.StringIO) -> list[dict[str, Any]]:
    assert "Zo" not in lines.getvalue()
    assert "8888" not in lines.getvalue()
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_one_json_object(lines: io.StringIO) -> None:
    logging.getLogger("homeward.tiny").info(
        "moved\nto %s", "the other side", extra={"topic": "x", "offset": 3}
    )
    [line] = parsed(lines)
    assert (line["level"], line["service"], line["logger"]) == ("info", "tiny", "homeward.tiny")
    assert line["message"] == "moved\nto the other side"
    assert (line["topic"], line["offset"]) == ("x", "3")
    assert line["time"].endswith("+00:00")


class Person(BaseModel):
    age: int


def fail_plainly() -> None:
    raise ValueError(f"cannot take {SECRET}")


def fail_with_a_cause() -> None:
    try:
        fail_plainly()
    except ValueError as error:
        raise KeyError(SECRET) from error


def fail_in_a_group() -> None:
    raise ExceptionGroup(SECRET, [ValueError(SECRET)])


def fail_with_a_note() -> None:
    error = ValueError("x")
    error.add_note(SECRET)
    raise error


def fail_by_a_model() -> None:
    Person.model_validate({"age": SECRET})


@pytest.mark.parametrize(
    "fail", [fail_plainly, fail_with_a_cause, fail_in_a_group, fail_with_a_note, fail_by_a_model]
)
def test_an_exception_is_told_by_its_type_and_place(lines: io.StringIO, fail: Any) -> None:
    try:
        fail()
    except Exception:
        logging.getLogger("homeward.tiny").exception("it failed", stack_info=True)
    [line] = parsed(lines)
    assert line["message"] == "it failed"
    assert "test_logs.py:" in line["error"]
    assert fail.__name__ in line["error"]


async def test_an_error_of_the_database_is_told_without_its_parameters(
    lines: io.StringIO, database: str
) -> None:
    engine = create_engine(database)
    try:
        async with engine.connect() as db:
            await db.execute(sa.text("SELECT CAST(:name AS text)::int"), {"name": SECRET})
    except sa.exc.DBAPIError as error:
        logging.getLogger("homeward.tiny").exception("it failed: %s", where(error))
    await engine.dispose()
    [line] = parsed(lines)
    assert line["error"].startswith("DBAPIError at ")


async def test_a_task_whose_failure_nobody_saw_is_told_without_its_message(lines: io.StringIO) -> None:
    task = asyncio.ensure_future(asyncio.to_thread(fail_plainly))
    await asyncio.wait([task])
    del task
    gc.collect()
    [line] = parsed(lines)
    assert line["logger"] == "asyncio"
    assert line["message"] == "Task exception was never retrieved"
    assert line["error"].startswith("ValueError at ")


def test_an_exception_that_went_nowhere_has_no_place() -> None:
    assert where(ValueError(SECRET)) == "ValueError"


def test_configured_logs_go_to_standard_error_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        logs.configure("tiny", "warning")
        logging.getLogger("homeward").warning("told")
        logging.getLogger("homeward").info("not told")
        logging.getLogger("uvicorn.access").error("GET /v1/receipts/R-1")
    finally:
        root.handlers[:], root.level = before, level
        logging.getLogger("uvicorn.access").disabled = False
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in told] == ["told"]
