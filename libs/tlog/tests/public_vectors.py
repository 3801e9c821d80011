"""Agreement with other implementations, on the vectors that they publish.

The vectors are not part of this repository. Check out transparency-dev/merkle, transparency-dev/tessera and
C2SP/C2SP side by side, in folders named merkle, tessera and C2SP, and name their parent in TLOG_VECTORS::

    TLOG_VECTORS=… .venv/bin/pytest libs/tlog/tests/public_vectors.py

Named so that a run of all tests, which must not depend on other repositories, does not collect it.
"""

import json
import os
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from homeward.tlog import tiles
from homeward.tlog.checkpoint import Checkpoint, open_checkpoint
from homeward.tlog.merkle import (
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from homeward.tlog.note import Cosigner, Signer, VerifierKey, open_note, sign
from homeward.tlog.verify import verify_log

FOLDER = os.environ.get("TLOG_VECTORS", "")
VECTORS = Path(FOLDER)

pytestmark = pytest.mark.skipif(not FOLDER, reason="TLOG_VECTORS does not name a folder of public vectors")


def cases(kind: str) -> list[Any]:
    """The proofs in one folder of merkle's testdata, each under its path."""
    if not FOLDER:
        return []
    folder = VECTORS / "merkle/testdata" / kind
    files = sorted(folder.rglob("*.json"))
    assert files, f"{folder} has no vectors"
    return [pytest.param(json.loads(file.read_bytes()), id=str(file.relative_to(folder))) for file in files]


def expected(case: dict[str, Any]) -> AbstractContextManager[object]:
    return pytest.raises(ProofError) if case["wantErr"] else nullcontext()


def proof_of(case: dict[str, Any]) -> list[bytes]:
    return [b64decode(sibling) for sibling in case["proof"] or []]


@pytest.mark.parametrize("case", cases("inclusion"))
def test_inclusion(case: dict[str, Any]) -> None:
    leaf, root = b64decode(case["leafHash"]), b64decode(case["root"])
    with expected(case):
        verify_inclusion(leaf, case["leafIdx"], case["treeSize"], proof_of(case), root)


@pytest.mark.parametrize("case", cases("consistency"))
def test_consistency(case: dict[str, Any]) -> None:
    root1, root2 = b64decode(case["root1"]), b64decode(case["root2"])
    with expected(case):
        verify_consistency(case["size1"], root1, case["size2"], root2, proof_of(case))


class TestTesseraLog:
    """A log of 15 entries that Tessera wrote, with every checkpoint and partial tile on the way."""

    @pytest.fixture
    def log(self) -> Path:
        return VECTORS / "tessera/testdata/log"

    @pytest.fixture
    def key(self) -> VerifierKey:
        script = (VECTORS / "tessera/testdata/build_log.sh").read_text()
        match = re.search(r'LOG_PUBLIC_KEY="(.*)"', script)
        assert match
        return VerifierKey.parse(match[1])

    def test_every_checkpoint_tile_and_bundle_is_what_we_would_write(
        self, log: Path, key: VerifierKey
    ) -> None:
        entries = tiles.decode_bundle((log / tiles.TileRef(None, 0, 15).path).read_bytes())
        assert len(entries) == 15
        tile = b""
        for size in range(16):
            note = (log / f"checkpoint.{size}").read_bytes()
            assert verify_log(note, key, entries[:size]).size == size
            checkpoint, _ = open_checkpoint(note, key)
            assert tiles.root(size, lambda level, index: tile) == checkpoint.root  # noqa: B023
            assert open_note(note, [key])[0] == checkpoint.format()
            if size < 15:
                stored = tile
                [written] = tiles.append(size, [leaf_hash(entries[size])], lambda level, index: stored)  # noqa: B023
                tile = written.data
                assert (log / tiles.TileRef(0, 0, size + 1).path).read_bytes() == tile
                bundle = (log / tiles.TileRef(None, 0, size + 1).path).read_bytes()
                assert bundle == tiles.encode_bundle(entries[: size + 1])

    def test_the_signature_is_the_one_we_would_make(self, log: Path, key: VerifierKey) -> None:
        script = (VECTORS / "tessera/testdata/build_log.sh").read_text()
        match = re.search(r'LOG_PRIVATE_KEY="PRIVATE\+KEY\+.*\+[0-9a-f]{8}\+(.*)"', script)
        assert match
        signer = Signer(key.name, b64decode(match[1])[1:])
        assert signer.verifier_key == key
        note = (log / "checkpoint").read_bytes()
        assert sign(open_note(note, [key])[0], [signer]) == note

    def test_proofs_between_all_checkpoints_verify(self, log: Path, key: VerifierKey) -> None:
        data = (log / tiles.TileRef(0, 0, 15).path).read_bytes()
        node = tiles.node_reader(lambda level, index: data)
        roots = [
            open_checkpoint((log / f"checkpoint.{size}").read_bytes(), key)[0].root for size in range(16)
        ]
        for size in range(1, 16):
            for index in range(size):
                leaf = data[32 * index :][:32]
                verify_inclusion(leaf, index, size, inclusion_proof(index, size, node), roots[size])
                proof = consistency_proof(index + 1, size, node)
                verify_consistency(index + 1, roots[index + 1], size, roots[size], proof)


def blocks(document: str) -> Iterator[str]:
    """Fenced blocks of a C2SP document."""
    yield from re.findall(r"^```\n(.*?)^```$", (VECTORS / "C2SP" / document).read_text(), re.M | re.S)


class TestC2spExamples:
    def test_signed_note(self) -> None:
        text = (VECTORS / "C2SP/signed-note.md").read_text()
        match = re.search(r"^ +(example\.com/foo\+\S+)$", text, re.M)
        assert match
        key = VerifierKey.parse(match[1])
        note = next(block for block in blocks("signed-note.md") if "— example.com/foo" in block)
        assert open_note(note.encode(), [key]) == ("This is an example message.\n", ["example.com/foo"])

    def test_checkpoint(self) -> None:
        for document in ("tlog-checkpoint.md", "tlog-cosignature.md"):
            text, blank, _ = next(blocks(document)).partition("\n\n")
            checkpoint = Checkpoint.parse(text + "\n")
            assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
            assert checkpoint.format() == text + blank[:1]

    def test_cosigned_message(self) -> None:
        document = (VECTORS / "C2SP/tlog-cosignature.md").read_text()
        match = re.search(
            r"((?:^    .*\n){2})((?:^    .*\n){3})", document[document.index("    cosignature/v1") :], re.M
        )
        assert match
        header, text = (re.sub(r"^    ", "", part, flags=re.M) for part in match.groups())
        cosigner = Cosigner("witness.example.com/w1", bytes(32))
        signature = b64decode(cosigner.line(text, 1679315147).split(" ")[2])
        key = Ed25519PublicKey.from_public_bytes(cosigner.verifier_key.public_key)
        key.verify(signature[12:], (header + text).encode())
        assert signature[4:12] == (1679315147).to_bytes(8)
