"""Cases and referrals: how they move, and how soon an answer is due. No I/O."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from homeward.common.contracts.referral import Priority, RejectionReason

FIRST_CASE_STATUS: Literal["Active"] = "Active"
"""HTCDS ``cas_Status`` of a case that is opened."""
CLOSED: Literal["Closed"] = "Closed"
FIRST_SEARCH_STATUS = "information_sought"
"""PFIF note status of a case that is opened."""
ERASED = "erased"
"""Why a case was closed: its person was erased."""


class State(StrEnum):
    """Where a referral stands (Primero's lifecycle)."""

    IN_PROGRESS = "in_progress"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DONE = "done"
    REVOKED = "revoked"


class Move(StrEnum):
    """What an organisation can do about a referral."""

    ACCEPT = "accept"
    REJECT = "reject"
    COMPLETE = "complete"
    REVOKE = "revoke"


MOVES: Mapping[tuple[State, Move], State] = {
    (State.IN_PROGRESS, Move.ACCEPT): State.ACCEPTED,
    (State.IN_PROGRESS, Move.REJECT): State.REJECTED,
    (State.IN_PROGRESS, Move.REVOKE): State.REVOKED,
    (State.ACCEPTED, Move.COMPLETE): State.DONE,
    (State.ACCEPTED, Move.REVOKE): State.REVOKED,
}
"""All legal moves; whatever is not here is refused."""

RESPOND_WITHIN: Mapping[Priority, timedelta] = {
    Priority.HOURS_24: timedelta(hours=24),
    Priority.HOURS_72: timedelta(hours=72),
    Priority.WEEKS_2: timedelta(weeks=2),
}


class IllegalMove(Exception):
    """A referral does not move so from where it stands."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state
        self.allowed = allowed(state)


def allowed(state: State) -> list[Move]:
    """The moves from ``state``, by whoever may make them."""
    return [move for (start, move) in MOVES if start is state]


def moved(state: State, move: Move) -> State:
    """Where ``move`` leads; IllegalMove if it is not one from ``state``."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise IllegalMove(state) from None


def respond_by(priority: Priority, opened_at: datetime) -> datetime:
    """When the receiver's answer is due."""
    return opened_at + RESPOND_WITHIN[priority]


def outcome_fits(outcome: Literal["successful", "not_successful"], reason: RejectionReason | None) -> bool:
    """Whether an outcome comes with a reason exactly if it needs one: when nothing came of it."""
    return (outcome == "not_successful") == (reason is not None)
