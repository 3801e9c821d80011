"""Which person a report is about: in whatever order that is told, and when it changes."""

import itertools
from collections import Counter
from uuid import UUID

import pytest

from homeward.common.contracts import (
    CaseOpened,
    Event,
    HoldPlaced,
    ObjectionRaised,
    PersonRegistered,
    ReportLinked,
    ReportReceived,
    ReportUnlinked,
    StatusAsserted,
)
from homeward.common.contracts.verification import LinkBasis, TraffickingStatus
from homeward.common.envelope import Received
from homeward.common.ids import new_id

from .scene import (
    BASIC,
    BODY,
    NGO,
    POLICE,
    RETRACTED,
    F,
    Item,
    Scene,
    classes,
    consent,
    of_type,
    report,
    reports_in,
    shown,
    without_ids,
)

SEEN = classes(*set(BASIC) - {F.STATUS})


def registered(person_id: UUID, about: ReportReceived) -> PersonRegistered:
    return PersonRegistered(person_id=person_id, report_id=about.report_id)


def linked(person_id: UUID, about: ReportReceived) -> ReportLinked:
    return ReportLinked(person_id=person_id, report_id=about.report_id, basis=LinkBasis.REVIEW)


async def test_a_report_is_shown_once_its_person_is_known(scene: Scene) -> None:
    about = report(consent(POLICE))
    await scene.deliver(about)
    assert await scene.read(POLICE) == []
    await scene.deliver(registered(new_id(), about))
    assert shown(await scene.read(POLICE)) == [
        ("report.received", SEEN),
        ("person.registered", classes(F.ENVELOPE)),
    ]


async def test_who_has_no_consent_sees_nothing(scene: Scene) -> None:
    await scene.known(report(consent(POLICE)))
    assert await scene.read(BODY) == []
    assert await scene.read(NGO) == []


def story() -> list[Event]:
    """Two families report one person; somebody asserts a status."""
    first, second = report(consent(POLICE), consent(NGO)), report(consent(NGO, *BASIC, F.NARRATIVE))
    person_id, case_id = new_id(), new_id()
    status = StatusAsserted(
        person_id=person_id, assertion_id=new_id(), trafficking_status=TraffickingStatus.POSSIBLE
    )
    opened = CaseOpened(case_id=case_id, person_id=person_id, case_status="Active")
    return [first, registered(person_id, first), second, linked(person_id, second), opened, status]


@pytest.mark.parametrize(
    ("order", "size"),
    [((0, 1, 2, 3, 4, 5), 1), ((5, 4, 3, 2, 1, 0), 1), ((3, 1, 5, 4, 2, 0), 3), ((4, 0, 2, 5, 3, 1), 6)],
)
async def test_any_order_and_any_batches_show_the_same(
    scene: Scene, order: tuple[int, ...], size: int
) -> None:
    records = await scene.world.records(*story())
    arriving = [records[at] for at in order]
    for start in range(0, len(arriving), size):
        await scene.world.handle(scene.service, arriving[start : start + size])
    common = [
        ("case.opened", classes(F.ENVELOPE, F.STATUS)),
        ("status.asserted", classes(F.ENVELOPE, F.STATUS)),
        ("person.registered", classes(F.ENVELOPE)),
        ("report.received", SEEN),
    ]
    more = [("report.linked", classes(F.ENVELOPE)), ("report.received", SEEN | {"narrative"})]
    assert Counter(shown(await scene.read(POLICE))) == Counter(common)
    assert Counter(shown(await scene.read(NGO))) == Counter([*common, *more])


async def test_what_comes_twice_is_shown_once(scene: Scene) -> None:
    records = await scene.world.records(*story())
    await scene.world.handle(scene.service, records)
    before = await scene.read(NGO)
    await scene.world.handle(scene.service, records)
    for record in records:
        await scene.world.handle(scene.service, [record])
    assert await scene.read(NGO) == before


