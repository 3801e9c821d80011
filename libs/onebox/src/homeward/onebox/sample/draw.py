"""Chance that repeats itself: one seed, one list."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw(random.Random):
    """A seeded draw.

    Only `random()`, `randrange()` and `choice()` are called on it: what they yield for a seed is the same
    from Python 3.11 to 3.13, and the committed list is compared byte by byte. Weights are whole numbers for
    the same reason: Python 3.12 began to add up floats in another way.
    """

    def chance(self, share: float) -> bool:
        """True for this share of the calls."""
        return self.random() < share

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """One of the options, each as often as its weight says."""
        at = self.randrange(sum(weight for _, weight in options))
        for option, weight in options:
            at -= weight
            if at < 0:
                return option
        return options[-1][0]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a random order, the original left alone."""
        return [item for _, _, item in sorted((self.random(), at, item) for at, item in enumerate(items))]

    def maybe(self, share: float, text: str) -> str:
        """The text for this share of the calls, else an empty cell."""
        return text if self.chance(share) else ""
