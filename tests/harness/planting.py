"""Handing markers in by every way there is, with whatever can go wrong on the way."""

from __future__ import annotations

import asyncio
import csv
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import httpx

from harness import canary
from harness.canary import Planted
from harness.platform import ROLES, Platform, importing
from homeward.client.credentials import Credentials
from homeward.client.session import Session
from homeward.common.broker.kafka import KafkaBroker
from homeward.common.contracts import FieldClass, ReportReceived
from homeward.common.envelope import Envelope
from homeward.common.ids import new_id
from homeward.common.sealing import Draft, seal
from homeward.onebox.demo.partners import CONSENTS, PARTNERS, PartnerFeed
from homeward.onebox.demo.settling import settle

F = FieldClass
LISTED, BATCHED, SINGLE = 140, 80, 20


class Poison(ReportReceived):
    """A report that no handler can take, with a word where the contract has a code."""

    sex: Annotated[str | None, F.PERSON_IDENTITY] = None  # type: ignore[assignment]


class Stage:
    """The platform, its staff and three partners: two are told some classes, one is told nothing."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.planted = platform, Planted()
        self._http = httpx.Client(timeout=60, trust_env=False)
        folder = platform.folder / "credentials"
        self.staff = {
            role: Session(Credentials.read(folder / f"{role}.json"))
            for role in ("operator", "caseworker", "reviewer", "auditor")
        }
        kinds = {p["kind"]: p for p in PARTNERS}
        self.partners = {
            name: PartnerFeed.register(
                {**kinds[kind], "agency": f"canary-{name}"}, self.staff["operator"], platform.folder
            )
            for name, kind in (("ngo", "NGO"), ("police", "LawEnforcement"), ("stranger", "NGO"))
        }
        by_recipient = {c["recipient"]: c for c in CONSENTS}
        self.consents: list[dict[str, Any]] = [
            {**by_recipient[recipient], "recipient": f"canary-{name}", "given_by": "guardian"}
            for name, recipient in (("ngo", "border-ngo"), ("police", "cn-police-liaison"))
        ]

    def entitled(self, name: str) -> set[FieldClass]:
        """The classes that this partner may be told of a report."""
        consented = [set(c["classes"]) for c in self.consents if c["recipient"] == f"canary-{name}"]
        return {F(c) for classes in consented for c in classes & set(self.clearance(name))}

    def marked_classes(self) -> set[FieldClass]:
        """The classes in which there are markers at all."""
        return {c for classes in self.planted.markers().values() for c in classes}

    def clearance(self, name: str) -> list[str]:
        found: list[str] = self.partners[name].profile["clearance"]
        return found

    def new_report(self, *, readable: bool) -> canary.Report:
        made = canary.report(readable=readable)
        self.planted.reports.append(made)
        return made

    def say(self, who: Session, method: str, path: str, **options: Any) -> httpx.Response:
        """A request whose answer, headers included, is kept to be looked through."""
        headers = {**who.headers(method, path), **options.pop("headers", {})}
        url = f"{self.platform.base_url}{path}"
        answer = self._http.request(method, url, headers=headers, **options)
        self.planted.answers.append(f"{answer.headers} {answer.text}")
        return answer

    def person_of(self, report: canary.Report) -> str:
        """Whom an accepted report is about: by handing it in again, which gives its id."""
        body = {**report.as_json(), "consents": self.consents}
        [known] = self.staff["caseworker"].post("/v1/reports", body)["results"]
        assert known["outcome"] == "already_imported"
        [person] = self.staff["operator"].get("/v1/persons", report_id=known["report_id"])["persons"]
        person_id: str = person["person_id"]
        return person_id

    def feed_bytes(self, name: str) -> bytes:
        """All that a partner gets, from the beginning, as the bytes that come."""
        session, cursor, found = self.partners[name].session, None, b""
        while True:
            params = {"limit": 200, **({"cursor": cursor} if cursor else {})}
            answer = session.request("GET", "/v1/events", params=params)
            found += repr(answer.headers).encode() + answer.content
            page = answer.json()
            cursor = page["cursor"]
            if not page["more"]:
                return found

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()
        for session in (*self.staff.values(), *(p.session for p in self.partners.values())):
            session.close()

    def settle(self) -> None:
        settle(self.staff["operator"], self.staff["auditor"])


def hand_in_a_list(stage: Stage, folder: Path) -> None:
    """With roles killed while it is under way."""
    rows = [stage.new_report(readable=n % 2 == 0) for n in range(LISTED)]
    file = folder / "list.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, rows[0].cells.keys())
        writer.writeheader()
        writer.writerows(row.cells for row in rows)
    with importing(stage.staff["caseworker"], file, stage.consents) as sending:
        for victim in (("verification", "consume"), ("intake", "serve"), ("exchange", "consume")):
            stage.platform.kill(victim)
            time.sleep(0.2)
            stage.platform.start(victim)
        imported = sending.result()
    for role in stage.platform.roles:
        stage.platform.wait_ready(role)
    assert imported.accepted == len(rows)
    stage.planted.answers.append(str(imported))


def hand_in_by_post(stage: Stage) -> None:
    caseworker = stage.staff["caseworker"]
    many = [stage.new_report(readable=n % 2 == 0) for n in range(BATCHED)]
    body = [{**one.as_json(), "consents": stage.consents} for one in many]
    assert stage.say(caseworker, "POST", "/v1/reports", json=body).status_code == 201
    for number in range(SINGLE):
        one = {**stage.new_report(readable=number % 2 == 0).as_json(), "consents": stage.consents}
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        for _ in range(2):
            assert stage.say(caseworker, "POST", "/v1/reports", json=one, headers=headers).status_code == 201
        other = {**one, "narrative": stage.planted.word("narrative")}
        assert stage.say(caseworker, "POST", "/v1/reports", json=other, headers=headers).status_code == 422


def hand_in_what_is_refused(stage: Stage) -> None:
    caseworker, word = stage.staff["caseworker"], stage.planted.word
    for bad in (
        {"full_name": "??", "phone": word("phone")},
        {"full_name": [word("name")]},
        {"full_name": word("name"), "kind": word("kind")},
        {"full_name": word("name"), "age": {"years": word("age")}},
        {"full_name": word("name") + "\0"},
        {
            "full_name": word("name"),
            "consents": [{"recipient": word("recipient") + "!", "purpose": word("x")}],
        },
        {"full_name": word("name"), "consents": word("consents")},
        [{"full_name": word("name"), "narrative": [word("narrative")]}],
        word("body"),
    ):
        assert stage.say(caseworker, "POST", "/v1/reports", json=bad).status_code == 422
    half = f'{{"full_name": "{word("name")}\\ud800"}}'
    cut_off = f'{{"full_name": "{word("name")}", '
    json_type = {"Content-Type": "application/json"}
    assert stage.say(caseworker, "POST", "/v1/reports", content=cut_off, headers=json_type).status_code == 400
    assert stage.say(caseworker, "POST", "/v1/reports", content=half, headers=json_type).status_code == 422
    plain = {"Content-Type": "text/plain"}
    assert (
        stage.say(caseworker, "POST", "/v1/reports", content=word("text"), headers=plain).status_code == 415
    )
    for content, data in (
        (f"name\n{word('name')}\n", {}),
        (f'full_name,phone\n{word("name")}\n"{word("quote")}', {}),
        (f"full_name\n??\n{'??,' + word('many')}\n", {}),
        ("full_name\nA\n", {"consents": f'[{{"recipient": "{word("recipient")}!"}}]'}),
        ("full_name\nA\n", {"list": word("list") * 20}),
    ):
        files = {"file": (f"{word('file')}.csv", content.encode(), "text/csv")}
        answer = stage.say(caseworker, "POST", "/v1/reports/import", files=files, data=data)
        assert answer.status_code in (201, 422)
    long = {"full_name": word("name", F.PERSON_IDENTITY), "narrative": word("narrative", F.EVIDENCE) * 2_000}
    assert stage.say(caseworker, "POST", "/v1/reports", json=long).status_code == 201


def ask_for_what_is_not_there(stage: Stage) -> None:
    """Paths and queries can hold anything, and end in access logs elsewhere."""
    word = stage.planted.word
    for role, path in (
        ("operator", "/v1/persons/{}"),
        ("operator", "/v1/nothing/{}"),
        ("caseworker", "/v1/receipts/{}"),
        ("caseworker", "/v1/persons?report_id={}"),
        ("caseworker", "/v1/cases/{}/referrals"),
        ("auditor", "/v1/decisions/{}?agency={}"),
        ("auditor", "/v1/audit/events?type={}"),
    ):
        answer = stage.say(stage.staff[role], "GET", path.format(word("path"), word("query")))
        assert answer.status_code in (200, 404, 405, 422)
    settle(stage.staff["operator"], stage.staff["auditor"])  # feeds pause while exchange is behind
    stranger = stage.partners["stranger"].session
    assert stage.say(stranger, "GET", f"/v1/events?cursor={word('cursor')}").status_code == 422
    assert stage.say(stranger, "POST", "/v1/events/ack", json={"sequence": word("seq")}).status_code == 422
    form = {"grant_type": word("grant"), "client_assertion": word("assertion")}
    refused = httpx.post(f"{stage.platform.base_url}/oauth/token", data=form, trust_env=False)
    stage.planted.answers.append(refused.text)
    assert refused.status_code in (400, 401)


def say_of(stage: Stage, person_id: str) -> None:
    """All that staff can say of a person in words of their own, or try to."""
    word, reviewer = stage.planted.word, stage.staff["reviewer"]
    status = {"trafficking_status": "PossibleVictimOfTrafficking", "deciding_organisation": "Other"}
    for said, answered in (
        ({"reason": word("reason", F.ASSESSMENT)}, 201),
        ({"reason": word("reason") + "\0"}, 422),
        ({"reason": [word("reason")]}, 422),
        ({"reason": word("reason") * 300}, 422),
        ({"reason": word("reason"), "deciding_organisation": word("organisation")}, 422),
        ({"reason": word("reason"), "trafficking_status": word("status")}, 422),
        ({"reason": word("reason"), "remark": word("remark")}, 422),
    ):
        path = f"/v1/persons/{person_id}/statuses"
        assert stage.say(reviewer, "POST", path, json={**status, **said}).status_code == answered
    caseworker = stage.staff["caseworker"]
    [case] = caseworker.get("/v1/cases", person_id=person_id)["cases"]
    opening = {"receiving_agency": "canary-ngo", "services": ["shelter"], "priority": "24h"}
    opening["classes"] = ["narrative"]
    for wrong in (*opening, "note"):
        bad = {**opening, wrong: word("referral") + "!"}
        path = f"/v1/cases/{case['case_id']}/referrals"
        assert stage.say(caseworker, "POST", path, json=bad).status_code == 422
    for path, body in (
        ("/v1/consents/withdrawals", {"person_id": person_id, "recipient": word("recipient") + "!"}),
        ("/v1/holds", {"person_id": person_id, "recipient": word("recipient") + "!"}),
        ("/v1/consents", {"person_id": person_id, "purpose": word("purpose"), "note": word("note")}),
    ):
        assert stage.say(caseworker, "POST", path, json=body).status_code == 422


def poison(stage: Stage) -> None:
    """A record that is sealed as it should be, and whose content no handler can take; it is skipped then,
    with a reason."""
    asyncio.run(_publish_poison(stage))
    operator = stage.staff["operator"]
    skipped: set[str] = set()
    deadline = time.monotonic() + 60
    while skipped != {"verification", "exchange"}:  # whoever reads reports
        assert time.monotonic() < deadline, f"a record was set aside by {skipped} only"
        for service in ROLES:
            for letter in operator.get(f"/v1/{service}/dead-letters")["dead_letters"]:
                stage.planted.answers.append(str(letter))
                path = f"/v1/{service}/dead-letters/{letter['id']}/skip"
                for reason in (
                    ["x", stage.planted.word("reason")],
                    stage.planted.word("reason", F.PROTECTION),
                ):
                    answer = stage.say(operator, "POST", path, json={"reason": reason})
                assert answer.status_code == 200
                skipped.add(service)
        stage.settle()


async def _publish_poison(stage: Stage) -> None:
    report_id, said = new_id(), {"full_name": "name", "narrative": "narrative", "sex": "sex"}
    words = {name: stage.planted.word(of) for name, of in said.items()}
    event = Poison.model_validate(
        {
            "report_id": report_id,
            "reporter_id": report_id,
            "kind": "missing",
            "received_at": "2025-01-01T00:00:00Z",
            "channel": "api",
            **words,
        }
    )
    draft = Draft(new_id(), event, "intake")
    async with stage.platform.keyring_as("intake") as keyring:
        keys = await keyring.class_keys(draft.subjects, create=True)
    # From a shard of its own, so that intake's numbers stay without a gap.
    envelope = Envelope(
        id=draft.event_id, source="/homeward/intake/9/1", type=event.TYPE, subject=event.stream(),
        time=event.received_at, sequence=1, actor="service:intake",
    )  # fmt: skip
    broker = KafkaBroker(stage.platform.kafka.bootstrap, partitions=1, replication=1)
    try:
        await broker.publish([envelope.record(seal(draft, keys))])
    finally:
        await broker.close()
