"""A broker that is not there, or not yet, is unavailable: no other error, and no hang."""

import asyncio

import pytest

from harness.ports import free_port
from harness.postgres import Postgres
from homeward.common.broker import BrokerUnavailable, open_broker

from .carrying import every_method, fresh, new_topic, numbered, numbers, read_as, take

METHODS = list(every_method(open_broker("kafka://nowhere"), ""))


@pytest.mark.parametrize("url", ["kafka://127.0.0.1:{}", "postgresql://127.0.0.1:{}/log"])
@pytest.mark.parametrize("method", METHODS)
async def test_where_nobody_listens(url: str, method: str) -> None:
    broker = open_broker(url.format(free_port()))
    async with asyncio.timeout(5):
        with pytest.raises(BrokerUnavailable):
            await every_method(broker, "topic")[method]()
        await broker.close()


@pytest.mark.parametrize("method", [name for name in METHODS if name != "ensure_topics"])
async def test_an_embedded_log_that_is_not_set_up(database: str, method: str) -> None:
    broker = open_broker(database)
    with pytest.raises(BrokerUnavailable):
        await every_method(broker, "topic")[method]()
    await every_method(broker, "topic")["ensure_topics"]()
    await every_method(broker, "topic")[method]()
    await broker.close()


@pytest.mark.parametrize("crash", [False, True], ids=["in good order", "killed"])
async def test_an_embedded_log_that_was_away_serves_again(
    database: str, postgres: Postgres, crash: bool
) -> None:
    broker = open_broker(database)
    topic, group = await new_topic(broker), fresh("group")
    await broker.publish(numbered(topic, 10, keys=1))
    async with broker.subscribe(group, [topic]) as subscription:
        await take(subscription, 5)
        if crash:
            postgres.kill()
            for call in every_method(broker, topic).values():
                with pytest.raises(BrokerUnavailable):
                    await call()
            with pytest.raises(BrokerUnavailable):
                await subscription.poll(10, 0.1)
        await asyncio.to_thread(postgres.restart)
        read: list[int] = []
        async with asyncio.timeout(10):
            while len(read) < 5:
                try:
                    read += numbers(await subscription.poll(10, 0.2))
                except BrokerUnavailable:
                    await asyncio.sleep(0.05)
        assert read == [5, 6, 7, 8, 9]
    assert numbers(await read_as(broker, fresh("group"), topic, 10)) == list(range(10))
    await broker.close()


@pytest.mark.parametrize("url", ["", "redis://localhost", "kafka:localhost:9092", "http://localhost"])
def test_only_the_two_kinds_of_broker_are_known(url: str) -> None:
    with pytest.raises(ValueError, match="must start with kafka:// or postgresql://"):
        open_broker(url)
