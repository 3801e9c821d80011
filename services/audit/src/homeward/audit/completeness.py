"""Which events of a source the log lacks. No I/O.

Every source numbers its events from 1 without gaps, so what is missing shows, whoever left it out.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

Run = tuple[int, int]
"""First and last of sequence numbers that follow one another."""

_EPOCH = re.compile(r"(.+/)([0-9]+)")


@dataclass(frozen=True)
class Source:
    """What the log holds of one source; ``runs`` are its first ones, in order, not necessarily all."""

    source: str
    count: int
    last: int
    runs: list[Run]

    @property
    def first(self) -> int:
        """The lowest sequence number; of a complete source, 1."""
        return self.runs[0][0]

    @property
    def missing(self) -> int:
        """How many of the numbers from 1 to ``last`` the log lacks. Exact, since no number is there twice."""
        return self.last - self.count

    @property
    def gaps(self) -> list[Run]:
        """The missing ranges before the end of ``runs``."""
        return gaps(self.runs)


def gaps(runs: Sequence[Run]) -> list[Run]:
    """The ranges from 1 on that lie before or between ascending ``runs``."""
    missing = []
    expected = 1
    for first, last in runs:
        if first > expected:
            missing.append((expected, first - 1))
        expected = last + 1
    return missing


def missing_epochs(sources: Collection[str]) -> list[str]:
    """Sources of which nothing is there although a later epoch of them is.

    A relay opens epoch n + 1 only when it saw events of epoch n on the topic.
    """
    newest: dict[str, int] = {}
    for source in sources:
        if match := _EPOCH.fullmatch(source):
            newest[match[1]] = max(int(match[2]), newest.get(match[1], 0))
    expected = (f"{stem}{epoch}" for stem, last in newest.items() for epoch in range(1, last))
    return sorted(set(expected) - set(sources))
