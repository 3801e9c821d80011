"""After any interleaving of what can happen, each partner has exactly what decisions taken afresh from the
final state give it: read afresh, and just so for one that read along and kept what it was told.

A model holds the facts beside the real thing (database, log, consumer, HTTP), and asks the policies."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from homeward.common.contracts import (
    CaseOpened,
    Event,
    PersonRegistered,
    ReferralOpened,
    ReferralRevoked,
    ReportLinked,
    ReportReceived,
    StatedConsent,
    StatusAsserted,
)
from homeward.common.contracts.verification import LinkBasis, TraffickingStatus
from homeward.common.envelope import Envelope
from homeward.common.ids import new_id
from homeward.common.sealing import Sealed
from homeward.exchange.domain import CaseEvent, Consent, Partner, question, situation
from homeward.exchange.policies import PolicySet

from .model import Content, Facts, Reader, Stage, T, partner_of
from .scene import BASIC, BODY, NGO, POLICE, F, Profile, consent, report
from .test_policy_releases import ENVELOPES, stricter

PARTNERS = (POLICE, BODY, NGO)
PACKAGED = PolicySet.packaged()
SETS = (PACKAGED, stricter(), PolicySet.of({**PACKAGED.texts, "90-test.cedar": ENVELOPES}))
who = st.sampled_from(PARTNERS)
somebody = st.integers(0, 1)
some_classes = st.sampled_from([BASIC, (F.ENVELOPE,), (F.ENVELOPE, F.NARRATIVE), (F.NARRATIVE, F.EVIDENCE)])


class Interleaving(RuleBasedStateMachine):
    """Two persons, three partners, and everything that can happen to them."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.scene = self.stage.scene
        self.people = [Facts(), Facts()]
        self.readers = [Reader(profile) for profile in PARTNERS]
        self.starts: list[str | None] = []
        self.policies = PACKAGED
        self.gone: set[UUID] = set()
        """Reports whose keys are destroyed: what speaks of them is closed, whomever it was said of."""

    def do(self, awaitable: Awaitable[T]) -> T:
        return self.stage.run(awaitable)

    @initialize()
    def begin(self) -> None:
        """Each person is reported by two families; one trusts everybody, the other the NGO alone."""
        self.policies_activated(PACKAGED)
        self.do(self.scene.sweep())
        for reader in self.readers:
            self.do(reader.read(self.scene))
            reader.kept.clear()
            self.starts.append(reader.cursor)
        for person in self.people:
            self._report(person, *(consent(profile) for profile in PARTNERS))
            self._report(person, consent(NGO, F.ENVELOPE, F.NARRATIVE))
        self.consumed()
        for reader in self.readers:
            self.do(reader.read(self.scene))

    # What others publish: it waits on the log until exchange gets to it.

    @rule(at=somebody, to=who, classes=some_classes, late=st.booleans())
    def reported(self, at: int, to: Profile, classes: tuple[F, ...], late: bool) -> None:
        self._report(self.people[at], consent(to, *classes), late=late)

    def _report(self, person: Facts, *stated: StatedConsent, late: bool = False) -> None:
        about = report(*stated)
        link: Event = PersonRegistered(person_id=person.person_id, report_id=about.report_id)
        self._publish(person, *((link, about) if late else (about, link)), about=about.report_id)
        if not person.erased:
            person.reports.append(about)
            for one in stated:
                names = frozenset(str(c) for c in one.classes)
                given = Consent(one.recipient, one.purpose, names, one.given_by, about.report_id, None)
                person.consents.append(("", given))

    @rule(at=somebody)
    def moved_to_the_other(self, at: int) -> None:
        person, other = self.people[at], self.people[1 - at]
        if not person.reports or person.erased or other.erased:
            return
        about = person.reports.pop()
        moving = [pair for pair in person.consents if pair[1].report_id == about.report_id]
        own = [e for e in person.events if (e.type, e.report_id) == (ReportReceived.TYPE, about.report_id)]
        person.consents = [pair for pair in person.consents if pair not in moving]
        person.events = [e for e in person.events if e not in own]
        other.reports.append(about)
        other.consents += moving
        other.events += own
        link = ReportLinked(person_id=other.person_id, report_id=about.report_id, basis=LinkBasis.REVIEW)
        self._publish(other, link, about=about.report_id)
        self.consumed()  # restrictions follow what is known by then
        other.restrictions |= person.restrictions

    @rule(at=somebody)
    def asserted(self, at: int) -> None:
        person = self.people[at]
        status = TraffickingStatus.POSSIBLE
        self._publish(
            person,
            StatusAsserted(
                person_id=person.person_id, assertion_id=new_id(), trafficking_status=status, reason="seen"
            ),
            CaseOpened(case_id=person.case_id, person_id=person.person_id, case_status="Active"),
        )

    @rule(at=somebody, to=who, classes=some_classes)
    def referred(self, at: int, to: Profile, classes: tuple[F, ...]) -> None:
        person, referral_id = self.people[at], new_id()
        self._publish(
            person,
            ReferralOpened(
                case_id=person.case_id,
                person_id=person.person_id,
                referral_id=referral_id,
                receiving_agency=to["agency"],
                classes=classes,
            ),
            addressee=to["agency"],
        )
        person.referrals[referral_id] = (to["agency"], frozenset(str(c) for c in classes))

    @rule(at=somebody)
    def revoked(self, at: int) -> None:
        person = self.people[at]
        for referral_id, (agency, _) in list(person.referrals.items())[:1]:
            del person.referrals[referral_id]
            ids: dict[str, Any] = {"case_id": person.case_id, "person_id": person.person_id}
            event = ReferralRevoked(**ids, referral_id=referral_id, receiving_agency=agency)
            self._publish(person, event, addressee=agency)

    @rule(at=somebody, really=st.sampled_from([False, False, True]))
    def erased(self, at: int, really: bool) -> None:
        person, keyring = self.people[at], self.scene.world.keyring
        if not really:
            return
        person.erased = True
        self.gone |= {about.report_id for about in person.reports}
        subjects = [str(person.person_id), *(str(about.report_id) for about in person.reports)]
        self.do(keyring.erase(subjects, person_id=str(person.person_id), actor="x"))
        announced, keyring.announced = keyring.announced, []
        self.do(self.scene.world.publish(*announced))

    @rule()
    def consumed(self) -> None:
        self.do(self.scene.world.consume(self.scene.service))

    # What people decide: it holds when the answer is there.

    @rule(at=somebody, to=who, classes=some_classes, given_by=st.sampled_from(["self", "guardian"]))
    def granted(self, at: int, to: Profile, classes: tuple[F, ...], given_by: str) -> None:
        person = self.people[at]
        if not person.erased:
            answer = self.do(self.scene.grant(person.person_id, to, *classes, given_by=given_by))
            names = frozenset(str(c) for c in classes)
            given = Consent(to["agency"], to["purposes"][0], names, given_by, None, None)
            person.consents.append((answer["consent_id"], given))

    @rule(at=somebody, to=who)
    def withdrawn(self, at: int, to: Profile) -> None:
        person = self.people[at]
        self.consumed()  # what is not known yet is not withdrawn
        self.do(self.scene.withdraw(person.person_id, recipient=to["agency"]))
        person.consents = [(i, c) for i, c in person.consents if c.recipient != to["agency"]]

    @rule(at=somebody)
    def one_withdrawn(self, at: int) -> None:
        person = self.people[at]
        for pair in [pair for pair in person.consents if pair[0]][:1]:
            self.do(self.scene.withdraw(person.person_id, consent_id=pair[0]))
            person.consents.remove(pair)

    @rule(at=somebody, to=who, kind=st.sampled_from(["hold", "objection"]), on=st.booleans())
    def restricted(self, at: int, to: Profile, kind: str, on: bool) -> None:
        person = self.people[at]
        ends = {"hold": "/v1/holds/lift", "objection": "/v1/objections/withdraw"}
        self.do(self.scene.restrict(f"/v1/{kind}s" if on else ends[kind], person.person_id, to))
        change = person.restrictions.add if on else person.restrictions.discard
        change((to["agency"], kind))

    @rule(policies=st.sampled_from(SETS))
    def policies_activated(self, policies: PolicySet) -> None:
        body = {"texts": dict(policies.texts), "reason": "Agreed."}
        self.do(self.scene.staff("POST", "/v1/policies", body))
        self.policies = policies

    @rule()
    def some_decided_again(self) -> None:
        self.do(self.scene.sweep(batch=1, steps=1))

    @rule(at=st.integers(0, 2))
    def read(self, at: int) -> None:
        self.do(self.readers[at].read(self.scene))

    def teardown(self) -> None:
        """The promise."""
        self.consumed()
        self.do(self.scene.sweep())
        for reader, cursor in zip(self.readers, self.starts, strict=True):
            start = Reader(reader.profile, cursor)
            self.do(reader.read(self.scene))
            self.do(start.read(self.scene))
            rows = self.do(self._rows(reader.profile))
            expected = self._expected(partner_of(reader.profile))
            assert self._ours(start.has(rows)) == expected, f"{reader.profile['agency']} reads afresh"
            assert self._ours(reader.has(rows)) == expected, f"{reader.profile['agency']} read along"

    def _ours(self, content: Content) -> Content:
        """Without what other policies opened of the persons of former runs."""
        ours = {event.event_id for person in self.people for event in person.events}
        return {event_id: classes for event_id, classes in content.items() if event_id in ours}

    def _expected(self, partner: Partner) -> Content:
        """Decisions taken afresh from the facts."""
        expected: Content = {}
        for person in self.people:
            file = person.file()
            for known in person.events:
                event = known._replace(erased=known.report_id in self.gone)
                asked = question(partner, situation(file, event, self.scene.world.now), "THA")
                if released := self.policies.decide(asked)[0].classes:
                    expected[event.event_id] = frozenset(str(c) for c in released)
        return expected

    async def _rows(self, profile: Profile) -> dict[int, UUID]:
        rows = await self.scene.world.execute(
            self.scene.service, "SELECT seq, event_id FROM feed WHERE agency = :a", a=profile["agency"]
        )
        return {row.seq: row.event_id for row in rows}

    def _publish(
        self, person: Facts, *events: Event, about: UUID | None = None, addressee: str | None = None
    ) -> None:
        records = self.do(self.scene.world.records(*events))
        self.do(self.scene.world.broker.publish(records))
        for record in records:
            envelope = Envelope.of(record)
            sealed = Sealed(envelope.id, record.value).classes - {F.PROTECTION}
            person.events.append(CaseEvent(envelope.id, envelope.type, about, addressee, sealed))


def test_any_interleaving_leaves_every_partner_with_what_it_may_have(database: str) -> None:
    with Stage(database).open() as stage:

        class Here(Interleaving):
            pass

        Here.stage = stage
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=14,
                stateful_step_count=18,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_a_report_destroyed_after_it_moved_closes_what_was_said_of_the_other_person(database: str) -> None:
    with Stage(database).open() as stage:

        class Here(Interleaving):
            pass

        Here.stage = stage
        here = Here()
        here.begin()
        here.moved_to_the_other(at=0)
        here.granted(at=0, to=NGO, classes=(F.ENVELOPE, F.NARRATIVE), given_by="guardian")
        here.erased(at=1, really=True)
        here.teardown()
