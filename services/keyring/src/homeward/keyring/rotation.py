"""Changing the key-encryption key: every live data key is wrapped anew, then the former key is destroyed.

Erasing deletes a wrapped data key from the database, not from its write-ahead log and backups. Those are
unreadable once the key that wrapped it is gone, which is what this is for.

Every step can be done again, so a rotation that was killed goes on where it was at the next try:

1. the next key is made, on disk, before anything is wrapped by it (``kek.next``);
2. the database says that it is the current one; from then on new data keys are wrapped by it;
3. page by page the live data keys are rewrapped; each names the key it is wrapped by, and both are read;
4. only when every live data key was seen to open under the new key is the former one destroyed.

Where the files are mounted by somebody else (Kubernetes) the next key is placed by that somebody before,
and the former one is taken away after step 3; then the same command finds it gone, and says so.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from homeward.common.contracts import KekDestroyed, KeysRewrapped
from homeward.common.leadership import Leadership
from homeward.common.parts import Parts

from . import store
from .domain import ANOTHER, Kek, KekUnusable
from .kek_files import FilesNotOurs, KekFiles
from .keyring import held_keks

log = logging.getLogger(__name__)
PAGE = 1_000
_BETWEEN_PASSES = 0.05


class RotationRefused(Exception):
    """It cannot begin; the message says why and what to do."""


class RotationUnderWay(RotationRefused):
    """Another process is at it."""


@dataclass(frozen=True)
class Rotated:
    """How far it came: all live ``keys`` are wrapped by ``kek_id``. ``destroyed_at`` is None while the
    former key is still there and not ours to take away."""

    kek_id: str
    former_kek_id: str
    keys: int
    destroyed_at: datetime | None


class Rotation:
    """Made once for a process."""

    def __init__(self, parts: Callable[[], Parts], files: KekFiles) -> None:
        self._get_parts = parts
        self._files = files

    @property
    def _parts(self) -> Parts:
        return self._get_parts()

    async def run(self, actor: str, *, page: int = PAGE) -> Rotated:
        """Finish the rotation that is under way, else do another. RotationRefused, KekUnusable, and what
        the database raises; whatever came of it, nothing is lost and it can be run again."""
        async with Leadership(self._parts.settings.direct_database_url, "kek rotation") as alone:
            if not await alone.acquire(0):
                raise RotationUnderWay("The key-encryption key is being changed by another process.")
            former = await self._leaving() or await self._begin(actor)
            kek = await self._current()
            if former.rewrapped_at is None:
                await self._rewrap(former.kek_id, kek, page)
            keys = await self._check(kek, page)
            await self._say_rewrapped(former.kek_id, kek.id, keys, actor)
            return Rotated(kek.id, former.kek_id, keys, await self._destroy(former.kek_id, kek.id, actor))

    async def _leaving(self) -> "sa.Row[Any] | None":
        async with self._parts.engine.connect() as db:
            return await store.leaving_kek(db)

    async def _current(self) -> Kek:
        async with self._parts.engine.connect() as db:
            kek = held_keks(self._files).get(await store.current_kek(db) or "")
        if kek is None:
            raise KekUnusable(ANOTHER)
        return kek

    async def _begin(self, actor: str) -> "sa.Row[Any]":
        """Steps 1 and 2; the key that is to go."""
        async with self._parts.transaction(actor) as tx:
            # Of a keyring that has wrapped nothing yet, too: its file may have been copied.
            await store.lock_against_erasure(tx.db, erasing=True)
            await store.add_kek(tx.db, self._files.first().id, tx.now)
        former = await self._current()
        try:
            following = self._files.next() or self._files.make_next()
        except FilesNotOurs:
            raise RotationRefused(
                f"The next key cannot be made here: put a fresh one beside {self._files.path}, as "
                f"{self._files.next_path.name}. See docs/operations.md."
            ) from None
        async with self._parts.transaction(actor) as tx:
            # Nobody is creating keys meanwhile, so none is wrapped by the former key after this commits.
            await store.lock_against_erasure(tx.db, erasing=True)
            await store.date_kek(tx.db, former.id, "retired_at", tx.now)
            if not await store.add_kek(tx.db, following.id, tx.now):
                raise RotationRefused(
                    f"{self._files.next_path} holds a key that was used before; put a fresh one there."
                )
            leaving = await store.leaving_kek(tx.db)
        assert leaving is not None
        return leaving

    async def _rewrap(self, former_id: str, kek: Kek, page: int) -> None:
        """Step 3. What was passed over because it is being erased is looked for again at the end."""
        former = held_keks(self._files).get(former_id)
        while await self._any_under(former_id):
            if former is None:
                raise KekUnusable(ANOTHER)
            after, count = "", 0
            while wrapped := await self._rewrap_page(former, kek, after, page):
                after, count = wrapped[-1], count + len(wrapped)
                log.info("rewrapping: %d keys", count)
            await asyncio.sleep(_BETWEEN_PASSES)

    async def _rewrap_page(self, former: Kek, kek: Kek, after: str, page: int) -> list[str]:
        """One transaction; the subjects whose keys it rewrapped, in the database's order."""
        async with self._parts.engine.begin() as db:
            wrapped = await store.lock_keys_under(db, former.id, after, page)
            opened = {s: former.unwrap(s, wrapped[s].key) for s in wrapped}
            await store.rewrap(db, kek.id, {s: kek.wrap(s, opened[s]) for s in opened})
        return list(opened)

    async def _any_under(self, kek_id: str) -> bool:
        async with self._parts.engine.connect() as db:
            return await store.any_under(db, kek_id)

    async def _check(self, kek: Kek, page: int) -> int:
        """Open every live data key as it is in the database; how many there are."""
        after, count = "", 0
        async with self._parts.engine.connect() as db:
            while wrapped := await store.page_of_keys(db, after, page):
                for subject, kept in wrapped.items():
                    kek.unwrap(subject, kept.key)
                after, count = next(reversed(wrapped)), count + len(wrapped)
        return count

    async def _say_rewrapped(self, former_id: str, kek_id: str, keys: int, actor: str) -> None:
        async with self._parts.transaction(actor) as tx:
            # A commit that is not on disk yet could be lost with the machine, the former key being gone by
            # then. This one takes all earlier ones with it.
            await tx.db.execute(sa.text("SET LOCAL synchronous_commit = on"))
            if await store.date_kek(tx.db, former_id, "rewrapped_at", tx.now):
                tx.emit(KeysRewrapped(kek_id=kek_id, former_kek_id=former_id, keys=keys, rewrapped_at=tx.now))

    async def _destroy(self, former_id: str, kek_id: str, actor: str) -> datetime | None:
        """Step 4; when it was done, None if it is not ours to do."""
        try:
            self._files.keep_only(kek_id)
        except FilesNotOurs:
            log.info("the former key is not ours to destroy")
        if former_id in held_keks(self._files):
            return None
        async with self._parts.transaction(actor) as tx:
            if await store.date_kek(tx.db, former_id, "destroyed_at", tx.now):
                tx.emit(KekDestroyed(kek_id=former_id, destroyed_at=tx.now))
            return tx.now
