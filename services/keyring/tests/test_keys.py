"""Handing out keys: to whom, of which classes, made once and never made anew."""

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from harness.world import World
from homeward.common.contracts import KeysHandedOut
from homeward.common.keys import Erased, KeyringUnavailable
from homeward.common.parts import Service
from homeward.keyring.domain import ENTITLEMENTS
from homeward.keyring.settings import Settings

from .conftest import Asking, on_its_own_keys


def fresh(count: int = 1) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


async def known_subjects(world: World, service: Service) -> set[str]:
    return {row.subject for row in await world.execute(service, "SELECT subject FROM data_keys")}


async def test_a_key_is_made_once_and_resolved_ever_after(asking: Asking) -> None:
    [subject] = fresh()
    made = await asking("intake").class_keys([subject], create=True)
    assert await asking("intake").class_keys([subject], create=True) == made
    assert await asking("intake").class_keys([subject], create=False) == made


async def test_asking_without_creating_makes_nothing(world: World, service: Service, asking: Asking) -> None:
    assert await asking("intake").class_keys(fresh(3), create=False) == {}
    assert await known_subjects(world, service) <= {"service:keyring"}
    assert await world.said(service, KeysHandedOut) == []


@pytest.mark.parametrize("name", ["intake", "verification", "referral", "exchange", "audit"])
async def test_each_service_gets_its_classes_and_no_other(asking: Asking, name: str) -> None:
    [subject] = fresh()
    keys = (await asking(name).class_keys([subject], create=True))[subject]
    assert not isinstance(keys, Erased)
    assert set(keys) == ENTITLEMENTS[name]


async def test_services_that_share_a_class_share_its_key(asking: Asking) -> None:
    [subject] = fresh()
    by_intake = (await asking("intake").class_keys([subject], create=True))[subject]
    by_verification = (await asking("verification").class_keys([subject], create=False))[subject]
    assert not isinstance(by_intake, Erased)
    assert not isinstance(by_verification, Erased)
    shared = ENTITLEMENTS["intake"] & ENTITLEMENTS["verification"]
    assert {name: by_intake[name] for name in shared} == {name: by_verification[name] for name in shared}


async def test_look_up_keys_of_a_service_go_to_that_service_alone(asking: Asking) -> None:
    own = await asking("intake").class_keys(["service:intake"], create=True)
    others = await asking("exchange").class_keys(["service:intake"], create=False)
    assert "lookup" in own["service:intake"]  # type: ignore[operator]
    assert "lookup" not in others["service:intake"]  # type: ignore[operator]
    assert "protection" in others["service:intake"]  # type: ignore[operator]


async def test_two_thousand_in_one_request_and_more_in_several(
    world: World, service: Service, asking: Asking
) -> None:
    subjects = fresh(2_001)
    keys = await asking("intake").class_keys(subjects, create=True)
    assert set(keys) == set(subjects)
    assert len({k["person_identity"] for k in keys.values()}) == 2_001  # type: ignore[index]
    told = [e.subjects for e in await world.said(service, KeysHandedOut)]
    assert sorted(s for part in told for s in part) == sorted(subjects)
    assert max(len(part) for part in told) <= 1_000


async def test_the_hand_out_is_recorded_before_the_keys_leave(
    world: World, service: Service, asking: Asking
) -> None:
    known, unknown = fresh(2)
    await asking("intake").class_keys([known], create=True)
    await asking("verification").class_keys([known, unknown], create=False)
    made, resolved = await world.said(service, KeysHandedOut)
    assert (made.service, resolved.service) == ("intake", "verification")
    assert set(resolved.classes) == ENTITLEMENTS["verification"]
    assert made.subjects == resolved.subjects == (known,)


async def test_creators_in_a_race_get_the_same_keys(asking: Asking) -> None:
    subjects = fresh(20)
    answers = await asyncio.gather(
        *(asking("intake").class_keys(subjects[n:] + subjects[:n], create=True) for n in range(8))
    )
    assert all(answer == answers[0] for answer in answers)


async def test_no_key_is_kept_or_said_readably(world: World, service: Service, asking: Asking) -> None:
    [subject] = fresh()
    keys = (await asking("intake").class_keys([subject], create=True))[subject]
    kept = await world.execute(service, "SELECT wrapped FROM data_keys UNION ALL SELECT value FROM outbox")
    assert not isinstance(keys, Erased)
    assert not any(key in bytes(row[0]) for key in keys.values() for row in kept)


class TestRefusals:
    """What is no request of a known service gets no key."""

    async def test_no_assertion(self, wire: httpx.AsyncClient) -> None:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
            answer = await wire.post("/v1/keys", json={"subjects": []}, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["type"] == "/problems/assertion-refused"

    async def test_an_expired_assertion(self, asking: Asking) -> None:
        with pytest.raises(RuntimeError, match="401"):
            await asking("intake", now=lambda: 1_000_000_000.0).class_keys(fresh(), create=True)

    async def test_one_who_names_himself_as_another(self, asking: Asking) -> None:
        impostor = asking("referral")
        impostor._service = "exchange"
        with pytest.raises(RuntimeError, match="401"):
            await impostor.class_keys(fresh(), create=True)

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "subjects"),
            ({"subjects": ["x"], "classes": ["health"]}, "classes"),
            ({"subjects": ["no such form!"]}, "subjects[0]"),
            ({"subjects": ["a\0"]}, "subjects[0]"),
            ({"subjects": ["x"] * 2_001}, "subjects"),
            ({"subjects": ["x"], "create": "perhaps"}, "create"),
        ],
    )
    async def test_a_request_that_is_not_valid(
        self, wire: httpx.AsyncClient, asking: Asking, body: object, field: str
    ) -> None:
        headers = asking("intake")._headers()
        answer = await wire.post("/v1/keys", json=body, headers=headers)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert "no such form" not in answer.text


class TestAnotherKek:
    """A keyring started with the wrong key-encryption key does no harm until somebody notices."""

    @pytest.fixture
    async def other(self, world: World, service: Service, secrets: Path, asking: Asking) -> Service:
        """A second process on the same database, with another key."""
        await asking("intake").class_keys(["known"], create=True)
        kek = secrets / "other-kek"
        kek.write_text("ab" * 32)
        kek.chmod(0o600)
        return await world.start(
            on_its_own_keys, Settings, kek_file=kek, services_file=secrets / "services.json"
        )

    async def test_it_hands_out_nothing_and_makes_nothing(
        self, world: World, service: Service, other: Service
    ) -> None:
        keyring = other.parts.own["services"].keyring_of("intake")
        before = await known_subjects(world, service)
        for subject, create in [("known", False), ("known", True), ("fresh", True)]:
            with pytest.raises(KeyringUnavailable, match="another key-encryption key"):
                await keyring.class_keys([subject], create=create)
        assert await known_subjects(world, service) == before

    async def test_it_says_that_it_is_not_ready(self, service: Service, other: Service) -> None:
        assert await service.ready() is None
        assert "key-encryption key" in str(await other.ready())

    async def test_over_http_it_is_away(self, world: World, other: Service, asking: Asking) -> None:
        async with world.client(other) as client:
            keyring = asking("intake")
            keyring._client = client
            with pytest.raises(KeyringUnavailable, match="503"):
                await keyring.class_keys(["known"], create=False)


async def test_the_database_gone_is_the_keyring_away(service: Service, asking: Asking) -> None:
    async with service.parts.engine.begin() as db:
        await db.execute(sa.text("ALTER TABLE data_keys RENAME TO elsewhere"))
    with pytest.raises(KeyringUnavailable, match="500"):
        await asking("intake").class_keys(fresh(), create=True)
