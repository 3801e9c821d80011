"""A partner has so many requests a minute, at all replicas together, and is told how many are left."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world import World, open_world
from homeward.common import jose
from homeward.common.arrivals import WINDOW, Quota
from homeward.common.parts import Service

from .asking import answering, in_process
from .noting import Settings, create_service
from .test_auth import ISSUER
from .test_http_errors import check
from .test_proofs import PATH, Source, ask, bound, proof
from .test_proofs import started as started_with_proofs

POLICY = '"partner";q=3;w=60'


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


async def started(world: World, **settings: Any) -> Service:
    limits = {"partner_requests_per_minute": 3, **settings}
    return answering(await world.start(create_service, Settings, public_url=ISSUER, **limits))


async def as_partner(world: World, service: Service, name: str = "ngo") -> httpx.Response:
    token = world.verifier.token("notes:write", organisation=name, role="partner", client_id=name)
    async with in_process(service) as client:
        return await client.get(PATH, headers={"Authorization": f"Bearer {token}"})


async def test_what_is_left_is_told_and_then_it_is_429_until_the_minute_is_over(world: World) -> None:
    service = await started(world)
    seconds = WINDOW - int(world.now.timestamp()) % WINDOW
    for left in (2, 1, 0):
        answer = await as_partner(world, service)
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == POLICY
        assert answer.headers["ratelimit"] == f'"partner";r={left};t={seconds}'
    refused = await as_partner(world, service)
    check(refused, 429, "quota-exceeded")
    assert refused.headers["retry-after"] == str(seconds)
    assert refused.headers["ratelimit"] == f'"partner";r=0;t={seconds}'
    world.pass_time(seconds=seconds)
    assert (await as_partner(world, service)).headers["ratelimit"] == '"partner";r=2;t=60'


async def test_replicas_count_together_and_partners_apart(world: World) -> None:
    replicas = [await started(world), await started(world)]
    answers = await asyncio.gather(*(as_partner(world, replicas[n % 2]) for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 9
    assert (await as_partner(world, replicas[0], "other-ngo")).status_code == 200


async def test_staff_are_not_counted_nor_anybody_where_there_is_no_limit(world: World) -> None:
    counting, unlimited = await started(world), await started(world, partner_requests_per_minute=0)
    for _ in range(5):
        async with in_process(counting, "notes:write") as client:
            answer = await client.get(PATH)
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
        assert (await as_partner(world, unlimited)).status_code == 200


async def test_proofs_are_used_up_and_counted_by_one_statement(world: World) -> None:
    service = await started_with_proofs(world, Source())
    settings = service.parts.settings.model_copy(update={"partner_requests_per_minute": 2})
    service = replace(service, parts=replace(service.parts, settings=settings))
    token = bound(role="partner")
    statuses = []
    used = proof(token=token)
    for sent in (used, used, proof(token=token), proof(token=jose.new_key().thumbprint())):
        statuses.append((await ask(service, sent, token=token)).status_code)
    assert statuses == [200, 401, 429, 401]


async def test_a_clock_that_is_behind_gives_no_second_quota(world: World) -> None:
    arrivals = (await started(world)).parts.arrivals
    for earlier, used in ((0, 1), (60, 2), (0, 3), (3_600, 4)):
        now = world.now - timedelta(seconds=earlier)
        arrived = await arrivals.note("ngo", None, None, counted=True, now=now)
        assert arrived.used == used


@given(st.integers(1, 10**6), st.integers(1, 10**7), st.floats(0, 4e9))
def test_what_is_told_is_never_below_nothing_nor_beyond_the_window(limit: int, used: int, now: float) -> None:
    quota = Quota(limit, used, now)
    assert 1 <= quota.resets_in <= WINDOW
    left = int(quota.headers()["RateLimit"].split("r=")[1].split(";")[0])
    assert (left > 0) is (used < limit)
