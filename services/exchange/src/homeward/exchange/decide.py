"""The release engine: brings the feeds of all partners in line with what is known of some persons.

Called with the persons' rows locked, at the end of any transaction that changed what visibility
depends on: a new event, a consent, a hold, a referral, an erasure. It decides each event for each
partner afresh and writes only the differences: releases, retractions, erasures.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import ReleaseDecided, ReleaseRetracted
from homeward.common.ids import new_shown_id
from homeward.common.tx import Tx

from .activation import follow
from .changes import Changes, feed_row
from .domain import Arrival, CaseEvent, Partner, question, situation
from .judge import Judge
from .policies import Verdict
from .store import cases, facts, feeds
from .store import partners as registry
from .store.feeds import Appended

DECISIONS_PER_EVENT = 100
"""Partners in one ReleaseDecided; more make further ones, so that none outgrows a record."""


async def decide_persons(
    person_ids: Collection[UUID],
    tx: Tx,
    judge: Judge,
    traces: Mapping[UUID, str | None] | None = None,
    arrivals: Sequence[Arrival] = (),
) -> None:
    """Bring all feeds in line for these persons. ``traces`` names what caused it, by person; ``arrivals``
    are kept, with what is recorded of them.

    Events for which no decision is recorded yet, because there was no partner or it was suspended, are
    found again by the sweep that follows a registration or resumption. Raises PoliciesSuperseded.
    """
    if not person_ids:
        await facts.add_events(tx.db, arrivals, {})
        return
    await registry.keep_as_it_is(tx.db)
    await follow(judge, tx.db)
    answers = judge.answers(registry.decided_for(await registry.all_partners(tx.db)))
    files = await cases.case_files(tx.db, person_ids)
    events = await cases.events_of(tx.db, person_ids, arrivals)
    newest = await feeds.newest_releases(tx.db, person_ids)
    run = Changes(answers, judge.policies.digest, newest, tx.now)
    for file in files:
        for event in events.get(file.person_id, ()):
            run.decide(file, event)
    await _tell_of_erasures([file.person_id for file in files if file.erased], run, tx)
    await _write(run, arrivals, tx)
    _announce(run, traces or {}, tx)


async def verdict_now(
    event: CaseEvent,
    person_id: UUID | None,
    partner: Partner,
    judge: Judge,
    now: datetime,
    db: AsyncConnection,
) -> Verdict | None:
    """What would be decided of an event for one partner now; None while its person is not known. Raises
    PoliciesSuperseded."""
    await follow(judge, db)
    files = await cases.case_files(db, [person_id]) if person_id else []
    if not files:
        return None
    asked = question(partner, situation(files[0], event, now), judge.data_home)
    return judge.policies.decide(asked)[0]


async def _tell_of_erasures(erased: Collection[UUID], run: Changes, tx: Tx) -> None:
    """An erasure goes to every agency that was ever given anything of the person."""
    if erased:
        given = await feeds.recipients(tx.db, erased)
        for person_id, agency in sorted(given - await feeds.told_of_erasure(tx.db, erased)):
            row = feed_row(agency, feeds.ERASURE, person_id, tx.now)
            run.appended.append(Appended(row | {"release_id": new_shown_id()}))


async def _write(run: Changes, arrivals: Sequence[Arrival], tx: Tx) -> None:
    await feeds.add_snapshots(tx.db, run.questions)
    told = _newly_told(run)
    await cases.mark_told(tx.db, {i: told[i] for i in told.keys() - {one.event.event_id for one in arrivals}})
    await facts.add_events(tx.db, arrivals, told)
    await feeds.restate(tx.db, run.restated)
    await feeds.supersede(tx.db, run.superseded)
    await feeds.confirm(tx.db, run.confirmed)
    await feeds.append(tx.db, run.appended)


def _newly_told(run: Changes) -> dict[UUID, tuple[str, ...]]:
    """By event: the agencies for which this run records a decision, if for one it is the first."""
    newly = {}
    for told in run.told:
        event, agencies = told[0].matter.event, tuple([one.matter.agency for one in told])
        if not event.told.issuperset(agencies):
            newly[event.event_id] = agencies
    return newly


def _announce(run: Changes, traces: Mapping[UUID, str | None], tx: Tx) -> None:
    """Say what was decided and retracted; audit hears of it."""
    for told in run.told:
        matter = told[0].matter
        trace = traces.get(matter.file.person_id) or matter.event.traceparent
        for start in range(0, len(told), DECISIONS_PER_EVENT):
            decided = ReleaseDecided(
                decided_event_id=matter.event.event_id,
                case_revision=matter.file.revision,
                policy_digest=run.policy_digest,
                decisions=tuple([one.decision() for one in told[start : start + DECISIONS_PER_EVENT]]),
            )
            tx.emit(decided, traceparent=trace)
    retractions = [one.row for one in run.appended if one.row["kind"] == feeds.RETRACTION]
    erased = _erased_events(run) if retractions else set()
    for row in retractions:
        tx.emit(
            ReleaseRetracted(
                agency=row["agency"],
                release_id=row["release_id"],
                seq=row["seq"],
                retracted_seq=row["retracted_seq"],
                classes=None if row["whole"] else tuple(row["classes"]),
                erased=row["event_id"] in erased,
            )
        )


def _erased_events(run: Changes) -> set[UUID]:
    matters = [one.matter for told in run.told for one in told]
    return {matter.event.event_id for matter in matters if matter.file.erased or matter.event.erased}
