from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.tlog.checkpoint import Checkpoint, open_checkpoint
from homeward.tlog.note import Cosigner, NoteError, Signer, sign

ROOT = bytes(range(32))
ENCODED = b64encode(ROOT).decode()
LOG = Signer("log.example/cases", bytes(32))
WITNESSES = [Cosigner(f"witness.example/{number}", bytes([number] * 32)) for number in range(1, 4)]


def test_a_checkpoint_is_three_lines_and_its_extensions() -> None:
    assert Checkpoint("log.example/cases", 42, ROOT).format() == f"log.example/cases\n42\n{ENCODED}\n"
    extended = Checkpoint("log.example/cases", 0, ROOT, ("one", "and two"))
    assert extended.format() == f"log.example/cases\n0\n{ENCODED}\none\nand two\n"


LINES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1)


@given(st.builds(Checkpoint, LINES, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32)))
def test_checkpoints_survive_the_round_trip(checkpoint: Checkpoint) -> None:
    assert Checkpoint.parse(checkpoint.format()) == checkpoint


@given(st.lists(LINES, max_size=5))
def test_extension_lines_are_kept(lines: list[str]) -> None:
    text = f"o\n1\n{ENCODED}\n" + "".join(f"{line}\n" for line in lines)
    assert Checkpoint.parse(text).extensions == tuple(lines)
    assert Checkpoint.parse(text).format() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "o\n1\n",
        f"o\n1\n{ENCODED}",
        f"\n1\n{ENCODED}\n",
        f"o\n\n{ENCODED}\n",
        f"o\n01\n{ENCODED}\n",
        f"o\n00\n{ENCODED}\n",
        f"o\n+1\n{ENCODED}\n",
        f"o\n-1\n{ENCODED}\n",
        f"o\n1_0\n{ENCODED}\n",
        f"o\n 1\n{ENCODED}\n",
        f"o\n1.0\n{ENCODED}\n",
        f"o\n٣\n{ENCODED}\n",
        f"o\n²\n{ENCODED}\n",
        f"o\n{2**63}\n{ENCODED}\n",
        f"o\n{'9' * 5000}\n{ENCODED}\n",
        f"o\n1\n{ENCODED}=\n",
        f"o\n1\n{ENCODED[:-1]}\n",
        f"o\n1\n{ENCODED[:-2]}9=\n",
        f"o\n1\n {ENCODED}\n",
        f"o\n1\n{b64encode(ROOT[:31]).decode()}\n",
        f"o\n1\n{b64encode(ROOT + b'x').decode()}\n",
        f"o\n1\n{ENCODED}\n\n",
        f"o\n1\n{ENCODED}\n\nextension\n",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "arguments", [("", 1, ROOT), ("a\nb", 1, ROOT), ("a", -1, ROOT), ("a", 1, b""), ("a", 1, ROOT, ("",))]
)
def test_checkpoints_that_could_not_be_read_again_are_not_made(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NoteError):
        Checkpoint(*arguments)


def test_opening_returns_the_cosignatures_of_known_witnesses_once_each() -> None:
    checkpoint = Checkpoint("log.example/cases", 42, ROOT)
    text = checkpoint.format()
    note = (
        sign(text, [LOG])
        + "".join(
            [WITNESSES[0].line(text, 10), WITNESSES[1].line(text, 20), WITNESSES[0].line(text, 11)]
        ).encode()
    )
    keys = [witness.verifier_key for witness in WITNESSES]
    opened, cosignatures = open_checkpoint(note, LOG.verifier_key, keys)
    assert opened == checkpoint
    assert [(one.key.name, one.time) for one in cosignatures] == [
        ("witness.example/1", 11),
        ("witness.example/2", 20),
    ]
    assert open_checkpoint(note, LOG.verifier_key) == (checkpoint, [])


def test_witnesses_cannot_stand_in_for_the_log() -> None:
    text = Checkpoint("log.example/cases", 42, ROOT).format()
    note = f"{text}\n{WITNESSES[0].line(text, 10)}".encode()
    with pytest.raises(NoteError, match=r"not signed by the log log\.example/cases"):
        open_checkpoint(note, LOG.verifier_key, [WITNESSES[0].verifier_key])


def test_a_log_key_does_not_vouch_for_another_origin() -> None:
    note = sign(Checkpoint("log.example/others", 42, ROOT).format(), [LOG])
    with pytest.raises(NoteError, match=r"of the log log\.example/others, not of log\.example/cases"):
        open_checkpoint(note, LOG.verifier_key)
