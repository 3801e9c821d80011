"""What is remembered of keys is bounded, short-lived, and forgotten at an erasure."""

import asyncio
import hmac
from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from harness.world import MemoryKeyring
from homeward.common.keys import CachedKeyring, Erased, KeyringUnavailable, KeySet, expand, hmac_under


class Hour:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_expanded_as_rfc_5869_says() -> None:
    prk = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    # Appendix A.1, whose output of 42 bytes begins with this block; its info is not text, so step by step.
    assert expand(prk, "\x30") == expand(prk, "0") != expand(prk, "1")
    assert len(expand(prk, "")) == 32
    # Appendix A.3: no salt, no info.
    prk = bytes.fromhex("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")
    okm = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert expand(prk, "") == bytes.fromhex(okm)


def test_many_messages_under_one_key_have_the_hmac_of_each() -> None:
    key = bytes(range(32))
    under = hmac_under(key)
    for message in (b"", b"one", b"two" * 100):
        assert under(message) == hmac.digest(key, message, "sha256")


async def test_only_what_is_not_remembered_is_asked_for() -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner)
    first = await keyring.class_keys(["a", "b"], create=True)
    again = await keyring.class_keys(["b", "c", "a"], create=True)
    assert inner.asked == [{"a", "b"}, {"c"}]
    assert {s: again[s] for s in ("a", "b")} == first
    await keyring.class_keys(["a", "b", "c"], create=False)
    assert len(inner.asked) == 2


async def test_an_entry_lives_no_longer_than_its_time() -> None:
    inner, hour = MemoryKeyring(), Hour()
    keyring = CachedKeyring(inner, ttl=60, now=hour)
    await keyring.class_keys(["a"], create=True)
    hour.now += 60
    await keyring.class_keys(["a"], create=False)
    assert len(inner.asked) == 1
    hour.now += 0.1
    await keyring.class_keys(["a"], create=False)
    assert len(inner.asked) == 2
    hour.now += 60
    await keyring.class_keys(["a"], create=False)
    assert len(inner.asked) == 2


async def stocked(inner: MemoryKeyring) -> None:
    async with asyncio.timeout(10):
        while not inner.asked:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_whoever_is_new_has_keys_from_stock_without_a_call_of_the_keyring() -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner, stock=10)
    early = keyring.new_subject()  # nothing is there yet
    await stocked(inner)
    new = [keyring.new_subject() for _ in range(5)]
    assert len({early, *new}) == 6
    assert len(inner.asked) == 1
    found = await keyring.class_keys(list(map(str, new)), create=True)
    assert len(inner.asked) == 1
    assert found == await inner.class_keys(list(map(str, new)), create=False)


async def test_a_keyring_that_is_away_has_no_stock_and_stocks_up_when_it_is_back() -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner, stock=10)
    inner.away = True
    keyring.new_subject()
    await asyncio.sleep(0)
    with pytest.raises(KeyringUnavailable):
        await keyring.class_keys([str(keyring.new_subject())], create=True)
    inner.away = False
    await asyncio.sleep(0)
    keyring.new_subject()
    await stocked(inner)
    await keyring.class_keys([str(keyring.new_subject())], create=True)
    assert len(inner.asked) == 1


async def test_no_more_is_remembered_than_its_size_and_the_newest_stay() -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner, size=10)
    many = [f"{n:03}" for n in range(50)]
    assert (await keyring.class_keys(many, create=True)).keys() == set(many)
    inner.asked.clear()
    await keyring.class_keys(many, create=False)
    assert inner.asked == [set(many[:40])]


async def test_absence_and_erasure_are_not_remembered() -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner)
    assert await keyring.class_keys(["a"], create=False) == {}
    assert "a" in await keyring.class_keys(["a"], create=True)
    inner.erased["b"] = datetime.now(UTC)
    for _ in range(2):
        assert isinstance((await keyring.class_keys(["b"], create=True))["b"], Erased)
    assert inner.asked.count(frozenset({"b"})) == 2


async def test_a_keyring_that_is_away_leaves_what_is_remembered() -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner)
    await keyring.class_keys(["a"], create=True)
    inner.away = True
    assert "a" in await keyring.class_keys(["a"], create=True)
    with pytest.raises(KeyringUnavailable):
        await keyring.class_keys(["a", "b"], create=True)


async def test_what_is_forgotten_is_asked_for_again() -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner)
    await keyring.class_keys(["a", "b"], create=True)
    keyring.forget(["a", "nobody"])
    await keyring.class_keys(["a", "b"], create=True)
    assert inner.asked[1:] == [{"a"}]


@pytest.mark.parametrize("fails", [False, True])
async def test_an_erasure_is_forgotten_here_at_once_even_if_its_answer_was_lost(fails: bool) -> None:
    inner = MemoryKeyring()
    keyring = CachedKeyring(inner)
    await keyring.class_keys(["a"], create=True)
    person = "00000000-0000-0000-0000-000000000001"
    if fails:
        await inner.erase(["a"], person_id=person, actor="client:x")
        inner.away = True
        with pytest.raises(KeyringUnavailable):
            await keyring.erase(["a"], person_id=person, actor="client:x")
        inner.away = False
    else:
        await keyring.erase(["a"], person_id=person, actor="client:x")
    assert isinstance((await keyring.class_keys(["a"], create=True))["a"], Erased)


class Slow(MemoryKeyring):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_once, self.may_answer = asyncio.Event(), asyncio.Event()

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        found = await super().class_keys(subjects, create=create)
        self.asked_once.set()
        await self.may_answer.wait()
        return found


async def test_keys_on_their_way_during_an_erasure_are_not_remembered() -> None:
    inner = Slow()
    keyring = CachedKeyring(inner)
    asking = asyncio.ensure_future(keyring.class_keys(["a"], create=True))
    await inner.asked_once.wait()
    await inner.erase(["a"], person_id="00000000-0000-0000-0000-000000000001", actor="client:x")
    keyring.forget(["a"])  # as when the event of the erasure is heard
    inner.may_answer.set()
    await asking
    assert isinstance((await keyring.class_keys(["a"], create=False))["a"], Erased)
