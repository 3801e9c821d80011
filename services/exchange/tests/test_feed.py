"""A partner's feed: its own ids and nothing else's, cursors good for it alone, reads on record."""

import hashlib
import json
import re
from typing import Any
from uuid import RFC_4122, UUID

from homeward.common.contracts import (
    CaseOpened,
    EventsRead,
    FeedAcknowledged,
    ReferralOpened,
    ReportReceived,
    ReportUnlinked,
    StatusAsserted,
)
from homeward.common.contracts.verification import TraffickingStatus
from homeward.common.envelope import Envelope
from homeward.common.ids import new_id
from homeward.common.sealing import canonical
from homeward.exchange.pseudonyms import Pseudonyms

from .scene import (
    BASIC,
    BODY,
    NGO,
    POLICE,
    F,
    Item,
    Scene,
    consent,
    of_type,
    report,
    reports_in,
    shown,
    without_ids,
)

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def full_story(scene: Scene) -> set[str]:
    """Every kind of event, some of it revoked; all internal ids that occur in it."""
    reporter = new_id()
    everything = [consent(who, *F, given_by="guardian") for who in (POLICE, BODY, NGO)]
    one, two = report(*everything, reporter_id=reporter), report(*everything, reporter_id=reporter)
    person_id = await scene.known(one, two)
    case_id, other = new_id(), new_id()
    records = await scene.deliver(
        CaseOpened(case_id=case_id, person_id=person_id, case_status="Active"),
        StatusAsserted(
            person_id=person_id, assertion_id=new_id(), trafficking_status=TraffickingStatus.ACTUAL
        ),
        ReferralOpened(
            case_id=case_id,
            person_id=person_id,
            referral_id=new_id(),
            receiving_agency=NGO["agency"],
            classes=(F.ENVELOPE,),
        ),
    )
    await scene.grant(person_id, NGO, *F)
    away = ReportUnlinked(person_id=person_id, report_id=two.report_id, new_person_id=other)
    records += await scene.deliver(away)
    await scene.withdraw(person_id, recipient=POLICE["agency"])
    internal = {str(reporter), str(person_id), str(case_id), str(other)}
    internal |= {str(about.report_id) for about in (one, two)}
    rows = await scene.world.execute(
        scene.service, "SELECT event_id FROM events UNION SELECT consent_id FROM consents"
    )
    return internal | {str(row.event_id) for row in rows}


async def test_no_internal_id_is_in_any_byte_of_a_feed(scene: Scene) -> None:
    internal = await full_story(scene)
    for who in (POLICE, BODY, NGO):
        text = (await scene.pull(who, limit=1_000)).text
        assert len(UUIDS.findall(text)) > 20
        assert not internal & set(UUIDS.findall(text))
        assert not any(one.replace("-", "") in text for one in internal)


async def test_no_partition_source_actor_or_trace_is_in_a_feed(scene: Scene) -> None:
    await full_story(scene)
    for who in (POLICE, BODY, NGO):
        for item in await scene.read(who):
            known = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype"}
            assert item.keys() == known | {"sequence", "data"}
            assert item["source"] == f"{scene.service.parts.settings.public_url}/v1/events"
        text = (await scene.pull(who, limit=1_000)).text
        for hint in ("/homeward/", "traceparent", "partition", "actor", "snapshot", "policies", "kid"):
            assert hint not in text
        others = {POLICE["agency"], BODY["agency"], NGO["agency"]} - {who["agency"]}
        assert not any(other in text for other in others)


async def test_two_agencies_cannot_compare_their_ids(scene: Scene) -> None:
    await full_story(scene)
    ids = [set(UUIDS.findall((await scene.pull(who, limit=1_000)).text)) for who in (POLICE, BODY, NGO)]
    assert not ids[0] & ids[1]
    assert not ids[1] & ids[2]
    assert not ids[0] & ids[2]


async def test_within_one_feed_ids_are_the_same_for_the_same(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO)))
    await scene.deliver(CaseOpened(case_id=new_id(), person_id=person_id, case_status="Active"))
    received, registered, opened = await scene.read(NGO)
    envelopes = [item["data"]["classes"]["envelope"] for item in (received, registered, opened)]
    assert envelopes[0]["report_id"] == envelopes[1]["report_id"]
    assert envelopes[1]["person_id"] == envelopes[2]["person_id"] == opened["subject"]
    assert len({item["id"] for item in (received, registered, opened)}) == 3


async def test_only_who_may_know_of_the_reporter_can_tell_that_it_is_the_same(scene: Scene) -> None:
    reporter = new_id()
    for _ in range(2):
        open_to = (consent(POLICE), consent(NGO, *BASIC, F.REPORTER_IDENTITY))
        await scene.known(report(*open_to, reporter_id=reporter))
    seen = [item["data"]["classes"]["envelope"] for item in reports_in(await scene.read(NGO))]
    assert seen[0]["reporter_id"] == seen[1]["reporter_id"] != str(reporter)
    for item in reports_in(await scene.read(POLICE)):
        assert "reporter_id" not in item["data"]["classes"]["envelope"]


async def test_what_is_released_is_what_was_reported(scene: Scene) -> None:
    await scene.known(report(consent(NGO, *BASIC, F.NARRATIVE)))
    [item] = reports_in(await scene.read(NGO))
    classes = item["data"]["classes"]
    assert classes["person_identity"] == {"full_name": "示例甲", "age": 24, "citizenship": ["CHN"]}
    assert classes["narrative"] == {"narrative": "Told of a job in Bangkok."}
    assert classes["location_coarse"] == {"last_known_country": "THA"}
    assert item["data"]["withheld"] == [
        "evidence",
        "location_precise",
        "reporter_contact",
        "reporter_identity",
    ]
    assert "protection" not in json.dumps(item), "consents are nobody else's business"


