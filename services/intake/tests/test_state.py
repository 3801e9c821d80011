"""Asking what became of a report, by its receipt."""

import httpx

from harness.world import World
from homeward.common.contracts import SubjectErased
from homeward.common.ids import new_id
from homeward.common.parts import Service


async def test_a_receipt_tells_what_became_of_the_report(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    [given] = (await http.post("/v1/reports", json={"full_name": "王星"})).json()["results"]
    world.pass_time(days=1)
    for typed in (given["receipt"], given["receipt"].lower(), given["receipt"].replace("-", " ")):
        state = await http.get(f"/v1/receipts/{typed}")
        assert state.json() == {
            "receipt": given["receipt"],
            "report_id": given["report_id"],
            "event_id": given["event_id"],
            "received_at": "2025-01-07T09:30:00Z",
            "state": "received",
            "signed_receipt": given["signed_receipt"],
        }


async def test_unknown_misspelt_and_somebody_elses_are_the_same_404(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    [given] = (await http.post("/v1/reports", json={"full_name": "王星"})).json()["results"]
    receipt = given["receipt"]
    misspelt = receipt[:-1] + ("0" if receipt[-1] != "0" else "1")
    answers = [
        await http.get(f"/v1/receipts/{code}")
        for code in ("0" * 21, misspelt, "x", "%00", "%F0%9F%98%80", receipt + "A")
    ]
    async with world.client(service, "reports:write", organisation="other-ngo") as other:
        answers.append(await other.get(f"/v1/receipts/{receipt}"))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1, "nothing tells which of them it was"


async def test_an_erased_report_says_so_and_does_not_come_back(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    row = {"full_name": "王星", "reporter_reference": "A-1"}
    [given] = (await http.post("/v1/reports", json=row)).json()["results"]
    [other] = (await http.post("/v1/reports", json={"full_name": "other"})).json()["results"]
    erased = SubjectErased(
        erasure_id=new_id(), subjects=(given["report_id"], "service:x"), erased_at=world.now
    )
    records = await world.deliver(service, erased)
    await world.handle(service, records)
    assert (await http.get(f"/v1/receipts/{given['receipt']}")).json()["state"] == "erased"
    assert (await http.get(f"/v1/receipts/{other['receipt']}")).json()["state"] == "received"
    again = (await http.post("/v1/reports", json=row)).json()
    assert (again["accepted"], again["already_imported"]) == (0, 1)


async def test_the_keys_and_the_header_are_for_everybody(world: World, service: Service) -> None:
    async with world.client(service) as nobody:
        keys = (await nobody.get("/v1/receipt-keys")).json()["keys"]
        assert [(key["kty"], key["crv"], "d" in key) for key in keys] == [("OKP", "Ed25519", False)]
        assert len((await nobody.get("/v1/report-columns")).json()["columns"]) == 24