async def test_one_familys_consent_does_not_open_another_familys_report(scene: Scene) -> None:
    ours, theirs = report(consent(POLICE)), report(consent(NGO))
    await scene.known(ours, theirs)
    assert [kind for kind, _ in shown(await scene.read(POLICE))] == ["report.received", "person.registered"]
    # That a second family reported is told to whom that family trusts, and to nobody else.
    assert [kind for kind, _ in shown(await scene.read(NGO))] == ["report.received", "report.linked"]


def subjects(items: list[Item]) -> set[str]:
    return {item["subject"] for item in items}


async def test_unlinking_moves_a_report_to_its_new_person(scene: Scene) -> None:
    stays, moves = report(consent(NGO)), report(consent(NGO))
    person_id = await scene.known(stays, moves)
    before = await scene.read(NGO)
    new_person = new_id()
    await scene.deliver(
        registered(new_person, moves),
        ReportUnlinked(person_id=person_id, report_id=moves.report_id, new_person_id=new_person),
    )
    after = await scene.read(NGO)
    told = after[len(before) :]
    [old] = subjects(before)
    # Taken back from the one person, told anew of the other.
    assert {item["subject"] for item in of_type(told, RETRACTED)} == {old}
    [moved] = reports_in(told)
    assert moved["subject"] not in subjects(before)
    [stayed] = [item for item in reports_in(after) if item["subject"] == old]
    assert stayed["data"]["classes"]["envelope"] != moved["data"]["classes"]["envelope"]


@pytest.mark.parametrize("way", ["withdraw", "hold", "erase"])
async def test_what_moved_is_closed_by_what_closes_its_new_person(scene: Scene, way: str) -> None:
    stays, moves = report(consent(NGO)), report(consent(NGO))
    person_id, new_person = await scene.known(stays, moves), new_id()
    unlinked = ReportUnlinked(person_id=person_id, report_id=moves.report_id, new_person_id=new_person)
    await scene.deliver(registered(new_person, moves), unlinked)
    if way == "withdraw":
        await scene.withdraw(new_person)
    elif way == "hold":
        await scene.restrict("/v1/holds", new_person, NGO)
    else:
        await scene.world.keyring.erase([str(new_person)], person_id=str(new_person), actor="x")
        await scene.world.announce_erasures(scene.service)
    assert len(reports_in(await scene.read(NGO))) == 1


async def test_that_it_was_linked_stays_said_of_the_person_it_was_said_of(scene: Scene) -> None:
    stays, moves = report(consent(NGO)), report()
    person_id = await scene.known(stays, moves)
    await scene.grant(person_id, NGO, F.ENVELOPE)
    await moved_away(scene, person_id, moves)
    told = await scene.read(NGO)
    about = {
        kind: {item["subject"] for item in of_type(told, kind)}
        for kind in (PersonRegistered.TYPE, ReportLinked.TYPE, ReportUnlinked.TYPE)
    }
    assert len(set.union(*about.values())) == 1
    assert all(about.values())
    [away] = of_type(told, ReportUnlinked.TYPE)
    [there] = of_type(told, ReportLinked.TYPE)
    names = [item["data"]["classes"]["envelope"] for item in (away, there)]
    assert names[0]["report_id"] == names[1]["report_id"]
    assert names[0]["new_person_id"] not in about[ReportLinked.TYPE]


async def test_who_was_away_when_it_moved_is_not_shown_it_under_the_old_name(scene: Scene) -> None:
    moves = report(consent(NGO))
    person_id = await scene.known(report(consent(NGO)), moves)
    [old] = subjects(await scene.read(NGO))
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")
    new_person = await moved_away(scene, person_id, moves)
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/resume")
    await scene.restrict("/v1/holds", person_id, POLICE)  # the old person is decided, not yet the new one
    await scene.world.execute(
        scene.service,
        "UPDATE persons SET revision = (SELECT max(revision) FROM persons) WHERE person_id = :id",
        id=new_person,
    )
    [stays, moved] = reports_in(await scene.read(NGO))
    assert (stays["subject"] == old, moved["subject"] == old) == (True, False)


