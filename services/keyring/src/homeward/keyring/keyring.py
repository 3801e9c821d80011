"""The keyring itself: what the HTTP API and, on one machine, other services in the process call."""

from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

from homeward.common.contracts import KeysHandedOut, SubjectErased
from homeward.common.ids import new_id
from homeward.common.keys import ClassKeys, Erased, KeySet
from homeward.common.parts import Parts

from . import store
from .domain import Kek, class_keys, new_data_key

OWN = "keyring"
_SUBJECTS_PER_EVENT = 1_000


class LocalKeyring:
    """The keyring as one caller may use it."""

    def __init__(self, parts: Callable[[], Parts], kek: Kek, caller: str, classes: Collection[str]) -> None:
        self._parts = parts
        self._kek = kek
        self.name = caller
        self._classes = frozenset(classes)

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """As :meth:`.Keyring.class_keys`. The hand-out is recorded before the keys leave; the keyring's
        own keys, by which it seals that record, are the exception."""
        wanted = sorted(set(subjects))
        async with self._parts().transaction(f"service:{self.name}") as tx:
            if create:
                await store.lock_against_erasure(tx.db, erasing=False)
            erased = await store.erased_among(tx.db, wanted)
            wrapped = await store.wrapped_keys(tx.db, wanted)
            missing = [s for s in wanted if s not in erased and s not in wrapped]
            if create and missing:
                fresh = {s: self._kek.wrap(s, new_data_key()) for s in missing}
                await store.create_keys(tx.db, self._kek.id, fresh, tx.now)
                wrapped.update(await store.wrapped_keys(tx.db, missing))
            handed = sorted(wrapped.keys() - erased.keys())
            if self.name != OWN:
                for start in range(0, len(handed), _SUBJECTS_PER_EVENT):
                    part = tuple(handed[start : start + _SUBJECTS_PER_EVENT])
                    classes = tuple(sorted(self._classes))
                    tx.emit(KeysHandedOut(service=self.name, classes=classes, subjects=part))
        found: dict[str, ClassKeys | Erased] = {s: Erased(at) for s, at in erased.items()}
        for subject in handed:
            found[subject] = class_keys(self._kek.unwrap(subject, wrapped[subject]), self._classes)
        return found

    async def erase(self, subjects: Collection[str], *, person_id: str, actor: str) -> datetime:
        """As :meth:`.Keyring.erase`; effective when this returns, whoever hears of it later."""
        async with self._parts().transaction(actor) as tx:
            await store.lock_against_erasure(tx.db, erasing=True)
            newly = await store.destroy(tx.db, subjects, tx.now)
            if newly:
                tx.emit(
                    SubjectErased(
                        erasure_id=new_id(),
                        subjects=tuple(sorted(newly)),
                        person_id=UUID(person_id),
                        erased_at=tx.now,
                    )
                )
        return tx.now
