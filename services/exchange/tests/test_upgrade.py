"""A database of the first release is brought up to date: clients keep their keys."""

import json
from collections.abc import AsyncIterator

import pytest

from harness.postgres import Postgres
from harness.world import World, open_world
from homeward.common import jose
from homeward.common.migrate import upgrade
from homeward.exchange.app import create_service
from homeward.exchange.settings import Settings

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