async def moved_away(scene: Scene, person_id: UUID, about: ReportReceived) -> UUID:
    new_person = new_id()
    unlinked = ReportUnlinked(person_id=person_id, report_id=about.report_id, new_person_id=new_person)
    await scene.deliver(registered(new_person, about), unlinked)
    return new_person


@pytest.mark.parametrize(("path", "event"), [("/v1/holds", HoldPlaced), ("/v1/objections", ObjectionRaised)])
async def test_a_hold_follows_a_report_that_is_moved(
    scene: Scene, path: str, event: type[HoldPlaced] | type[ObjectionRaised]
) -> None:
    """It may have been meant for whom that report is about; lifting it is for people to decide."""
    stays, moves = report(consent(NGO), consent(POLICE)), report(consent(NGO), consent(POLICE))
    person_id = await scene.known(stays, moves)
    await scene.restrict(path, person_id, POLICE)
    new_person = await moved_away(scene, person_id, moves)
    assert reports_in(await scene.read(POLICE)) == []
    assert len(reports_in(await scene.read(NGO))) == 2
    told = await scene.world.said(scene.service, event)
    assert [(one.person_id, one.recipient) for one in told] == [
        (person_id, POLICE["agency"]),
        (new_person, POLICE["agency"]),
    ]


@pytest.mark.parametrize("late", [False, True])
async def test_a_hold_follows_a_report_that_was_moved_before_we_heard_of_it(scene: Scene, late: bool) -> None:
    one, two, about = await scene.known(report()), await scene.known(report()), report(consent(NGO))
    await scene.restrict("/v1/holds", one, NGO)
    first, last = await scene.world.records(linked(one, about), linked(two, about))
    await scene.deliver(about)
    for batch in ([last], [first]) if late else ([first, last],):
        await scene.world.handle(scene.service, batch)
    assert shown(await scene.read(NGO)) == []


async def links_in_any_order(scene: Scene) -> list[list[Received]]:
    """One report: linked to a person, unlinked to a new one, linked to a third. These come on the
    streams of three persons; each of these keeps its order, and that is all."""
    about, (one, two, three) = report(consent(NGO)), (new_id() for _ in range(3))
    records = await scene.world.records(
        about,
        linked(one, about),
        registered(two, about),
        ReportUnlinked(person_id=one, report_id=about.report_id, new_person_id=two),
        linked(three, about),
    )
    received, to_one, to_two, away, to_three = records
    return [[received], [to_one, away], [to_two], [to_three]]


@pytest.mark.parametrize("first", range(4))
async def test_the_newest_link_stands_whatever_comes_last(scene: Scene, first: int) -> None:
    streams = await links_in_any_order(scene)
    for order in itertools.islice(itertools.permutations(range(4)), first, None, 8):
        streams = await links_in_any_order(scene)
        for at in order:
            await scene.world.handle(scene.service, streams[at])
    about = {item["subject"] for item in reports_in(await scene.read(NGO))}
    last = {item["subject"] for item in of_type(await scene.read(NGO), ReportLinked.TYPE)}
    assert about == last


async def test_two_worlds_with_different_orders_differ_in_ids_only(scene: Scene) -> None:
    for order in ((0, 1), (1, 0)):
        about = report(consent(POLICE))
        events: list[Event] = [about, registered(new_id(), about)]
        await scene.deliver(*(events[at] for at in order))
    items = await scene.read(POLICE)
    ordered = [sorted(without_ids(items[at : at + 2]), key=lambda item: item["type"]) for at in (0, 2)]
    for half in ordered:
        for item in half:
            del item["sequence"]
    assert ordered[0] == ordered[1]
