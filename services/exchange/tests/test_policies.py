"""The safeguards, one row each: who asks about whom, with what consent or referral, and what is decided
by which policy. No database."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.common.contracts import FieldClass
from homeward.common.ids import new_id
from homeward.exchange.domain import CaseEvent, CaseFile, Consent, Partner, ReportFacts, question, situation
from homeward.exchange.policies import PolicySet, Verdict

F = FieldClass
ALL = frozenset(F)
NOW = datetime(2025, 1, 7, tzinfo=UTC)
POLICIES = PolicySet.packaged()
KINDS = ["NGO", "LawEnforcement", "CentralGovernmentOrganisation", "ImmigrationService", "LegalService"]
PURPOSES = ["search", "identification", "assistance"]


def partner(kind: str, country: str, purpose: str, **more: Any) -> Partner:
    settled = {
        "agency": "it",
        "data_home": country,
        "purposes": (purpose,),
        "clearance": tuple(F),
        "accredited": False,
        "suspended": False,
        "revision": 1,
    }
    return Partner(kind=kind, country=country, **{**settled, **more})


POLICE = partner("LawEnforcement", "CHN", "search")
BODY = partner("CentralGovernmentOrganisation", "THA", "identification")
NGO = partner("NGO", "THA", "assistance", accredited=True)


def case(**more: Any) -> CaseFile:
    """An adult Chinese citizen last seen in Thailand."""
    facts = {
        "reports": [ReportFacts(("CHN",), "THA", more.pop("child", False))],
        "consents": (),
        "restrictions": (),
        "referrals": (),
        "erased": False,
    }
    return CaseFile(person_id=new_id(), revision=1, **{**facts, **more})


def consents(purpose: str, *classes: F, given_by: str = "none_unreachable", to: str = "it") -> dict[str, Any]:
    names = frozenset(str(c) for c in classes or ALL)
    return {"consents": (Consent(to, purpose, names, given_by, None, None),)}


def referred(*classes: F, to: str = "it") -> dict[str, Any]:
    return {"referrals": ((to, frozenset(str(c) for c in classes or ALL)),)}


def decide(
    who: Partner, about: CaseFile, *classes: F, data_home: str = "THA", addressee: str | None = None
) -> Verdict:
    event = CaseEvent(new_id(), "homeward.test.v1", None, addressee, frozenset(classes) | {F.ENVELOPE})
    return POLICIES.decide(question(who, situation(about, event, NOW), data_home))[0]


SEARCH, IDENTIFICATION, ASSISTANCE = (consents(purpose) for purpose in PURPOSES)
GUARDIAN = consents("assistance", given_by="guardian")
SELF = consents("assistance", given_by="self")
NONE = ""
"""No policy: nothing permits it."""

TABLE = [
    # Consent opens to each kind of partner what its work needs, and no more.
    (POLICE, case(**SEARCH), F.PERSON_IDENTITY, True, "consent.police.own-citizens"),
    (POLICE, case(**SEARCH), F.EVIDENCE, True, "consent.police.own-citizens"),
    (POLICE, case(**SEARCH), F.NARRATIVE, False, NONE),
    (POLICE, case(**SEARCH), F.REPORTER_IDENTITY, False, NONE),
    (POLICE, case(**ASSISTANCE), F.PERSON_IDENTITY, False, NONE),
    (replace(POLICE, country="MMR"), case(**SEARCH), F.PERSON_IDENTITY, False, NONE),
    (BODY, case(**IDENTIFICATION), F.NARRATIVE, True, "consent.government.country-involved"),
    (BODY, case(**IDENTIFICATION), F.REPORTER_IDENTITY, False, NONE),
    (replace(BODY, country="LAO"), case(**IDENTIFICATION), F.PERSON_IDENTITY, False, NONE),
    (NGO, case(**ASSISTANCE), F.REPORTER_CONTACT, True, "consent.ngo.assistance"),
    (replace(NGO, accredited=False), case(**ASSISTANCE), F.PERSON_IDENTITY, False, NONE),
    (NGO, case(**consents("assistance", F.ENVELOPE)), F.PERSON_IDENTITY, False, NONE),
    (NGO, case(**consents("assistance", to="other")), F.PERSON_IDENTITY, False, NONE),
    (replace(NGO, kind="LegalService"), case(**ASSISTANCE), F.PERSON_IDENTITY, False, NONE),
    # A referral opens exactly what it names, to whom it was made.
    (NGO, case(**referred(F.ENVELOPE, F.HEALTH)), F.HEALTH, True, "referral.named-classes"),
    (NGO, case(**referred(F.ENVELOPE, F.HEALTH)), F.PERSON_IDENTITY, False, NONE),
    (NGO, case(**referred(to="other")), F.PERSON_IDENTITY, False, NONE),
    (replace(POLICE, country="MMR"), case(**referred()), F.NARRATIVE, True, "referral.named-classes"),
    # Objection, hold, erasure, suspension and clearance: nothing overrides them.
    (NGO, case(**ASSISTANCE, restrictions={("it", "hold")}), F.STATUS, False, "safeguard.hold"),
    (NGO, case(**referred(), restrictions={("it", "hold")}), F.STATUS, False, "safeguard.hold"),
    (NGO, case(**ASSISTANCE, restrictions={("it", "objection")}), F.STATUS, False, "safeguard.objection"),
    (NGO, case(**ASSISTANCE, restrictions={("other", "hold")}), F.STATUS, True, "consent.ngo.assistance"),
    (NGO, case(**ASSISTANCE, erased=True), F.STATUS, False, "safeguard.erased"),
    (replace(NGO, suspended=True), case(**ASSISTANCE), F.STATUS, False, "safeguard.suspended"),
    (replace(NGO, clearance=("envelope",)), case(**ASSISTANCE), F.STATUS, False, "safeguard.clearance"),
    (replace(NGO, clearance=("envelope",)), case(**referred()), F.STATUS, False, "safeguard.clearance"),
    # Children: a guardian, or a referral.
    (NGO, case(child=True, **ASSISTANCE), F.PERSON_IDENTITY, False, "safeguard.child"),
    (NGO, case(child=True, **SELF), F.PERSON_IDENTITY, False, "safeguard.child"),
    (NGO, case(child=True, **SELF), F.NARRATIVE, False, "safeguard.child"),
    (NGO, case(child=True, **SELF), F.LOCATION_PRECISE, False, "safeguard.child"),
    (NGO, case(child=True, **SELF), F.HEALTH, False, "safeguard.child"),
    (NGO, case(child=True, **SELF), F.ASSESSMENT, False, "safeguard.child"),
    (NGO, case(child=True, **GUARDIAN), F.PERSON_IDENTITY, True, "consent.ngo.assistance"),
    (NGO, case(child=True, **GUARDIAN), F.HEALTH, True, "consent.ngo.assistance"),
    (NGO, case(child=True, **referred()), F.PERSON_IDENTITY, True, "referral.named-classes"),
    (NGO, case(child=True, **ASSISTANCE), F.LOCATION_COARSE, True, "consent.ngo.assistance"),
    # Whereabouts and health: not on a family's word alone.
    (NGO, case(**ASSISTANCE), F.LOCATION_PRECISE, False, "safeguard.sensitive"),
    (NGO, case(**ASSISTANCE), F.HEALTH, False, "safeguard.sensitive"),
    (NGO, case(**SELF), F.LOCATION_PRECISE, True, "consent.ngo.assistance"),
    (NGO, case(**GUARDIAN), F.HEALTH, True, "consent.ngo.assistance"),
    (NGO, case(**referred()), F.LOCATION_PRECISE, True, "referral.named-classes"),
]


@pytest.mark.parametrize(
    ("who", "about", "field_class", "allowed", "policy"),
    TABLE,
    ids=[f"{n:02}-{row[0].kind}-{row[2]}-{row[4] or 'nothing'}" for n, row in enumerate(TABLE)],
)
def test_every_safeguard(who: Partner, about: CaseFile, field_class: F, allowed: bool, policy: str) -> None:
    verdict = decide(who, about, field_class)
    assert (field_class in verdict.classes) is allowed
    assert verdict.decided_by[field_class] == ((policy,) if policy else ())


def test_data_stored_in_china_stays_from_foreign_police() -> None:
    thai = replace(POLICE, country="THA", data_home="THA")
    involved = case(**SEARCH, reports=[ReportFacts(("THA",), None, False)])
    assert F.ENVELOPE in decide(thai, involved).classes
    verdict = decide(thai, involved, data_home="CHN")
    assert not verdict.classes
    assert verdict.decided_by[F.ENVELOPE] == ("safeguard.data-home-china",)
    assert decide(thai, case(**referred()), data_home="CHN").classes == frozenset()
    assert F.ENVELOPE in decide(POLICE, case(**SEARCH), data_home="CHN").classes
    assert F.ENVELOPE in decide(NGO, case(**ASSISTANCE), data_home="CHN").classes


def test_a_referral_is_seen_by_whom_it_was_made_to_and_nobody_else() -> None:
    told = decide(NGO, case(), F.REFERRAL, addressee="it")
    assert told.classes == {F.ENVELOPE, F.REFERRAL}
    assert told.decided_by[F.REFERRAL] == ("referral.its-own",)
    other = decide(NGO, case(**GUARDIAN, **referred()), F.REFERRAL, addressee="other")
    assert not other.classes
    assert other.decided_by[F.REFERRAL] == ("safeguard.addressee",)


def test_the_referral_itself_is_hidden_by_a_hold_too() -> None:
    verdict = decide(NGO, case(restrictions={("it", "hold")}), F.REFERRAL, addressee="it")
    assert not verdict.classes


def test_without_its_envelope_nothing_of_an_event_is_seen() -> None:
    verdict = decide(NGO, case(**referred(F.HEALTH)), F.HEALTH)
    assert not verdict.classes
    assert verdict.withheld == {F.ENVELOPE, F.HEALTH}


def test_a_class_is_released_if_one_of_several_purposes_permits_it() -> None:
    both = replace(NGO, purposes=("search", "assistance"))
    assert F.NARRATIVE in decide(both, case(**ASSISTANCE), F.NARRATIVE).classes
    assert F.NARRATIVE not in decide(both, case(**SEARCH), F.NARRATIVE).classes


def test_the_strongest_consent_counts() -> None:
    family = consents("assistance")["consents"][0]
    about = case(child=True, consents=(family, family._replace(given_by="guardian")))
    assert F.PERSON_IDENTITY in decide(NGO, about, F.PERSON_IDENTITY).classes


anybody = st.builds(
    partner,
    kind=st.sampled_from(KINDS),
    country=st.sampled_from(["CHN", "THA", "MMR"]),
    purpose=st.sampled_from(PURPOSES),
    accredited=st.booleans(),
    clearance=st.just(tuple(F)) | st.lists(st.sampled_from(list(F)), unique=True).map(tuple),
)
somebody = st.builds(
    case,
    child=st.booleans(),
    restrictions=st.frozensets(st.tuples(st.just("it"), st.sampled_from(["hold", "objection"]))),
    erased=st.booleans(),
)
opened = st.builds(
    lambda purpose, given_by: {**consents(purpose, given_by=given_by), **referred()},
    st.sampled_from(PURPOSES),
    st.sampled_from(["self", "guardian", "none_unreachable"]),
)
homes = st.sampled_from(["THA", "CHN"])
addressees = st.sampled_from([None, "other"])


@given(who=anybody, about=somebody, home=homes, addressee=addressees)
def test_with_no_consent_and_no_referral_nothing_is_ever_released(
    who: Partner, about: CaseFile, home: str, addressee: str | None
) -> None:
    verdict = decide(who, about, *ALL, data_home=home, addressee=addressee)
    assert not verdict.classes
    assert verdict.withheld == ALL


@given(who=anybody, facts=opened, addressee=st.sampled_from([None, "it"]), stop=st.integers(0, 3))
def test_nothing_beats_a_hold_an_objection_an_erasure_or_a_suspension(
    who: Partner, facts: dict[str, Any], addressee: str | None, stop: int
) -> None:
    stops: list[dict[str, Any]] = [
        {"restrictions": {("it", "hold")}},
        {"restrictions": {("it", "objection")}},
        {"erased": True},
        {},
    ]
    asking = replace(who, suspended=stop == 3)
    assert not decide(asking, case(**facts, **stops[stop]), *ALL, addressee=addressee).classes


@given(who=anybody, facts=opened, addressee=st.sampled_from([None, "it"]))
def test_nothing_is_released_beyond_the_clearance(
    who: Partner, facts: dict[str, Any], addressee: str | None
) -> None:
    assert decide(who, case(**facts), *ALL, addressee=addressee).classes <= set(who.clearance)


@given(who=anybody, facts=opened, asked=st.frozensets(st.sampled_from(list(F))))
def test_released_and_withheld_are_what_was_asked(
    who: Partner, facts: dict[str, Any], asked: frozenset[F]
) -> None:
    verdict = decide(who, case(**facts), *asked)
    assert verdict.classes | verdict.withheld == asked | {F.ENVELOPE} == verdict.decided_by.keys()
    assert not verdict.classes & verdict.withheld
    assert not verdict.classes or F.ENVELOPE in verdict.classes
