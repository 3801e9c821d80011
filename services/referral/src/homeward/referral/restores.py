"""What makes of referral's own events the cases and referrals they tell of, in a restored database."""

from collections.abc import Mapping

from homeward.common.contracts import (
    CaseClosed,
    CaseOpened,
    Event,
    ReferralAccepted,
    ReferralCompleted,
    ReferralOpened,
    ReferralRejected,
    ReferralRevoked,
)
from homeward.common.parts import Handler
from homeward.common.tx import Tx

from . import store
from .domain import ERASED, State
from .store import Case

Moved = ReferralAccepted | ReferralRejected | ReferralCompleted | ReferralRevoked
STATES: Mapping[type[Event], State] = {
    ReferralAccepted: State.ACCEPTED,
    ReferralRejected: State.REJECTED,
    ReferralCompleted: State.DONE,
    ReferralRevoked: State.REVOKED,
}


async def on_case_opened(opened: CaseOpened, tx: Tx) -> None:
    """The case is there again."""
    case = Case(opened.case_id, opened.person_id, is_open=True)
    await store.add_cases(tx.db, [case], tx.handled.envelope.time)


async def on_case_closed(closed: CaseClosed, tx: Tx) -> None:
    """The case is closed again."""
    case = Case(closed.case_id, closed.person_id, is_open=False)
    await store.close_cases(tx.db, [case], closed.reason or ERASED, tx.handled.envelope.time)


async def on_referral_opened(opened: ReferralOpened, tx: Tx) -> None:
    """The referral is there again. Who asked cannot be told any more once the person is erased."""
    at = tx.handled.envelope.time
    await store.add_referral(
        tx.db,
        referral_id=opened.referral_id,
        case_id=opened.case_id,
        receiving_agency=opened.receiving_agency,
        asking_organisation=opened.asking_organisation or "",
        classes=list(opened.classes),
        services=list(opened.services or ()),
        priority=opened.priority,
        state=State.IN_PROGRESS,
        opened_at=at,
        respond_by=opened.respond_by or at,
    )


async def on_referral_moved(event: Moved, tx: Tx) -> None:
    """The referral stands where it stood."""
    said = {"outcome": getattr(event, "outcome", None), "reason": getattr(event, "reason", None)}
    await store.move_referral(
        tx.db, event.referral_id, state=STATES[type(event)], moved_at=tx.handled.envelope.time, **said
    )


RESTORES: Mapping[type[Event], Handler] = {
    CaseOpened: on_case_opened,
    CaseClosed: on_case_closed,
    ReferralOpened: on_referral_opened,
    **dict.fromkeys(STATES, on_referral_moved),
}
