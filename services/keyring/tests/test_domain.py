"""Data keys: wrapped for one subject, opened by one key, handed out in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.common.contracts import FieldClass
from homeward.common.db import is_transient
from homeward.keyring.domain import AUDIT, ENTITLEMENTS, Kek, KekUnusable, class_keys, held_of, new_data_key

DATA_KEY = bytes(range(32))
KEK = Kek(b"k" * 32)


@given(st.text(min_size=1), st.binary(min_size=32, max_size=32))
def test_what_was_wrapped_unwraps_for_the_same_subject(subject: str, data_key: bytes) -> None:
    assert KEK.unwrap(subject, KEK.wrap(subject, data_key)) == data_key


def test_a_wrapped_key_does_not_show_the_key_and_is_never_the_same_twice() -> None:
    wrapped = {KEK.wrap("subject", DATA_KEY) for _ in range(5)}
    assert len(wrapped) == 5
    assert not any(DATA_KEY in one for one in wrapped)


def test_a_wrapped_key_moved_to_another_subject_does_not_open() -> None:
    with pytest.raises(KekUnusable):
        KEK.unwrap("another", KEK.wrap("subject", DATA_KEY))


def test_another_key_encryption_key_opens_nothing() -> None:
    with pytest.raises(KekUnusable):
        Kek(b"x" * 32).unwrap("subject", KEK.wrap("subject", DATA_KEY))


@pytest.mark.parametrize("broken", [b"", b"short", b"\0" * 60])
def test_a_broken_wrapping_is_no_crash(broken: bytes) -> None:
    with pytest.raises(KekUnusable):
        KEK.unwrap("subject", broken)


def test_the_wrong_key_is_waited_for_like_an_absent_keyring_and_sets_no_record_aside() -> None:
    assert is_transient(KekUnusable("wrapped by another key"))


def test_the_id_names_a_key_without_telling_of_it() -> None:
    assert Kek(b"k" * 32).id == KEK.id != Kek(b"x" * 32).id
    assert (b"k" * 8).hex() not in KEK.id


def test_every_class_has_a_key_of_its_own_and_none_is_the_data_key() -> None:
    keys = class_keys(DATA_KEY, [*FieldClass])
    assert len({DATA_KEY, *keys.values()}) == len(FieldClass) + 1
    assert class_keys(DATA_KEY, ["health"]) == {"health": keys["health"]}


def test_data_keys_are_256_bits_and_fresh() -> None:
    keys = {new_data_key() for _ in range(5)}
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}


class TestEntitlements:
    """The walls of the architecture, in the table that makes them."""

    @pytest.mark.parametrize("service", ["verification", "referral", "audit"])
    @pytest.mark.parametrize("hidden", ["narrative", "reporter_identity", "reporter_contact", "evidence"])
    def test_who_said_what_stays_between_intake_and_exchange(self, service: str, hidden: str) -> None:
        assert hidden not in ENTITLEMENTS[service]

    def test_audit_reads_no_person(self) -> None:
        sealed = {"person_identity", "person_description", "location_precise", "health", "assessment"}
        assert not sealed & ENTITLEMENTS["audit"]

    def test_only_audit_holds_the_class_of_its_own_copies(self) -> None:
        assert [name for name, classes in ENTITLEMENTS.items() if AUDIT in classes] == ["audit"]

    def test_look_up_keys_are_for_the_service_that_makes_the_hashes(self) -> None:
        classes = frozenset({"lookup", "audit", "envelope"})
        assert held_of("service:intake", "intake", classes) == classes
        assert held_of("service:intake", "verification", classes) == {"envelope"}
        assert held_of("0194f0c0-report", "intake", classes) == {"envelope", "audit", "lookup"}
