"""What is sealed opens with its own key alone, can be proven class by class, and tells nothing else."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeward.common.contracts import (
    CONTRACTS,
    OPEN_CLASSES,
    SEALED_CLASSES,
    Event,
    FieldClass,
    PersonRegistered,
    ReportReceived,
)
from homeward.common.ids import new_id
from homeward.common.keys import Erased, KeySet, expand
from homeward.common.sealing import (
    Draft,
    SealBroken,
    Sealed,
    canonical,
    commitment,
    commitments_of,
    is_commitments,
    seal,
)

from .noting import report
from .sealing_values import ANY_EVENT, INTEGERS, events_of, fresh_keys

NAME, CONTACT = FieldClass.PERSON_IDENTITY, FieldClass.REPORTER_CONTACT
few = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def sealed_with(event: Event, keys: KeySet | None = None) -> tuple[Draft, KeySet, Sealed]:
    draft = Draft(new_id(), event, event.SERVICE or "intake")
    keys = keys or {subject: fresh_keys() for subject in draft.subjects}
    return draft, keys, Sealed(draft.event_id, seal(draft, keys))


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_event_opens_as_it_was_sealed(name: str) -> None:
    @few
    @given(events_of(CONTRACTS[name]))
    def roundtrip(event: Event) -> None:
        draft, keys, sealed = sealed_with(event)
        opened = sealed.open(keys)
        assert type(event).model_validate(opened.fields) == event
        assert opened.erased == frozenset()
        contents, _ = sealed.contents(keys)
        assert {c: x if isinstance(x, bytes) else canonical(x) for c, x in contents.items()} == {
            c: canonical(fields) for c, fields in draft.grouped.items()
        }, "a class comes as it was sealed, byte for byte"
        assert sealed.classes == draft.grouped.keys()
        assert sealed.subjects == {draft.subject_of[c] for c in draft.grouped if c in SEALED_CLASSES}

    roundtrip()


@few
@given(ANY_EVENT)
def test_nothing_of_a_sealed_class_is_readable(event: Event) -> None:
    draft, _, sealed = sealed_with(event)
    assert sealed.parsed["open"].keys() == draft.grouped.keys() & OPEN_CLASSES
    assert sealed.parsed["sealed"].keys() == draft.grouped.keys() & SEALED_CLASSES
    assert sealed.open({}).fields.keys() == {n for c in OPEN_CLASSES for n in draft.grouped.get(c, {})}


def test_only_the_classes_whose_keys_one_has_open() -> None:
    event = report(reporter_contact="+86 10", narrative="said")
    _, keys, sealed = sealed_with(event)
    some: dict[str, dict[str, bytes]] = {subject: {NAME: keys[subject][NAME]} for subject in keys}  # type: ignore[index]
    assert "full_name" in (fields := sealed.open(some).fields)
    assert not {"reporter_contact", "narrative"} & fields.keys()
    assert sealed.open(keys, only=frozenset({NAME})).fields == {"full_name": event.full_name}


# What was moved, cut or forged


def moved(sealed: Sealed, change: Any, *, event_id: UUID | None = None) -> Sealed:
    value = json.loads(sealed.value)
    change(value["sealed"])
    return Sealed(event_id or sealed.event_id, canonical(value))


def test_a_ciphertext_does_not_open_in_another_event() -> None:
    _, keys, sealed = sealed_with(report())
    with pytest.raises(SealBroken):
        Sealed(new_id(), sealed.value).open(keys)


def test_a_ciphertext_does_not_open_as_another_class() -> None:
    event = report()
    draft = Draft(new_id(), event, "intake")
    one_key: KeySet = {subject: dict.fromkeys(FieldClass, b"k" * 32) for subject in draft.subjects}
    _, keys, sealed = sealed_with(event, one_key)

    def rename(parts: dict[str, Any]) -> None:
        parts[FieldClass.NARRATIVE.value] = parts.pop(NAME)

    with pytest.raises(SealBroken):
        moved(sealed, rename).open(keys)


def test_a_ciphertext_does_not_open_as_another_subjects() -> None:
    _, keys, sealed = sealed_with(report())
    [subject] = sealed.subjects
    other = {**keys, "other": keys[subject]}
    with pytest.raises(SealBroken):
        moved(sealed, lambda parts: parts[NAME].update(kid="other")).open(other)


@pytest.mark.parametrize(
    "ct", ["", "AAAA", "!", b64encode(bytes(40)).decode(), b64encode(bytes(12)).decode()]
)
def test_a_ciphertext_that_is_none_is_broken_and_the_error_tells_nothing(ct: str) -> None:
    _, keys, sealed = sealed_with(report())
    with pytest.raises(SealBroken, match=r"^class person_identity of event [0-9a-f-]{36} does not open$"):
        moved(sealed, lambda parts: parts[NAME].update(ct=ct)).open(keys)


@given(st.integers(0), st.integers(0, 255))
def test_no_bit_can_be_changed(place: int, change: int) -> None:
    _, keys, sealed = sealed_with(report())
    raw = bytearray(b64decode(sealed.parsed["sealed"][NAME]["ct"]))
    raw[place % len(raw)] ^= change or 1
    with pytest.raises(SealBroken):
        moved(sealed, lambda parts: parts[NAME].update(ct=b64encode(bytes(raw)).decode())).open(keys)


def test_the_same_event_is_never_sealed_to_the_same_bytes() -> None:
    draft, keys, sealed = sealed_with(report())
    again = Sealed(draft.event_id, seal(draft, keys))
    assert again.parsed["sealed"][NAME]["ct"] != sealed.parsed["sealed"][NAME]["ct"]
    assert again.parsed["commitments"] == sealed.parsed["commitments"]


# Commitments


def commitments(sealed: Sealed) -> Mapping[FieldClass, bytes]:
    assert is_commitments(sealed.parsed["commitments"])
    return commitments_of(sealed.parsed["commitments"])


@few
@given(ANY_EVENT)
def test_every_class_is_committed_to_whether_it_is_there_or_not(event: Event) -> None:
    _, _, sealed = sealed_with(event)
    found = commitments(sealed)
    assert found.keys() == set(FieldClass)
    assert {len(one) for one in found.values()} == {32}
    assert len(set(found.values())) == len(FieldClass)


def test_commitments_of_two_events_have_nothing_in_common() -> None:
    keys: dict[str, Any] = {}
    all_of_them: list[bytes] = []
    events = [report(report_id=UUID(int=1), reporter_id=UUID(int=2)) for _ in range(2)]
    for event in events:
        keys = keys or {subject: fresh_keys() for subject in Draft(new_id(), event, "intake").subjects}
        all_of_them += commitments(sealed_with(event, keys)[2]).values()
    assert len(set(all_of_them)) == 2 * len(FieldClass)


def test_a_record_value_is_canonical() -> None:
    value = sealed_with(report(narrative='林\\ "Zoë"'))[2].value
    assert value == canonical(json.loads(value))


def test_a_class_is_proven_by_its_content_and_key() -> None:
    event = report(narrative="said")
    draft, keys, sealed = sealed_with(event)
    for field_class, content in draft.grouped.items():
        key = keys[draft.subject_of[field_class]][field_class]  # type: ignore[index]
        assert commitment(key, draft.event_id, canonical(content)) == commitments(sealed)[field_class]
        assert (
            commitment(key, draft.event_id, canonical({**content, "x": 1}))
            != commitments(sealed)[field_class]
        )


def test_the_key_that_proves_one_class_proves_no_other_there_or_absent() -> None:
    """The commitment key of a class is made known with its proof; whoever has it can try it on the rest."""
    event = report(narrative="said", police_case="77")
    draft, keys, sealed = sealed_with(event)
    found = commitments(sealed)
    told = {
        c: expand(keys[draft.subject_of[c]][c], str(draft.event_id))  # type: ignore[index]
        for c in draft.grouped
    }
    assert len(set(told.values())) == len(told)
    for (one, key), other in ((item, c) for item in told.items() for c in FieldClass if c != item[0]):
        content = canonical(draft.grouped.get(other, {}))
        guesses = [content, b"", b"absent", other.encode(), f"absent|{other}".encode()]
        assert found[other] not in [hmac.digest(key, guess, "sha256") for guess in guesses], one


# Erased subjects


@pytest.mark.parametrize("gone", [NAME, CONTACT])
def test_of_an_erased_subject_nothing_is_kept(gone: FieldClass) -> None:
    event = report(reporter_contact="+86 10")
    draft = Draft(new_id(), event, "intake")
    keys: dict[str, Any] = {subject: fresh_keys() for subject in draft.subjects}
    keys[draft.subject_of[gone]] = Erased(datetime.now(UTC))
    sealed = Sealed(draft.event_id, seal(draft, keys))
    kept = {NAME, CONTACT} - {gone}
    assert sealed.parsed["sealed"].keys() == kept
    assert commitments(sealed).keys() == set(FieldClass)
    assert commitments(sealed)[gone] != commitments(Sealed(draft.event_id, seal(draft, keys)))[gone]


def test_a_class_whose_subject_was_erased_since_is_named_as_erased() -> None:
    event = report(reporter_contact="+86 10")
    draft, keys, sealed = sealed_with(event)
    later = {**keys, draft.subject_of[NAME]: Erased(datetime.now(UTC))}
    opened = sealed.open(later)
    assert opened.erased == {NAME}
    assert "full_name" not in opened.fields
    assert opened.fields["reporter_contact"] == "+86 10"
    assert ReportReceived.model_validate(opened.fields).full_name is None


def test_a_class_cannot_be_sealed_without_its_key() -> None:
    event = report()
    draft = Draft(new_id(), event, "intake")
    some = {c: key for c, key in fresh_keys().items() if c != NAME}
    with pytest.raises(KeyError, match="person_identity"):
        seal(draft, dict.fromkeys(draft.subjects, some))


def test_an_event_without_a_subject_is_sealed_under_the_services_key() -> None:
    draft = Draft(new_id(), PersonRegistered(person_id=new_id(), report_id=new_id()), "verification")
    assert draft.subjects == {str(draft.event.person_id)}  # type: ignore[attr-defined]


# Canonical bytes


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ({"€": 1, "\r": 2, "ﬓ": 3, "1": 4, "😂": 5, "\x80": 6, "ö": 7},
         '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😂":5,"ﬓ":3}'),  # the example of RFC 8785, §3.2.3
        ({"备注（亲属）": 1, "𠮷": {"（": 2, "𠮷": 3}}, '{"备注（亲属）":1,"𠮷":{"𠮷":3,"（":2}}'),
        ("\x00\x1f\x7f\"\\/\b\t\n\f\r<", '"\\u0000\\u001f\x7f\\"\\\\/\\b\\t\\n\\f\\r<"'),
    ],
)  # fmt: skip
def test_canonical_bytes_are_those_of_rfc_8785(value: object, expected: str) -> None:
    assert canonical(value) == expected.encode()


@given(st.recursive(st.none() | st.booleans() | INTEGERS | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_canonical_bytes_are_stable(value: object) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"v":2}', b"\xff", b'"v"'])
def test_a_value_of_another_form_is_no_sealed_value(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        _ = Sealed(new_id(), value).parsed


def test_every_class_is_either_open_or_sealed() -> None:
    assert not OPEN_CLASSES & SEALED_CLASSES
    assert set(FieldClass) == OPEN_CLASSES | SEALED_CLASSES
    assert len(FieldClass) == 14
