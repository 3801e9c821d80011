from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from homeward.tlog.note import (
    COSIGNATURE_V1,
    Cosigner,
    NoteError,
    Signer,
    VerifierKey,
    open_note,
    sign,
    verified_signatures,
)

TEXT = "log.example/cases\n42\nthe rest\n"
LOG = Signer("log.example/cases", bytes(range(32)))
OTHER = Signer("log.example/cases", bytes(32))
WITNESS = Cosigner("witness.example/one", bytes(range(1, 33)))
NOTE = sign(TEXT, [LOG])


def test_a_note_is_built_as_the_specification_says() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes_raw()
    key_id = sha256(b"log.example/cases\n\x01" + public).digest()[:4]
    signature = b64encode(key_id + private.sign(TEXT.encode()))
    line = b"\xe2\x80\x94 log.example/cases " + signature + b"\n"
    assert sign(TEXT, [LOG]) == TEXT.encode() + b"\n" + line
    encoded = b64encode(b"\x01" + public).decode()
    assert LOG.verifier_key.format() == f"log.example/cases+{key_id.hex()}+{encoded}"


def test_a_cosignature_is_built_as_the_specification_says() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    public = private.public_key().public_bytes_raw()
    key_id = sha256(b"witness.example/one\n\x04" + public).digest()[:4]
    message = b"cosignature/v1\ntime 1679315147\n" + TEXT.encode()
    signature = b64encode(key_id + (1_679_315_147).to_bytes(8, "big") + private.sign(message)).decode()
    assert WITNESS.line(TEXT, 1_679_315_147) == f"— witness.example/one {signature}\n"


def test_opening_names_the_known_signers_in_order() -> None:
    note = NOTE + WITNESS.line(TEXT, 7).encode() + OTHER.line(TEXT).encode()
    keys = [WITNESS.verifier_key, LOG.verifier_key]
    assert open_note(note, keys) == (TEXT, ["log.example/cases", "witness.example/one"])
    _, signatures = verified_signatures(note, keys)
    assert [(one.key, one.time) for one in signatures] == [
        (LOG.verifier_key, None),
        (WITNESS.verifier_key, 7),
    ]


def test_signatures_of_unknown_keys_are_ignored_even_when_wrong() -> None:
    garbage = "— elsewhere.example " + b64encode(bytes(9)).decode() + "\n"
    assert open_note(NOTE + garbage.encode(), [LOG.verifier_key]) == (TEXT, ["log.example/cases"])
    with pytest.raises(NoteError, match="no signature by a key"):
        open_note(NOTE, [OTHER.verifier_key])
    with pytest.raises(NoteError, match="no key at all"):
        open_note(NOTE, [])


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    wrong = NOTE.replace(b"42", b"43")
    with pytest.raises(NoteError, match=r"signature of log\.example/cases does not fit"):
        open_note(wrong, [LOG.verifier_key])
    both = sign(TEXT, [LOG]) + LOG.line("other\n").encode()
    with pytest.raises(NoteError, match="does not fit"):
        open_note(both, [LOG.verifier_key])


def test_a_cosignature_covers_its_time_and_the_text() -> None:
    keys = [WITNESS.verifier_key]
    line = WITNESS.line(TEXT, 1000)
    assert open_note(f"{TEXT}\n{line}".encode(), keys)[1] == ["witness.example/one"]
    raw = bytearray(b64decode(line.split(" ")[2]))
    raw[11] ^= 1
    with pytest.raises(NoteError, match="does not fit"):
        open_note(f"{TEXT}\n— witness.example/one {b64encode(raw).decode()}\n".encode(), keys)
    with pytest.raises(NoteError, match="does not fit"):
        open_note(f"{TEXT}more\n\n{line}".encode(), keys)
    raw[4] |= 0x80
    with pytest.raises(NoteError, match="time is 0 to"):
        open_note(f"{TEXT}\n— witness.example/one {b64encode(raw).decode()}\n".encode(), keys)
    for time in (-1, 2**63):
        with pytest.raises(NoteError, match="time is 0 to"):
            WITNESS.line(TEXT, time)


def test_a_plain_signature_is_no_cosignature_of_the_same_key() -> None:
    plain = Signer("witness.example/one", bytes(range(1, 33)))
    assert plain.verifier_key.key_id != WITNESS.verifier_key.key_id
    with pytest.raises(NoteError, match="no signature by a key"):
        open_note(sign(TEXT, [plain]), [WITNESS.verifier_key])


@pytest.mark.parametrize("size", [0, 1, 8, 63, 65, 100])
@pytest.mark.parametrize("signer", [LOG, WITNESS])
def test_signatures_of_another_length_do_not_verify(size: int, signer: Signer | Cosigner) -> None:
    key = signer.verifier_key
    encoded = b64encode(key.key_id + bytes(size)).decode()
    with pytest.raises(NoteError, match=r"does not fit|too short"):
        open_note(f"{TEXT}\n— {key.name} {encoded}\n".encode(), [key])


