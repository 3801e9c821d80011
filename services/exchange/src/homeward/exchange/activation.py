"""Which policies decide: the set activated last, kept in the database so that every process has the same.

The set that comes with a release decides until an operator has activated one; from then on only an
operator changes it, whatever release is running.
"""

from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import PolicyActivated
from homeward.common.tx import Tx

from .judge import Judge
from .policies import PoliciesRefused, PolicySet
from .store import partners as registry
from .store import policy_sets

Origin = Literal["release", "operator"]


class PoliciesSuperseded(ConnectionError):
    """The policies that decide were written for another release than this process is of, which is about to
    be replaced. A kind of ConnectionError, so that the runtime waits."""


async def follow(judge: Judge, db: AsyncConnection) -> None:
    """Have ``judge`` decide by the set activated last; PoliciesSuperseded if it cannot.

    It never goes back: somebody who looked earlier may come here later.
    """
    newest = await policy_sets.newest(db)
    if newest is None or newest.position <= judge.position:
        return
    if newest.digest != judge.policies.digest:
        judge.adopt(await _usable(newest.digest, db))
    judge.position = newest.position


async def _usable(digest: str, db: AsyncConnection) -> PolicySet:
    known = await policy_sets.last_activation(db, digest)
    if known is not None and known.texts is not None:
        try:
            policies = PolicySet.of(known.texts)
        except PoliciesRefused:
            raise PoliciesSuperseded("the active policies are not for this release") from None
        if policies.digest == digest:  # it covers what the release adds
            return policies
    raise PoliciesSuperseded("the active policies are not for this release")


async def activate(policies: PolicySet, origin: Origin, tx: Tx, reason: str | None = None) -> None:
    """Have this set decide from now on, and everything be decided again by it in the background; nothing
    changes if it decides already.

    Whoever decides or hands out a page at the moment is waited for, and no page is handed out later that
    rests on the former set. Call :func:`.partners.change` first.
    """
    newest = await policy_sets.newest(tx.db)
    if newest is not None and newest.digest == policies.digest:
        return
    await policy_sets.add(
        tx.db,
        {
            "digest": policies.digest,
            "policies": list(policies.ids),
            "texts": dict(policies.texts),
            "frame": dict(policies.frame),
            "origin": origin,
            "reason": reason,
            "activated_by": tx.actor,
            "activated_at": tx.now,
        },
    )
    tx.emit(
        PolicyActivated(
            digest=policies.digest,
            policies=policies.ids,
            origin=origin,
            reason=reason,
            texts=dict(policies.texts),
            frame=dict(policies.frame),
        )
    )
    if newest is not None or origin == "operator":
        await registry.revise_all(tx.db)
        await registry.start_sweep(tx.db, "policies activated", tx.now)
