"""Tiles, entry bundles and their paths, as in C2SP tlog-tiles.

A tile of level L holds up to 256 hashes of 32 bytes; its hash number i is the root of the full subtree of
256**L leaves at index * 256 + i. Tiles only grow: a tile of width W is a prefix of the same tile later, so
one stored row a tile serves every partial one.

Nothing here does I/O. Whoever reads tiles from a database first asks `edge` (for `append` and `root`) or
`tiles_needed` (for a proof) which ones, and then passes a function over those.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from homeward.tlog.merkle import HASH_SIZE, Node, full_subtree_root, root_from_nodes

WIDTH = 256
HEIGHT = 8
MAX_LEVEL = 63
MAX_INDEX = 2**56 - 1  # no tree of fewer than 2**64 leaves has more tiles
MAX_ENTRY = 2**16 - 1

ReadTile = Callable[[int, int], bytes]
"""`read_tile(level, index)` returns a tile's bytes as stored now; more hashes than needed are ignored."""

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile as it is to be stored: `data` is 1 to 256 concatenated 32-byte hashes."""

    level: int
    index: int
    data: bytes

    @property
    def width(self) -> int:
        """Hashes in it, 1 to 256."""
        return len(self.data) // HASH_SIZE


@dataclass(frozen=True, slots=True)
class TileRef:
    """What a path names: a tile, or an entry bundle if `level` is None. A `width` of 256 means full."""

    level: int | None
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= MAX_LEVEL:
            raise ValueError(f"a tile's level is 0 to {MAX_LEVEL}, not {self.level}")
        if not 0 <= self.index <= MAX_INDEX:
            raise ValueError(f"a tile's index is 0 to {MAX_INDEX}, not {self.index}")
        if not 1 <= self.width <= WIDTH:
            raise ValueError(f"a tile's width is 1 to {WIDTH}, not {self.width}")

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`, without a leading slash."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{number}{partial}"

    @classmethod
    def parse(cls, path: str) -> "TileRef":
        """The inverse of `path`. Raises ValueError for anything but the one canonical spelling."""
        if match := _PATH.fullmatch(path):
            level, number, width = match.groups()
            index = int(number.replace("x", "").replace("/", ""))
            ref = cls(None if level == "entries" else int(level), index, int(width) if width else WIDTH)
            if ref.path == path:
                return ref
        raise ValueError("not the path of a tile or an entry bundle")


def width(size: int, level: int, index: int) -> int:
    """Hashes that a tile has in a tree of `size` leaves, 0 to 256. Of bundles: the entries, with level 0."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def edge(size: int) -> list[tuple[int, int]]:
    """The partial tiles (level, index) of a tree of `size` leaves: all that `append` and `root` read."""
    counts = enumerate(size >> shift for shift in range(0, size.bit_length(), HEIGHT))
    return [(level, count // WIDTH) for level, count in counts if count % WIDTH]


def append(size: int, leaf_hashes: Sequence[bytes], read_tile: ReadTile) -> list[Tile]:
    """Tiles that a log of `size` leaves writes, at all levels, when these leaf hashes follow.

    Each tile comes once and whole, with the hashes that it had before. Reads the tiles of `edge(size)`.
    Raises ValueError for a hash that is not 32 bytes, or a stored tile shorter than `size` says.
    """
    if any(len(leaf) != HASH_SIZE for leaf in leaf_hashes):
        raise ValueError(f"a leaf hash has {HASH_SIZE} bytes")
    written = []
    level, count, added = 0, size, b"".join(leaf_hashes)
    while added:
        index, filled = divmod(count, WIDTH)
        kept = _cut(read_tile(level, index), level, index, 0, filled) if filled else b""
        data = kept + added
        roots = []
        for at in range(0, len(data), WIDTH * HASH_SIZE):
            tile = Tile(level, index, data[at : at + WIDTH * HASH_SIZE])
            written.append(tile)
            index += 1
            if tile.width == WIDTH:  # only a full tile has a hash at the level above
                roots.append(full_subtree_root(tile.data))
        level, count, added = level + 1, count // WIDTH, b"".join(roots)
    return written


def root(size: int, read_tile: ReadTile) -> bytes:
    """Root of the tree of `size` leaves, from the tiles of `edge(size)`; ValueError if one is too short."""
    return root_from_nodes(size, node_reader(read_tile))


def node_reader(read_tile: ReadTile) -> Node:
    """A `node(level, index)` over tiles, for roots and proofs; it reads each tile once, if at all.

    The node raises ValueError when a tile is too short to hold what it is asked for.
    """
    seen: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        tile_level, tile_index, first, count = _place(level, index)
        tile = (tile_level, tile_index)
        if tile not in seen:
            seen[tile] = read_tile(*tile)
        return full_subtree_root(_cut(seen[tile], *tile, first, count))

    return node


def tiles_needed(prove: Callable[[Node], object]) -> list[tuple[int, int]]:
    """Tiles (level, index) that a proof reads, without reading any.

    For example `tiles_needed(lambda node: inclusion_proof(index, size, node))`. Which nodes a proof takes
    depends on indices and sizes alone, so it is enough to let it run over blank ones.
    """
    needed: dict[tuple[int, int], None] = {}

    def node(level: int, index: int) -> bytes:
        needed[_place(level, index)[:2]] = None
        return bytes(HASH_SIZE)

    prove(node)
    return list(needed)


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entry bundle of up to 256 entries: each one's length as uint16, big-endian, then its bytes.

    Raises ValueError for an entry of more than 65,535 bytes, or more than 256 entries.
    """
    parts = []
    for number, entry in enumerate(entries):
        if number == WIDTH:
            raise ValueError(f"an entry bundle has at most {WIDTH} entries")
        if len(entry) > MAX_ENTRY:
            raise ValueError(f"entry {number} has {len(entry)} bytes, more than {MAX_ENTRY}")
        parts += [len(entry).to_bytes(2), entry]
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ValueError if it is cut short or has more than 256."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = _entry_end(data, at)
        if len(entries) == WIDTH:
            raise ValueError(f"an entry bundle has at most {WIDTH} entries")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def bundle_prefix(data: bytes, entries: int) -> bytes:
    """The partial bundle with a bundle's first `entries` entries. Raises ValueError if it has fewer."""
    end = 0
    for _ in range(entries):
        end = _entry_end(data, end)
    return data[:end]


def _entry_end(data: bytes, at: int) -> int:
    end = at + 2 + int.from_bytes(data[at : at + 2])
    if end > len(data):  # also when the length itself is cut short
        raise ValueError(f"the entry bundle ends inside the entry that starts at byte {at}")
    return end


def _place(level: int, index: int) -> tuple[int, int, int, int]:
    """Where a full subtree is found: tile level, tile index, its first hash there and how many."""
    tile_level, height = divmod(level, HEIGHT)
    tile_index, first = divmod(index << height, WIDTH)
    return tile_level, tile_index, first, 1 << height


def _cut(data: bytes, level: int, index: int, first: int, count: int) -> bytes:
    part = data[first * HASH_SIZE : (first + count) * HASH_SIZE]
    if len(part) < count * HASH_SIZE:
        raise ValueError(f"tile {level}/{index} has {len(data)} bytes, fewer than {first + count} hashes")
    return part