@given(st.data())
def test_a_changed_byte_never_opens(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(NOTE) - 1))
    changed = bytearray(NOTE)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NoteError):
        open_note(bytes(changed), [LOG.verifier_key])


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]) | st.just("\n")))
def test_any_text_survives(text: str) -> None:
    assert open_note(sign(text + "\n", [LOG]), [LOG.verifier_key])[0] == text + "\n"


def test_the_last_empty_line_ends_the_text() -> None:
    text = "one\n\n— log.example/cases AAAAAAAA\n\ntwo\n\n"
    assert open_note(sign(text, [LOG]), [LOG.verifier_key])[0] == text


LINE = LOG.line(TEXT)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        TEXT + LINE,
        LOG.line("\n"),
        TEXT + "\n",
        TEXT + "\n" + LINE[:-1],
        TEXT + "\n" + LINE + "\n",
        TEXT + "\r\n" + LINE,
        TEXT + "\n" + LINE.replace("—", "-"),
        TEXT + "\n" + LINE.replace("—", "–"),
        TEXT + "\n" + LINE.replace("— ", "—"),
        TEXT + "\n" + LINE.replace("— ", "—  "),
        TEXT + "\n" + LINE.replace("\n", " \n"),
        TEXT + "\n" + LINE.replace("\n", "\t\n"),
        TEXT + "\n" + LINE.replace("=", ""),
        TEXT + "\n" + LINE.replace("=", "==="),
        TEXT + "\n" + LINE + "— log.example/cases \n",
        TEXT + "\n" + LINE + "— log.example/cases AAAA\n",
        TEXT + "\n" + LINE + "— log.example/cases AAAAAAB=\n",
        TEXT + "\n" + LINE + "—  AAAAAAAA\n",
        TEXT + "\n" + LINE + "— a+b AAAAAAAA\n",
        TEXT + "\n" + LINE + "— a\u2003b AAAAAAAA\n",
        TEXT + "\n" + LINE + "comment\n",
        "\x00" + TEXT + "\n" + LINE,
        "tab\there\n\n" + LINE,
        TEXT + "\n" + LINE * 101,
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(NoteError):
        open_note(note.encode(), [LOG.verifier_key])


def test_a_note_is_utf8() -> None:
    with pytest.raises(NoteError, match="UTF-8"):
        open_note(b"\xff\n\n" + LINE.encode(), [LOG.verifier_key])


def test_many_signatures_are_accepted() -> None:
    others = [Signer(f"witness.example/{number}", bytes([number] * 32)) for number in range(99)]
    assert open_note(sign(TEXT, [*others, LOG]), [LOG.verifier_key])[1] == ["log.example/cases"]


def test_only_text_that_opens_again_is_signed() -> None:
    for text in ("", "no newline", "carriage\r\n", "\x1b[31mred\n"):
        with pytest.raises(NoteError):
            sign(text, [LOG])
    with pytest.raises(NoteError):
        sign(TEXT, [])


def test_verifier_keys_survive_the_round_trip() -> None:
    for key in (LOG.verifier_key, WITNESS.verifier_key):
        assert VerifierKey.parse(key.format()) == key
    assert WITNESS.verifier_key.type == COSIGNATURE_V1


KEY = LOG.verifier_key.format()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.example/cases",
        KEY + "\n",
        KEY[:-4],
        KEY.replace("log.", "log2."),
        KEY.replace("log.", "log .", 1),
        KEY.upper(),
        KEY.replace("+", "+0", 1),
        "+" + KEY.split("+", 1)[1],
        "a+00000000+" + b64encode(b"\x02" + bytes(32)).decode(),
        "a+00000000+" + b64encode(b"\x01" + bytes(31)).decode(),
        "a+00000000+" + b64encode(b"\x01" + bytes(32)).decode(),
    ],
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


class CollidingKey(VerifierKey):
    """A key as nobody could find one by accident."""

    @property
    def key_id(self) -> bytes:
        return b"same"


def test_two_keys_with_one_name_and_id_are_refused() -> None:
    keys = [CollidingKey("log.example", bytes([number] * 32)) for number in (1, 2)]
    with pytest.raises(NoteError, match="share the id"):
        open_note(NOTE, keys)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u00a0b", "a\nb", "a\x7f\x01"])
def test_names_that_a_line_could_not_carry_are_refused(name: str) -> None:
    with pytest.raises(NoteError, match="name"):
        Signer(name, bytes(32))


def test_a_signer_needs_a_seed_of_32_bytes_and_never_shows_it() -> None:
    with pytest.raises(ValueError, match="32"):
        Signer("log.example", b"short")
    assert repr(LOG) == f"Signer({KEY})"
