"""Ids sort by time and tell nothing else."""

import time
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from homeward.common.ids import new_id, new_shown_id


def milliseconds(made: int) -> int:
    return made >> 80


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)


@given(st.integers(1, 2_000))
def test_its_time_is_the_clocks_however_many_were_made_before(count: int) -> None:
    """One ahead of the clock would tell how many others were made."""
    before = time.time_ns() // 1_000_000
    made = [new_id() for _ in range(count)]
    after = time.time_ns() // 1_000_000
    assert before <= milliseconds(min(made).int) <= milliseconds(max(made).int) <= after
    assert len(set(made)) == count


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = []
    for _ in range(20):
        made.append(new_id())
        time.sleep(0.0001)
    assert sorted(made) == made


def test_what_others_are_shown_has_no_time_in_it() -> None:
    assert {new_shown_id().version for _ in range(3)} == {4}
