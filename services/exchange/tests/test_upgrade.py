"""A database of the first release is brought up to date: clients keep their keys."""

import json
from collections.abc import AsyncIterator

import pytest

from harness.postgres import Postgres
from harness.world import World, open_world
from homeward.common import jose
from homeward.common.migrate import upgrade
from homeward.exchange.app import create_service
from homeward.exchange.policies import PolicySet
from homeward.exchange.settings import Settings

from .scene import Scene
from .test_policy_releases import stricter

# What the second revision changed, as the first had it.
FIRST = (
    "DROP TABLE client_keys", "DROP TABLE used_proofs, quotas", "ALTER TABLE clients DROP dpop",
    "ALTER TABLE clients ADD jwk jsonb", "UPDATE alembic_version SET version_num = '0001'",
)  # fmt: skip


@pytest.fixture
async def fresh(postgres: Postgres) -> AsyncIterator[World]:
    async with open_world(postgres.create_database("exchange_upgrade")) as world:
        yield world
    postgres.drop_database("exchange_upgrade")


async def test_clients_keep_their_keys_and_need_not_prove_possession_until_told(fresh: World) -> None:
    service = await fresh.start(create_service, Settings)
    for statement in FIRST:
        await fresh.execute(service, statement)
    key = jose.new_key()
    await fresh.execute(
        service,
        "INSERT INTO clients VALUES ('ngo', 'ngo', 'partner', cast(:jwk AS jsonb))",
        jwk=json.dumps(jose.public_jwk(key)),
    )
    await upgrade("exchange", fresh.database)
    [row] = await fresh.execute(
        service,
        "SELECT kid, jwk, until, revoked_at, dpop FROM clients JOIN client_keys USING (client_id)",
    )
    assert (row.kid, row.until, row.revoked_at, row.dpop) == (key.kid, None, None, "optional")
    assert row.jwk["x"] == jose.public_jwk(key)["x"]
    await fresh.execute(service, "INSERT INTO clients VALUES ('other', 'other', 'partner')")
    [row] = await fresh.execute(service, "SELECT dpop FROM clients WHERE client_id = 'other'")
    assert row.dpop == "required"


async def test_a_set_that_was_active_before_decides_on_and_may_be_replaced(fresh: World) -> None:
    """Its texts were not kept then: the release has them."""
    service = await fresh.start(create_service, Settings)
    digest = PolicySet.packaged().digest
    for statement in (
        "ALTER TABLE policy_sets DROP texts, DROP origin, DROP reason, DROP activated_by",
        "ALTER TABLE sweeps DROP decided, DROP started_at",
        "INSERT INTO sweeps (reason) VALUES ('partner registered')",
        f"INSERT INTO policy_sets (digest, policies, activated_at) VALUES ('{digest}', '{{}}', now())",
        "UPDATE alembic_version SET version_num = '0002'",
    ):
        await fresh.execute(service, statement)
    await upgrade("exchange", fresh.database)
    async with fresh.client(service) as client:
        scene = Scene(fresh, service, client)
        active = await scene.staff("GET", "/v1/policies")
        assert (active["digest"], active["origin"]) == (digest, "release")
        assert [one["reason"] for one in active["redeciding"]] == ["partner registered"]
        assert await scene.sweep() == 1
        await scene.staff("POST", "/v1/policies", {"texts": dict(stricter().texts), "reason": "r"})
        assert (await scene.staff("GET", "/v1/policies"))["digest"] == stricter().digest
