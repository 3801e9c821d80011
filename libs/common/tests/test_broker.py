"""What a broker promises, whichever it is."""

import asyncio

import pytest

from homeward.common.broker import Broker, BrokerUnavailable, TopicPartition, lag, open_broker
from homeward.common.envelope import Received, Record

from .carrying import fresh, new_topic, numbered, numbers, per_key, read_as, record, take, values


async def test_records_arrive_as_they_were_sent(broker: Broker) -> None:
    topic = await new_topic(broker)
    headers = (("ce_id", b"1"), ("ce_subject", "林佐伊".encode()), ("content-type", b"\xff\x00"))
    sent = Record(topic, b"\xe6\x9e\x97", headers, b"\x00\xff not JSON")
    await broker.publish([sent])
    [received] = await read_as(broker, fresh("group"), topic, 1)
    assert (received.topic, received.key, received.headers, received.value) == (
        sent.topic, sent.key, sent.headers, sent.value,
    )  # fmt: skip
    assert received.offset == 0


async def test_records_of_one_key_keep_their_order(broker: Broker) -> None:
    topic = await new_topic(broker)
    for start in range(0, 300, 100):
        await broker.publish(numbered(topic, 100, keys=7, start=start))
    read = await read_as(broker, fresh("group"), topic, 300)
    assert per_key(read) == {f"key-{k}".encode(): list(range(k, 300, 7)) for k in range(7)}


