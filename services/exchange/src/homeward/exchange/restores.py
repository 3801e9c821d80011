"""What makes of exchange's own events the register and the partners they tell of, in a restored database.

Feeds are not among it: what partners are given is decided afresh from the facts, and they read it from
the beginning (their cursors are of another epoch). What must not be forgotten is what narrows: a consent
withdrawn, an objection, a hold, a suspension, a stricter policy.
"""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from homeward.common.contracts import (
    ConsentGranted,
    ConsentWithdrawn,
    Event,
    HoldLifted,
    HoldPlaced,
    ObjectionRaised,
    ObjectionWithdrawn,
    PartnerAccessChanged,
    PartnerChanged,
    PartnerStageChanged,
    PolicyActivated,
)
from homeward.common.parts import Handler
from homeward.common.tx import Tx

from .federation import kid_of
from .store import cases, clients, facts, policy_sets, register
from .store import partners as registry


async def on_partner_changed(event: PartnerChanged, tx: Tx) -> None:
    """The partner is registered as it was."""
    if event.profile is None:
        return
    await _decide_again(tx)
    known = event.profile.model_dump(mode="json", exclude={"public_jwk"})
    row = known | {"agency": event.agency, "revision": event.revision}
    await registry.put_partner(tx.db, row | {"registered_at": tx.handled.envelope.time})
    await clients.put_client(tx.db, event.agency, event.agency, "partner")
    jwk = event.profile.public_jwk
    if jwk and event.change in {"registered", "key-rotated"}:
        await clients.put_key(tx.db, event.agency, kid_of(jwk), jwk, tx.handled.envelope.time)


async def on_partner_access_changed(event: PartnerAccessChanged, tx: Tx) -> None:
    """The partner asks for tokens by the keys it had, and by none that was revoked."""
    await clients.put_client(tx.db, event.agency, event.agency, "partner", event.dpop)
    rows = [{"kid": kid_of(key.jwk), **key.model_dump(mode="python")} for key in event.keys]
    await clients.put_keys(tx.db, event.agency, rows)


async def on_partner_stage_changed(event: PartnerStageChanged, tx: Tx) -> None:
    """The partner is in that part of its life."""
    at = tx.handled.envelope.time
    stages: dict[str, dict[str, Any]] = {
        "sandbox": {"sandbox": True},
        "live": {"sandbox": False},
        "leaving": {"leaving_since": at},
        "left": {"left_at": at, "left_event": tx.handled.envelope.id, "suspended": True},
    }
    await _decide_again(tx)
    await registry.change_stage(tx.db, event.agency, **stages[event.stage])


async def on_policy_activated(event: PolicyActivated, tx: Tx) -> None:
    """What was activated last decides, as if it had never been forgotten."""
    await _decide_again(tx)
    row = event.model_dump(mode="json", include={"digest", "policies", "texts", "origin", "reason"})
    envelope = tx.handled.envelope
    await policy_sets.add(tx.db, row | {"activated_by": envelope.actor, "activated_at": envelope.time})


async def on_consent_granted(event: ConsentGranted, tx: Tx) -> None:
    """The consent holds."""
    await _decide_again(tx, event.person_id)
    row = event.model_dump(mode="python") | {"obtained_at": tx.handled.envelope.time}
    row["classes"] = [str(name) for name in event.classes]
    await register.add_consents(tx.db, [row])


async def on_consent_withdrawn(event: ConsentWithdrawn, tx: Tx) -> None:
    """The consent does not hold; one that was stated with a report may come again only after this."""
    await _decide_again(tx, event.person_id)
    at = tx.handled.envelope.time
    await register.withdraw_unseen(
        tx.db,
        {
            "consent_id": event.consent_id,
            "recipient": event.recipient,
            "purpose": event.purpose or "",
            "classes": [],
            "given_by": "",
            "obtained_at": at,
            "withdrawn_at": at,
        },
    )


async def on_restricted(event: HoldPlaced | ObjectionRaised, tx: Tx) -> None:
    """The hold or objection is in force."""
    await _decide_again(tx, event.person_id)
    at = tx.handled.envelope.time
    await register.restrict(tx.db, event.person_id, event.recipient, _kind(event), at)


async def on_unrestricted(event: HoldLifted | ObjectionWithdrawn, tx: Tx) -> None:
    """It is not any more."""
    await _decide_again(tx, event.person_id)
    await register.unrestrict(tx.db, event.person_id, event.recipient, _kind(event))


async def _decide_again(tx: Tx, *person_ids: UUID) -> None:
    """What was decided of these persons rests on older facts; the background tells whoever read it."""
    await facts.add_persons(tx.db, person_ids)
    await cases.lock(tx.db, person_ids)
    await cases.revise(tx.db, person_ids)
    if "sweep started" not in tx.scratch:
        tx.scratch["sweep started"] = True
        await registry.start_sweep(tx.db, "database restored", tx.now)


def _kind(event: Event) -> Literal["hold", "objection"]:
    return "hold" if isinstance(event, HoldPlaced | HoldLifted) else "objection"


RESTORES: Mapping[type[Event], Handler] = {
    PartnerChanged: on_partner_changed,
    PartnerAccessChanged: on_partner_access_changed,
    PartnerStageChanged: on_partner_stage_changed,
    PolicyActivated: on_policy_activated,
    ConsentGranted: on_consent_granted,
    ConsentWithdrawn: on_consent_withdrawn,
    HoldPlaced: on_restricted,
    ObjectionRaised: on_restricted,
    HoldLifted: on_unrestricted,
    ObjectionWithdrawn: on_unrestricted,
}
