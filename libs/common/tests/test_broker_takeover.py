"""Members of a group: one goes, the others go on."""

import asyncio

import asyncpg

from homeward.common.broker import Broker, open_broker
from homeward.common.leadership import Leadership

from .carrying import fresh, new_topic, numbered, numbers, take, values
from .noting import until


async def test_when_a_member_leaves_the_other_goes_on_where_it_was(broker: Broker) -> None:
    topic, group = await new_topic(broker), fresh("group")
    await broker.publish(numbered(topic, 30))
    async with broker.subscribe(group, [topic]) as member:
        done = numbers(await take(member, 10))
        await take(member, 10, commit=False)
    async with asyncio.timeout(10), broker.subscribe(group, [topic]) as other:
        rest = numbers(await take(other, 20))
    assert sorted(done + rest) == list(range(30))


async def test_a_member_that_waits_takes_over(database: str) -> None:
    broker = open_broker(database)
    topic, group = await new_topic(broker), fresh("group")
    async with broker.subscribe(group, [topic]) as second:
        async with broker.subscribe(group, [topic]) as first:
            assert await first.poll(10, 0.1) == []
            assert await second.poll(10, 0.1) == []
            await broker.publish(numbered(topic, 10))
            assert len(await take(first, 4)) == 4
            assert await second.poll(10, 0.1) == []
        assert len(await take(second, 6)) == 6
    await broker.close()


async def test_a_member_whose_connection_was_cut_is_followed_and_stands_back(database: str) -> None:
    broker = open_broker(database)
    topic, group = await new_topic(broker), fresh("group")
    await broker.publish(numbered(topic, 12, keys=1))
    async with broker.subscribe(group, [topic]) as first, broker.subscribe(group, [topic]) as second:
        held = await take(first, 4, commit=False)
        await cut_off_the_holder(database, f"homeward log group {group}")
        assert values(await take(second, 8)) == [f"{n}" for n in range(8)]
        await first.commit(held)  # too late, and passed over: the other is further
        assert sum((await broker.committed(group, [topic])).values()) == 8
        assert await first.poll(10, 0.1) == []
        await cut_off_the_holder(database, f"homeward log group {group}")
        assert values(await take(first, 4)) == ["8", "9", "10", "11"]
    await broker.close()


async def test_a_commit_never_goes_back(database: str) -> None:
    broker = open_broker(database)
    topic, group = await new_topic(broker), fresh("group")
    await broker.publish(numbered(topic, 10, keys=1))
    async with broker.subscribe(group, [topic]) as subscription:
        records = await take(subscription, 10)
        await subscription.commit(records[:3])
    assert sum((await broker.committed(group, [topic])).values()) == 10
    await broker.close()


async def cut_off_the_holder(database: str, lock: str) -> None:
    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    key = await connection.fetchval("SELECT hashtextextended($1, 0)", lock)
    cut = await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
        "AND classid::bigint = ($1::bigint >> 32) & 4294967295 AND objid::bigint = $1::bigint & 4294967295",
        key,
    )
    assert len(cut) == 1
    await connection.close()


async def test_leadership_is_one_at_a_time_and_ends_with_its_connection(database: str) -> None:
    async with Leadership(database, "x") as first, Leadership(database, "x") as second:
        assert await first.acquire(0)
        assert not await second.acquire(0)
        async with Leadership(database, "another") as other:
            assert await other.acquire(0)
        await cut_off_the_holder(database, "x")

        async def follows() -> bool:
            return await second.acquire(0)

        await until(follows)
        assert second.held

        async def knows() -> bool:
            return not first.held

        await until(knows)
        assert not await first.acquire(0)
    async with Leadership(database, "x") as third:
        assert await third.acquire(2)