async def test_a_government_is_told_that_victims_are_not_punished(scene: Scene) -> None:
    await full_story(scene)
    for who in (POLICE, BODY):
        for item in await scene.read(who):
            assert ("notice" in item["data"]) is ("classes" in item["data"])
    assert not any("notice" in item["data"] for item in await scene.read(NGO))


async def two_worlds(scene: Scene, *, hidden: bool) -> list[Item]:
    """One case that the police sees; and, if ``hidden``, a lot that it does not."""
    for item in range(2):
        about = report(consent(POLICE), consent(NGO))
        more = [report(consent(NGO, *F))] if hidden else []
        person_id = await scene.known(about, *more)
        if hidden:
            await scene.known(report(consent(NGO)))
            await scene.grant(person_id, NGO, *F)
            case = {"case_id": new_id(), "person_id": person_id, "receiving_agency": NGO["agency"]}
            await scene.deliver(ReferralOpened(**case, referral_id=new_id(), classes=(F.HEALTH,)))
            await scene.restrict("/v1/holds", person_id, BODY)
            await scene.withdraw(person_id, recipient=NGO["agency"])
        await scene.deliver(CaseOpened(case_id=new_id(), person_id=person_id, case_status="Active"))
        if item:
            await scene.withdraw(person_id, recipient=POLICE["agency"])
    response = (await scene.pull(POLICE, limit=4)).json()
    items = await scene.read(POLICE)
    assert response["events"] == items[:4]
    return [*without_ids(items), response["more"]]


async def test_what_is_hidden_leaves_no_mark_on_a_feed(scene: Scene) -> None:
    """No gap, no other generation, no hint: ids and times are all that differs."""
    alone = await two_worlds(scene, hidden=False)
    place = (await scene.pull(POLICE, limit=1_000)).json()["events"][-1]["sequence"]
    await scene.world.execute(scene.service, "TRUNCATE feed")
    await scene.world.execute(scene.service, "UPDATE partners SET last_seq = 0, read_seq = 0")
    assert int(place) == len(alone) - 1
    assert await two_worlds(scene, hidden=True) == alone


def test_pseudonyms_differ_by_agency_kind_and_secret() -> None:
    one = UUID(int=7)
    ngo, police, later = (Pseudonyms(s, a) for s, a in ((b"k", "ngo"), (b"k", "police"), (b"l", "ngo")))
    made = {p.of(kind, one) for p in (ngo, police, later) for kind in ("person", "report")}
    assert len(made) == 6
    assert {(UUID(text).version, UUID(text).variant) for text in made} == {(8, RFC_4122)}


async def test_a_page_is_recorded_with_its_digest_before_it_leaves(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    response = await scene.pull(NGO)
    assert response.headers["cache-control"] == "no-store"
    items = response.json()["events"]
    [read] = await scene.world.said(scene.service, EventsRead)
    assert (read.agency, read.first_seq, read.last_seq) == (NGO["agency"], 1, 2)
    assert read.page_digest == hashlib.sha256(canonical(items)).hexdigest()
    await scene.pull(POLICE)
    assert len(await scene.world.said(scene.service, EventsRead)) == 1, "an empty page tells nothing"


async def test_what_cannot_be_recorded_does_not_leave(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    await scene.world.execute(scene.service, "ALTER TABLE outbox RENAME TO outbox_away")
    response = await scene.pull(NGO)
    assert response.status_code == 500
    assert "示例甲" not in response.text
    await scene.world.execute(scene.service, "ALTER TABLE outbox_away RENAME TO outbox")
    assert (await scene.staff("GET", f"/v1/partners/{NGO['agency']}"))["read_seq"] == 0


async def test_content_stays_closed_while_the_keyring_is_away(scene: Scene) -> None:
    about = report(consent(NGO))
    await scene.known(about)
    scene.service.parts.keyring.forget([str(about.report_id)])
    scene.world.keyring.away = True
    response = await scene.pull(NGO)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0


async def test_acknowledging_goes_as_far_as_was_read_and_never_back(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))

    async def ack(sequence: Any) -> Any:
        return await scene.partner(NGO, "POST", "/v1/events/ack", json={"sequence": sequence})

    early = await ack(1)
    assert (early.status_code, early.json()["type"]) == (409, "/problems/not-read-yet")
    await scene.read(NGO)
    for given_now, stands in ((2, 2), (1, 2), (2, 2)):
        assert (await ack(given_now)).json() == {"sequence": stands}
    assert (await ack(3)).status_code == 409
    assert (await ack(10**30)).status_code == 409
    for wrong in (0, -1, "x", None):
        assert (await ack(wrong)).status_code == 422
    assert [one.seq for one in await scene.world.said(scene.service, FeedAcknowledged)] == [2]


async def test_a_query_out_of_bounds_is_a_problem(scene: Scene) -> None:
    for query in ({"limit": 0}, {"limit": 1_001}, {"wait": 31}, {"wait": -1}, {"limit": "x"}):
        assert (await scene.pull(NGO, **query)).status_code == 422
    assert (await scene.pull(NGO, cursor="A" * 201)).status_code == 422


async def test_the_feed_needs_its_own_scope(scene: Scene) -> None:
    assert (await scene.ask("GET", "/v1/events")).status_code == 403


async def test_events_of_a_report_carry_its_own_type(scene: Scene) -> None:
    records = await scene.deliver(about := report(consent(NGO)))
    assert Envelope.of(records[0]).type == ReportReceived.TYPE
    await scene.known(about)
    assert len(of_type(await scene.read(NGO), ReportReceived.TYPE)) >= 1
    assert shown(await scene.read(NGO))[0][0] == "report.received"
