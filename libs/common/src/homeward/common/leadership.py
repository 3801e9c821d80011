"""One at a time: a PostgreSQL advisory lock, held on a direct connection of its own.

The lock ends with its connection, so a killed holder is followed at the next try. A holder whose
connection was cut may go on for a moment beside its follower: whatever is done under leadership must
stand being done twice.
"""

import asyncio
from types import TracebackType

import asyncpg

from .db import CONNECT_SECONDS

_ENDED = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Leadership:
    """An advisory lock by name, and optionally an ear for NOTIFY on ``channel``."""

    def __init__(self, url: str, name: str, *, channel: str | None = None) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://")
        self._name = name
        self._channel = channel
        self._connection: asyncpg.Connection | None = None
        self._locked = False
        self.heard = asyncio.Event()
        """Set when somebody notified; a hint only, whoever waits must poll as well."""

    @property
    def held(self) -> bool:
        """Whether we lead, as far as is known here."""
        return self._locked and self._connection is not None and not self._connection.is_closed()

    async def acquire(self, timeout: float) -> bool:
        """Try for ``timeout`` seconds; asyncpg's and OS errors pass through."""
        deadline = asyncio.get_running_loop().time() + timeout
        while not self.held:
            self._locked = False
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS)
                if self._channel:
                    await self._connection.add_listener(self._channel, lambda *_: self.heard.set())
            self._locked = await self._connection.fetchval(
                "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", self._name
            )
            if not self._locked:
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return False
                await asyncio.sleep(min(left, 0.5))
        return True

    async def hear(self, timeout: float) -> bool:
        """Wait for a notification, ``timeout`` seconds at most; whether one came."""
        try:
            await asyncio.wait_for(self.heard.wait(), timeout)
        except TimeoutError:
            return False
        return True

    async def __aenter__(self) -> "Leadership":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection, self._locked = self._connection, None, False
        if connection is not None and not connection.is_closed():
            # The server frees the lock when it sees the connection gone; terminate() does not wait
            # for a server that no longer answers.
            try:
                await connection.close(timeout=2)
            except (OSError, TimeoutError, *_ENDED):
                connection.terminate()
