"""The keyring itself: what the HTTP API and, on one machine, other services in the process call."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from homeward.common.contracts import KeysHandedOut, SubjectErased
from homeward.common.ids import new_id
from homeward.common.keys import ClassKeys, Erased, KeySet
from homeward.common.parts import Parts
from homeward.common.secret_files import SecretUnusable
from homeward.common.tx import Tx

from . import store
from .domain import ANOTHER, Kek, KekUnusable, class_keys, held_of, new_data_key
from .kek_files import KekFiles

OWN = "keyring"
OWN_SUBJECT = f"service:{OWN}"
_SUBJECTS_PER_EVENT = 1_000


class LocalKeyring:
    """The keyring as one caller may use it."""

    def __init__(
        self, parts: Callable[[], Parts], files: KekFiles, caller: str, classes: Collection[str]
    ) -> None:
        self._parts = parts
        self._files = files
        self.name = caller
        self._classes = frozenset(classes)

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """As :meth:`.Keyring.class_keys`. The hand-out is recorded before the keys leave; the keyring's
        own keys, by which it seals that record, are the exception."""
        wanted = sorted(set(subjects))
        # The files before the keys: what a rotation rewraps in between is then opened by what was there.
        keks = held_keks(self._files)
        async with self._transaction(f"service:{self.name}") as tx:
            if create:
                await store.lock_against_erasure(tx.db, erasing=False)
            # Keys first: an erasure that commits in between is then seen as one, never as nobody.
            wrapped = await store.wrapped_keys(tx.db, wanted)
            erased = await store.erased_among(tx.db, wanted)
            missing = [s for s in wanted if s not in erased and s not in wrapped]
            if create and missing:
                await self._create(missing, tx)
                wrapped.update(await store.wrapped_keys(tx.db, missing))
            opened = {s: self._open(s, wrapped[s], keks) for s in sorted(wrapped.keys() - erased.keys())}
            self._record(list(opened), tx)
        return {**{s: Erased(at) for s, at in erased.items()}, **opened}

    async def erase(self, subjects: Collection[str], *, person_id: str, actor: str) -> datetime:
        """As :meth:`.Keyring.erase`; effective when this returns, whoever hears of it later. Again for
        the same subjects it gives the time it was done."""
        async with self._transaction(actor) as tx:
            await store.lock_against_erasure(tx.db, erasing=True)
            if newly := await store.destroy(tx.db, subjects, tx.now):
                tx.emit(
                    SubjectErased(
                        erasure_id=new_id(),
                        subjects=tuple(sorted(newly)),
                        person_id=UUID(person_id),
                        erased_at=tx.now,
                        kek_ids=tuple(sorted({kek_id for kek_id in newly.values() if kek_id})),
                    )
                )
            return max((await store.erased_among(tx.db, subjects)).values())

    @asynccontextmanager
    async def _transaction(self, actor: str) -> AsyncIterator[Tx]:
        """A transaction of the keyring's. The keys that seal what it emits are fetched before it opens:
        fetched within, by a transaction of their own, they would wait for the lock that this one holds."""
        parts = self._parts()
        if self.name != OWN:
            await parts.keyring.class_keys([OWN_SUBJECT], create=True)
        async with parts.transaction(actor) as tx:
            yield tx

    async def _create(self, subjects: Collection[str], tx: Tx) -> None:
        """Under the lock by which a rotation changes which key-encryption key is the current one."""
        current = await store.current_kek(tx.db)
        if current is None:
            await store.add_kek(tx.db, self._files.first().id, tx.now)
            current = await store.current_kek(tx.db)
        kek = held_keks(self._files).get(current or "")
        if kek is None:
            raise KekUnusable(ANOTHER)
        fresh = {s: kek.wrap(s, new_data_key()) for s in subjects}
        await store.create_keys(tx.db, kek.id, fresh, tx.now)

    def _open(self, subject: str, wrapped: store.Wrapped, keks: Mapping[str, Kek]) -> ClassKeys:
        kek = keks.get(wrapped.kek_id) or held_keks(self._files).get(wrapped.kek_id)
        if kek is None:
            raise KekUnusable(ANOTHER)
        held = held_of(subject, self.name, self._classes)
        return class_keys(kek.unwrap(subject, wrapped.key), held)

    def _record(self, subjects: Sequence[str], tx: Tx) -> None:
        if self.name == OWN:
            return
        classes = tuple(sorted(self._classes))
        for start in range(0, len(subjects), _SUBJECTS_PER_EVENT):
            part = tuple(subjects[start : start + _SUBJECTS_PER_EVENT])
            tx.emit(KeysHandedOut(service=self.name, classes=classes, subjects=part))


async def erase_again(erased: SubjectErased, tx: Tx) -> None:
    """In a restored database: what was destroyed is destroyed, whatever the backup still held. (Keys that
    were made after the backup are lost, with all they sealed: this database should never be rolled back.)"""
    await store.destroy(tx.db, erased.subjects, erased.erased_at)


def held_keks(files: KekFiles) -> dict[str, Kek]:
    """The key-encryption keys by id; KekUnusable, which is waited for, if they cannot be read."""
    try:
        return files.read()
    except SecretUnusable as error:
        raise KekUnusable(str(error)) from None
