"""Receipts: read over the phone, typed by hand, and proof before others."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt

from homeward.common import jose
from homeward.intake.receipts import fingerprint, normalised, receipt_code, receipt_hash, signed_receipt

SECRET = bytes(range(32))
REPORT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
CODE = receipt_code(SECRET, REPORT)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
codes = st.uuids().map(lambda report_id: receipt_code(SECRET, report_id))


@given(st.uuids())
def test_a_code_is_three_groups_of_seven_and_the_same_each_time(report_id: UUID) -> None:
    code = receipt_code(SECRET, report_id)
    assert [len(group) for group in code.split("-")] == [7, 7, 7]
    assert set(code) <= {*ALPHABET, "-"}
    assert receipt_code(SECRET, report_id) == code
    assert receipt_code(bytes(32), report_id) != code


@given(codes)
def test_a_code_is_recognised_however_it_was_typed(code: str) -> None:
    plain = code.replace("-", "")
    assert normalised(code) == plain
    for typed in (
        code.lower(),
        plain,
        f"  {code} ",
        code.replace("-", " "),
        code.replace("-", "–"),
        code.replace("1", "l").replace("0", "o"),
        code.replace("1", "I").replace("0", "O"),
        "".join(chr(ord(c) + 0xFEE0) for c in code),  # full width, as Chinese keyboards type
    ):
        assert normalised(typed) == plain


@given(codes, st.integers(0, 20), st.sampled_from(ALPHABET))
def test_any_one_wrong_character_is_noticed(code: str, at: int, character: str) -> None:
    plain = code.replace("-", "")
    wrong = plain[:at] + character + plain[at + 1 :]
    assert (normalised(wrong) == plain) == (wrong == plain)
    assert normalised(wrong) is None or wrong == plain


def test_nearly_every_swap_of_neighbours_is_noticed() -> None:
    plain = CODE.replace("-", "")
    swaps = [plain[:i] + plain[i + 1] + plain[i] + plain[i + 2 :] for i in range(20)]
    unnoticed = [swap for swap in swaps if swap != plain and normalised(swap)]
    assert len(unnoticed) <= 1


@pytest.mark.parametrize("typed", ["", "-", CODE[:-1], CODE + "0", "U" * 21, "ß" * 21, "\0" * 21, "١" * 21])
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    assert normalised(typed) is None


@given(st.text(max_size=40))
def test_any_text_is_a_code_or_none(typed: str) -> None:
    assert normalised(typed) is None or len(str(normalised(typed))) == 21


def test_what_is_stored_tells_neither_the_code_nor_what_was_said() -> None:
    stored = receipt_hash(SECRET, CODE)
    assert len(stored) == len(fingerprint(SECRET, b"said")) == 32
    assert stored != receipt_hash(bytes(32), CODE)
    assert fingerprint(SECRET, b"said") != fingerprint(bytes(32), b"said")
    assert fingerprint(SECRET, CODE.encode()) != stored


def test_a_signed_receipt_names_report_event_and_time_and_nothing_else() -> None:
    key = jose.new_key()
    received = datetime(2025, 1, 7, 9, 30, 0, 999_999, tzinfo=UTC)
    signed = signed_receipt(key, "https://homeward.example", REPORT, REPORT, received)
    assert jwt.decode(signed, key, algorithms=["Ed25519"]).claims == {
        "iss": "https://homeward.example",
        "sub": str(REPORT),
        "event_id": str(REPORT),
        "iat": int(received.timestamp()),
    }
