from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeward.tlog import tiles
from homeward.tlog.merkle import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_from_leaf_hashes,
    verify_consistency,
    verify_inclusion,
)
from homeward.tlog.tiles import Tile, TileRef

LEAVES = [leaf_hash(number.to_bytes(4)) for number in range(70_000)]
ROOTS: dict[int, bytes] = {}


def root_of(size: int) -> bytes:
    if size not in ROOTS:
        ROOTS[size] = root_from_leaf_hashes(LEAVES[:size])
    return ROOTS[size]


class Log:
    """Tiles in memory, one a (level, index), as a database would keep them."""

    def __init__(self) -> None:
        self.size = 0
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int]] = []

    def read(self, level: int, index: int) -> bytes:
        self.reads.append((level, index))
        return self.tiles[level, index]

    def append(self, count: int) -> list[Tile]:
        written = tiles.append(self.size, LEAVES[self.size : self.size + count], self.read)
        names = [(tile.level, tile.index) for tile in written]
        assert len(set(names)) == len(names)
        for tile in written:
            assert tile.data.startswith(self.tiles.get((tile.level, tile.index), b"")), "tiles only grow"
            self.tiles[tile.level, tile.index] = tile.data
        self.size += count
        return written


@pytest.fixture(scope="module")
def large_log() -> Log:
    log = Log()
    while log.size < len(LEAVES):
        log.append(min(9_999, len(LEAVES) - log.size))
    return log


@given(st.lists(st.integers(0, 700), max_size=10))
@settings(deadline=None, max_examples=50)
def test_the_root_over_tiles_is_the_trees_whatever_the_batches(batches: list[int]) -> None:
    log = Log()
    for batch in batches:
        log.reads.clear()
        edge = tiles.edge(log.size)
        log.append(batch)
        assert set(log.reads) <= set(edge)
        log.reads.clear()
        assert tiles.root(log.size, log.read) == root_of(log.size)
        assert set(log.reads) == set(tiles.edge(log.size))
        for (level, index), data in log.tiles.items():
            assert tiles.width(log.size, level, index) * 32 == len(data)


def test_every_size_up_to_two_tiles_appended_one_by_one() -> None:
    log, tree = Log(), CompactRange()
    for size in range(1, 600):
        log.append(1)
        tree.append(LEAVES[size - 1])
        assert tiles.root(size, log.read) == tree.root()


def test_a_tree_of_70_000_leaves_has_the_tiles_of_the_specification(large_log: Log) -> None:
    widths: dict[int, list[int]] = {}
    for (level, _), data in large_log.tiles.items():
        widths.setdefault(level, []).append(len(data) // 32)
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1]}
    assert tiles.edge(70_000) == [(0, 273), (1, 1), (2, 0)]


@pytest.mark.parametrize(
    ("size", "edge"), [(0, []), (255, [(0, 0)]), (256, [(1, 0)]), (257, [(0, 1), (1, 0)]), (65_536, [(2, 0)])]
)
def test_the_edge_has_partial_tiles_only(size: int, edge: list[tuple[int, int]]) -> None:
    assert tiles.edge(size) == edge


def test_one_batch_across_three_levels_writes_the_same_tiles_as_many(large_log: Log) -> None:
    log = Log()
    log.append(1)
    log.append(len(LEAVES) - 1)
    assert log.tiles == large_log.tiles


def test_earlier_sizes_are_read_from_prefixes_of_later_tiles(large_log: Log) -> None:
    for size in (0, 1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 70_000):
        assert tiles.root(size, large_log.read) == root_of(size)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_proofs_over_tiles_verify_and_read_few(large_log: Log, data: st.DataObject) -> None:
    size = data.draw(st.one_of(st.integers(1, 70_000), st.sampled_from([1, 256, 257, 65_536, 70_000])))
    index = data.draw(st.integers(0, size - 1))
    large_log.reads.clear()
    proof = inclusion_proof(index, size, tiles.node_reader(large_log.read))
    verify_inclusion(LEAVES[index], index, size, proof, tiles.root(size, large_log.read))
    needed = tiles.tiles_needed(lambda node: inclusion_proof(index, size, node))
    assert set(needed) <= set(large_log.reads)
    assert len(needed) <= 5

    earlier = data.draw(st.integers(1, size))
    large_log.reads.clear()
    proof = consistency_proof(earlier, size, tiles.node_reader(large_log.read))
    assert len(large_log.reads) == len(set(large_log.reads)) <= 5
    assert set(large_log.reads) == set(
        tiles.tiles_needed(lambda node: consistency_proof(earlier, size, node))
    )
    verify_consistency(
        earlier, tiles.root(earlier, large_log.read), size, tiles.root(size, large_log.read), proof
    )


