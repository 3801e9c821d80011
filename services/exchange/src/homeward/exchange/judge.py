"""What partners are to be told, by the policies: remembered by everything that policies could ask about."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from homeward.common.contracts.exchange import Decision

from .domain import Partner, Situation, in_order, question
from .policies import MEMO, PolicySet, Question, Verdict


@dataclass(frozen=True)
class Answer:
    """What the policies say of a situation to one partner."""

    partner: Partner
    question: Question
    verdict: Verdict
    snapshot: str
    """The question's digest."""

    def decision(self, release_id: UUID | None, seq: int | None, generation: int) -> Decision:
        """The answer as it is announced, with the release that carries it out."""
        return Decision(
            agency=self.partner.agency,
            release_id=release_id,
            seq=seq,
            generation=generation,
            classes=in_order(self.verdict.classes),
            withheld=in_order(self.verdict.withheld),
            policies=self.verdict.policies,
            snapshot=self.snapshot,
            partner_revision=self.partner.revision,
        )

    @cached_property
    def without_release(self) -> Decision:
        """The same where nothing is released."""
        return self.decision(None, None, 0)


class Answers(dict[Situation, tuple[Answer, ...]]):
    """By situation, what these partners are to be told of it: asked for once, then remembered."""

    def __init__(self, policies: PolicySet, data_home: str, partners: Sequence[Partner]) -> None:
        super().__init__()
        self._policies = policies
        self._data_home = data_home
        self.partners = tuple(partners)

    def __missing__(self, situation: Situation) -> tuple[Answer, ...]:
        if len(self) >= MEMO:
            self.clear()
        answers = self[situation] = tuple(self._answer(situation, partner) for partner in self.partners)
        return answers

    def _answer(self, situation: Situation, partner: Partner) -> Answer:
        asked = question(partner, situation, self._data_home)
        return Answer(partner, asked, *self._policies.decide(asked))


class Judge:
    """What deciding needs beside the facts."""

    def __init__(self, policies: PolicySet, data_home: str) -> None:
        self.packaged = policies
        """The set that came with the release."""
        self.policies = policies
        """The set that decides; :func:`.activation.follow` keeps it the one activated last."""
        self.position = 0
        """Where that stands among all that were activated."""
        self.data_home = data_home
        self._answers = Answers(policies, data_home, ())

    def adopt(self, policies: PolicySet) -> None:
        """Decide by these from now on."""
        self.policies = policies
        self._answers = Answers(policies, self.data_home, ())

    def answers(self, partners: Sequence[Partner]) -> Answers:
        """What these partners are to be told; what was worked out is kept while they stay as they are."""
        if self._answers.partners != tuple(partners):
            self._answers = Answers(self.policies, self.data_home, partners)
        return self._answers