async def test_writers_at_once_lose_and_mix_up_nothing(broker: Broker, broker_url: str) -> None:
    topic = await new_topic(broker)
    writers = [broker, *(open_broker(broker_url) for _ in range(2))]

    async def write(writer: int) -> None:
        for start in range(writer * 1000, writer * 1000 + 60, 20):
            await writers[writer].publish(numbered(topic, 20, keys=6, start=start))

    await asyncio.gather(*map(write, range(3)))
    for other in writers[1:]:
        await other.close()
    read = await read_as(broker, fresh("group"), topic, 180)
    assert numbers(read) == [writer * 1000 + n for writer in range(3) for n in range(60)]
    for in_order in per_key(read).values():
        for writer in range(3):
            of_one = [n for n in in_order if n // 1000 == writer]
            assert of_one == sorted(of_one)
    for at, end in (await broker.end_positions([topic])).items():
        assert [r.offset for r in await broker.read(at, 0, 200)] == list(range(end))


async def test_a_key_always_goes_to_the_same_partition_and_keys_spread(broker: Broker) -> None:
    topic = await new_topic(broker)
    await broker.publish(numbered(topic, 60, keys=20))
    read = await read_as(broker, fresh("group"), topic, 60)
    assert {r.partition for r in read} == {0, 1, 2}
    assert all(len(set(p)) == 1 for p in per_key(read, lambda r: r.partition).values())


async def test_groups_are_independent_and_a_new_one_starts_at_the_beginning(broker: Broker) -> None:
    topic, early, late = await new_topic(broker), fresh("group"), fresh("group")
    await broker.publish(numbered(topic, 20))
    assert numbers(await read_as(broker, early, topic, 20)) == list(range(20))
    await broker.publish(numbered(topic, 5, start=20))
    assert numbers(await read_as(broker, early, topic, 5)) == list(range(20, 25))
    assert numbers(await read_as(broker, late, topic, 25)) == list(range(25))


async def test_after_a_crash_what_was_not_committed_is_read_again_and_no_more(broker: Broker) -> None:
    topic, group = await new_topic(broker), fresh("group")
    await broker.publish(numbered(topic, 10, keys=1))
    async with broker.subscribe(group, [topic]) as subscription:
        assert values(await take(subscription, 4)) == ["0", "1", "2", "3"]
        assert values(await take(subscription, 6, commit=False)) == ["4", "5", "6", "7", "8", "9"]
    assert values(await read_as(broker, group, topic, 6)) == ["4", "5", "6", "7", "8", "9"]


async def test_a_reader_waits_for_what_is_yet_to_come(broker: Broker) -> None:
    topic = await new_topic(broker)
    async with broker.subscribe(fresh("group"), [topic]) as subscription:
        assert await subscription.poll(10, 0.1) == []
        reading = asyncio.ensure_future(take(subscription, 3))
        await broker.publish(numbered(topic, 3, keys=1))
        assert values(await reading) == ["0", "1", "2"]


async def test_a_group_reads_several_topics(broker: Broker) -> None:
    topics = [await new_topic(broker), await new_topic(broker)]
    await broker.publish(numbered(topics[0], 5) + numbered(topics[1], 5, start=5))
    async with broker.subscribe(fresh("group"), topics) as subscription:
        assert numbers(await take(subscription, 10)) == list(range(10))


async def test_a_poll_gives_no_more_than_asked_for(broker: Broker) -> None:
    topic = await new_topic(broker)
    await broker.publish(numbered(topic, 50))
    async with broker.subscribe(fresh("group"), [topic]) as subscription:
        read: list[Received] = []
        while len(read) < 50:
            records = await subscription.poll(7, 1.0)
            assert len(records) <= 7
            read += records
    assert numbers(read) == list(range(50))


async def test_positions_and_lag_tell_how_far_a_group_is(broker: Broker) -> None:
    topic, group = await new_topic(broker), fresh("group")
    assert await broker.end_positions([topic]) == {TopicPartition(topic, p): 0 for p in range(3)}
    assert await broker.committed(group, [topic]) == {TopicPartition(topic, p): 0 for p in range(3)}
    await broker.publish(numbered(topic, 30))
    assert sum((await broker.end_positions([topic])).values()) == 30
    assert await lag(broker, group, [topic]) == 30
    read = await read_as(broker, group, topic, 12)
    done = await broker.committed(group, [topic])
    assert done == {TopicPartition(topic, p): sum(r.partition == p for r in read) for p in range(3)}
    assert await lag(broker, group, [topic]) == 18


async def test_positions_of_no_topic_or_an_unknown_one_are_none(broker: Broker) -> None:
    await new_topic(broker)
    unknown = fresh()
    assert await broker.end_positions([]) == {}
    assert await broker.end_positions([unknown]) == {}
    assert await broker.committed(fresh("group"), [unknown]) == {}


async def test_a_record_is_found_again_by_its_place(broker: Broker) -> None:
    topic = await new_topic(broker)
    await broker.publish(numbered(topic, 10, keys=1))
    [at] = [at for at, end in (await broker.end_positions([topic])).items() if end]
    assert values(await broker.read(at, 4, 3)) == ["4", "5", "6"]
    assert values(await broker.read(at, 8, 100)) == ["8", "9"]
    assert await broker.read(at, 10, 5) == []
    assert await broker.read(at, 99, 5) == []


async def test_a_large_record_passes(broker: Broker) -> None:
    topic = await new_topic(broker)
    large = record(topic, "key-1", "x" * (5 << 20))
    await broker.publish([*numbered(topic, 2, keys=2), large, *numbered(topic, 2, keys=2, start=2)])
    read = await read_as(broker, fresh("group"), topic, 5)
    assert [r for r in read if len(r.value) > 5] == [r for r in read if r.value == large.value] != []


async def test_topics_are_made_once_and_by_several_at_once(broker: Broker, broker_url: str) -> None:
    topics = [fresh(), fresh()]
    others = [open_broker(broker_url, partitions=3) for _ in range(3)]
    await asyncio.gather(*(b.ensure_topics(topics) for b in [broker, *others]))
    await broker.publish(numbered(topics[0], 9))
    more = open_broker(broker_url, partitions=5)
    await more.ensure_topics([*topics, fresh()])
    assert {at.partition for at in await more.end_positions(topics)} == {0, 1, 2}
    assert sum((await more.end_positions(topics)).values()) == 9
    for one in [*others, more]:
        await one.close()


async def test_a_topic_nobody_made_is_an_error_and_not_a_hang(broker: Broker) -> None:
    await new_topic(broker)
    unknown = fresh()
    async with asyncio.timeout(15):
        with pytest.raises(BrokerUnavailable):
            await broker.publish([record(unknown, "key", "1")])
        with pytest.raises(BrokerUnavailable):
            await broker.read(TopicPartition(unknown, 0), 0, 1)
        with pytest.raises(BrokerUnavailable):
            async with broker.subscribe(fresh("group"), [unknown]) as subscription:
                await subscription.poll(1, 0.1)
    assert unknown not in {at.topic for at in await broker.end_positions([unknown])}


async def test_nothing_to_publish_is_nothing_done(broker: Broker) -> None:
    await new_topic(broker)
    await broker.publish([])


async def test_a_closed_broker_opens_again(broker: Broker) -> None:
    topic = await new_topic(broker)
    await broker.close()
    await broker.publish(numbered(topic, 1))
    assert sum((await broker.end_positions([topic])).values()) == 1