def test_a_stored_tile_that_is_too_short_is_an_error() -> None:
    log = Log()
    log.append(300)
    log.tiles[0, 1] = log.tiles[0, 1][:-1]
    with pytest.raises(ValueError, match=r"tile 0/1 has 1407 bytes"):
        log.append(1)
    with pytest.raises(ValueError, match=r"tile 0/1"):
        tiles.root(300, log.read)


def test_what_is_not_a_hash_is_not_appended() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        tiles.append(0, [b"entry"], lambda level, index: b"")


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        (TileRef(0, 0), "tile/0/000"),
        (TileRef(0, 0, 1), "tile/0/000.p/1"),
        (TileRef(1, 999, 255), "tile/1/999.p/255"),
        (TileRef(0, 1000), "tile/0/x001/000"),
        (TileRef(63, 1_234_067), "tile/63/x001/x234/067"),
        (TileRef(None, 1_234_067, 112), "tile/entries/x001/x234/067.p/112"),
        (TileRef(None, tiles.MAX_INDEX), "tile/entries/x072/x057/x594/x037/x927/935"),
    ],
)
def test_paths_are_those_of_the_specification(ref: TileRef, path: str) -> None:
    assert ref.path == path
    assert TileRef.parse(path) == ref


@given(
    st.builds(
        TileRef,
        st.one_of(st.none(), st.integers(0, tiles.MAX_LEVEL)),
        st.one_of(st.integers(0, 10_000), st.integers(0, tiles.MAX_INDEX)),
        st.integers(1, 256),
    )
)
def test_paths_survive_the_round_trip(ref: TileRef) -> None:
    assert TileRef.parse(ref.path) == ref


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/x000/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/٠٠٠",
        "tile/0/../000",
        "tile/0/x072/x057/x594/x037/x927/936",
        "tile/0/" + "x999/" * 40 + "999",
    ],
)
def test_any_other_spelling_of_a_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="tile"):
        TileRef.parse(path)


@pytest.mark.parametrize("arguments", [(-1, 0), (64, 0), (0, -1), (0, 2**56), (0, 0, 0), (0, 0, 257)])
def test_tiles_that_cannot_exist_have_no_path(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="a tile's"):
        TileRef(*arguments)


@given(st.lists(st.binary(max_size=40), max_size=256), st.data())
def test_bundles_survive_the_round_trip_and_their_prefixes_are_bundles(
    entries: list[bytes], data: st.DataObject
) -> None:
    bundle = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(bundle) == entries
    width = data.draw(st.integers(0, len(entries)))
    assert tiles.bundle_prefix(bundle, width) == tiles.encode_bundle(entries[:width])


def test_an_entry_is_its_length_in_two_bytes_and_itself() -> None:
    assert tiles.encode_bundle([b"one", b""]) == b"\x00\x03one\x00\x00"
    longest = b"x" * 65_535
    assert tiles.decode_bundle(tiles.encode_bundle([longest])) == [longest]


def test_bundles_refuse_long_entries_too_many_and_ragged_ends() -> None:
    with pytest.raises(ValueError, match="entry 1 has 65536 bytes"):
        tiles.encode_bundle([b"", b"x" * 65_536])
    with pytest.raises(ValueError, match="at most 256"):
        tiles.encode_bundle([b""] * 257)
    with pytest.raises(ValueError, match="at most 256"):
        tiles.decode_bundle(b"\x00\x00" * 257)
    for ragged in (b"\x00", b"\x00\x03on", b"\x00\x01a\x00"):
        with pytest.raises(ValueError, match="ends inside"):
            tiles.decode_bundle(ragged)
    with pytest.raises(ValueError, match="ends inside"):
        tiles.bundle_prefix(b"\x00\x01a", 2)
