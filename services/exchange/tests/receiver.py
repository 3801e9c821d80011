"""Somebody whom webhooks are sent to: on a real socket, and as rude as a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"
Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """What came, and what is answered (in turn, the last one from then on)."""

    url: str = ""
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=lambda: [OK])

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
            }
            self.came.append((headers, await reader.readexactly(int(headers["content-length"]))))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        writer.close()


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer."""
    lines = (f"HTTP/1.1 {code} X", f"content-length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


async def hang(_: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.sleep(3_600)


async def drip(writer: asyncio.StreamWriter) -> None:
    """Answer so slowly that it never ends, though something comes all the time."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """One that listens until the end of the context."""
    here = Receiver()
    writers: list[asyncio.StreamWriter] = []
    answering: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.append(task)
        writers.append(writer)
        await here.answer(reader, writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?of=ngo"
    try:
        yield here
    finally:
        server.close()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # they are closed by the loop, when it gets to it
