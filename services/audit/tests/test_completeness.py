"""What is missing from what each source numbered."""

from hypothesis import given
from hypothesis import strategies as st

from homeward.audit.completeness import Run, Source, gaps, missing_epochs


def runs_of(numbers: set[int]) -> list[Run]:
    runs: list[Run] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def test_a_source_counts_from_one() -> None:
    assert gaps([]) == []
    assert gaps([(1, 10)]) == []
    assert gaps([(2, 10)]) == [(1, 1)]
    assert gaps([(4, 5), (7, 7), (20, 21)]) == [(1, 3), (6, 6), (8, 19)]


@given(st.sets(st.integers(1, 60), min_size=1))
def test_gaps_are_exactly_what_is_not_there(numbers: set[int]) -> None:
    source = Source("/homeward/intake/0/1", len(numbers), max(numbers), runs_of(numbers))
    missing = {number for first, last in source.gaps for number in range(first, last + 1)}
    assert missing == set(range(1, max(numbers))) - numbers
    assert source.missing == len(missing)
    assert source.first == min(numbers)


def test_an_epoch_of_which_nothing_is_there_is_missing() -> None:
    assert missing_epochs([]) == []
    assert missing_epochs(["/homeward/intake/0/1", "/homeward/intake/0/2", "/homeward/keyring/0/1"]) == []
    assert missing_epochs(["/homeward/intake/0/4", "/homeward/intake/0/2", "/homeward/keyring/0/1"]) == [
        "/homeward/intake/0/1",
        "/homeward/intake/0/3",
    ]
