"""How referrals move, and how soon an answer is due."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.common.contracts.referral import Priority, RejectionReason
from homeward.referral.domain import MOVES, IllegalMove, Move, State, allowed, moved, outcome_fits, respond_by

LEGAL = {
    ("in_progress", "accept", "accepted"),
    ("in_progress", "reject", "rejected"),
    ("in_progress", "revoke", "revoked"),
    ("accepted", "complete", "done"),
    ("accepted", "revoke", "revoked"),
}


@pytest.mark.parametrize(("state", "move"), list(product(State, Move)))
def test_every_move_is_legal_or_refused_with_what_is_allowed(state: State, move: Move) -> None:
    ends = [end for start, name, end in LEGAL if (start, name) == (state, move)]
    if ends:
        assert [moved(state, move)] == ends
    else:
        with pytest.raises(IllegalMove) as refused:
            moved(state, move)
        assert refused.value.state is state
        assert set(refused.value.allowed) == {name for start, name, _ in LEGAL if start == state}


@given(st.lists(st.sampled_from(Move)))
def test_a_referral_that_ended_stays_as_it_is(moves: list[Move]) -> None:
    state, ended = State.IN_PROGRESS, False
    for move in moves:
        if move in allowed(state):
            assert not ended
            state = moved(state, move)
        ended = state in {State.REJECTED, State.DONE, State.REVOKED}
        assert ended == (not allowed(state))


def test_every_state_can_be_reached() -> None:
    assert {State.IN_PROGRESS, *MOVES.values()} == set(State)


@pytest.mark.parametrize(
    ("priority", "within"),
    [("24h", timedelta(hours=24)), ("72h", timedelta(hours=72)), ("2w", timedelta(days=14))],
)
def test_an_answer_is_due_by_priority(priority: str, within: timedelta) -> None:
    opened_at = datetime(2025, 1, 7, 9, 30, tzinfo=UTC)
    assert respond_by(Priority(priority), opened_at) - opened_at == within


def test_a_reason_belongs_to_what_did_not_succeed() -> None:
    assert outcome_fits("successful", None)
    assert outcome_fits("not_successful", RejectionReason.LACK_OF_CAPACITY)
    assert not outcome_fits("successful", RejectionReason.OTHER)
    assert not outcome_fits("not_successful", None)
