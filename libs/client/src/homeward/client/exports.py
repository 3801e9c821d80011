"""What you may see as a file that other systems read: fetched piece by piece, written as one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from .session import Session, Stranger

Format = Literal["htcds", "pfif"]


def export(platform: Session, made: Format, out: Path) -> int:
    """Write the file ``out``; how many pieces it was made of. Refused, Unreachable: nothing is left of a file
    that was begun."""
    pieces = 0
    partial = out.with_name(f"{out.name}.part")
    try:
        with partial.open("wb") as file:
            end = b""
            for piece in _pieces(platform, made):
                begin, body, end = _CUTS[made](piece)
                file.write(body if pieces else begin + body)
                pieces += 1
            file.write(end)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return pieces


def _pieces(platform: Session, made: Format) -> Iterator[bytes]:
    path = f"/v1/exports/{made}"
    while path:
        response = platform.request("GET", path)
        yield response.content
        path = response.links.get("next", {}).get("url", "")


def _csv(piece: bytes) -> tuple[bytes, bytes, bytes]:
    header, line_end, rows = piece.partition(b"\r\n")
    return header + line_end, rows, b""


def _xml(piece: bytes) -> tuple[bytes, bytes, bytes]:
    lines = piece.splitlines(keepends=True)
    if len(lines) < 2:
        raise Stranger("the platform answers, but not as Homeward does")
    return lines[0], b"".join(lines[1:-1]), lines[-1]


_CUTS = {"htcds": _csv, "pfif": _xml}
"""What stands before the people, the people, and what stands after them."""
