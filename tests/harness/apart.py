"""Asynchronous calls from synchronous fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_apart(call: Coroutine[Any, Any, T]) -> T:
    """Runs it in a thread and a loop of its own.

    The caller may be inside a running loop, and `asyncio.run` in the main thread would unset the loop that
    pytest-asyncio has put there.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, call).result()
