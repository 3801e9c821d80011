"""The policy set: Cedar texts beside this file, validated as a whole, asked one class at a time.

Traps avoided here: entities are built *with* the schema (without it, sets and action groups silently
stop matching); any evaluation error is a deny (an erroring forbid is skipped by Cedar, so the rest
would allow, cedar #2428); reasons are positional, so every policy has a unique ``@id``.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import cedarpy

from homeward.common.contracts import FieldClass
from homeward.common.sealing import canonical

from .always import ALWAYS
from .bounds import excess
from .question import Asking, Principal, Question, Resource, Verdict

__all__ = ["ERROR", "Asking", "PoliciesRefused", "PolicySet", "Principal", "Question", "Resource", "Verdict"]

MEMO = 50_000
ERROR = "error.evaluation"
"""Stands among the deciding policies where one of them could not be evaluated."""
_ERROR_REASON = "A policy could not be evaluated, and what cannot be decided is not released."


class PoliciesRefused(Exception):
    """The policy set is not valid; the message names the policy and what is wrong. Nothing of it is used."""


class PolicySet:
    """Parsed policies. Asking is pure, and remembered by exactly what is asked."""

    def __init__(self, texts: Mapping[str, str], schema: str) -> None:
        self.texts = dict(texts)
        """By file name."""
        joined = "\n".join((ALWAYS, *(texts[name] for name in sorted(texts))))
        if too_much := excess(joined):
            raise PoliciesRefused(too_much)
        self._schema = _parsed_schema(schema)
        checked = cedarpy.validate_policies(joined, schema)
        if not checked.validation_passed:
            raise PoliciesRefused(str(checked.errors[0]))
        self._written = _written(joined)
        self.ids = tuple(sorted(self._written))
        self.effects = {name: policy.effect for name, policy in self._written.items()}
        """Policy id → whether it permits or forbids."""
        self.reasons = {name: policy.reason for name, policy in self._written.items()} | {
            ERROR: _ERROR_REASON
        }
        """Policy id → why it is there, in words."""
        self.told_partners = frozenset(name for name, policy in self._written.items() if policy.tell)
        """Ids of policies with ``@tell("partner")``: they speak of the recipient alone, so it may know that
        one of them withholds something."""
        self._policies = cedarpy.PolicySet.from_str(joined)
        self.digest = hashlib.sha256(canonical({"schema": schema, "always": ALWAYS, **texts})).hexdigest()
        """Names this set in every decision."""
        self._memo: dict[Question, tuple[Verdict, str]] = {}

    @classmethod
    def packaged(cls) -> "PolicySet":
        """The set that comes with the service."""
        packaged = files(__package__)
        return cls.of({p.name: p.read_text() for p in packaged.iterdir() if p.name.endswith(".cedar")})

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> "PolicySet":
        """These texts, by file name, about what this release may be asked. PoliciesRefused."""
        return cls(texts, (files(__package__) / "schema.cedarschema").read_text())

    def differing(self, other: "PolicySet") -> list[str]:
        """The ids of policies that both have, and that do not say the same in both."""
        return [
            name
            for name in self.ids
            if name in other._written and self._written[name] != other._written[name]
        ]

    def decide(self, question: Question) -> tuple[Verdict, str]:
        """The verdict, and the digest of the question's snapshot."""
        remembered = self._memo.get(question)
        if remembered is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            digest = hashlib.sha256(canonical(question.snapshot())).hexdigest()
            remembered = self._memo[question] = (self._evaluate(question), digest)
        return remembered

    def _evaluate(self, question: Question) -> Verdict:
        entities = cedarpy.Entities.from_json_str(
            json.dumps(
                [
                    _entity("Agency", question.principal.attributes()),
                    _entity("CaseFile", question.resource.attributes()),
                ]
            ),
            schema=self._schema,
        )
        answers = cedarpy.is_authorized_batch(
            [
                {
                    "principal": 'Agency::"it"',
                    "action": f'Action::"release_{asking.field_class}"',
                    "resource": 'CaseFile::"it"',
                    "context": asking.context(),
                }
                for asking in question.askings
            ],
            self._policies,
            entities,
            schema=self._schema,
        )
        return _verdict(question, answers)


def _verdict(question: Question, answers: list[Any]) -> Verdict:
    """A class is released if one of the partner's purposes permits it, and nothing is without the
    envelope: without it an event does not exist for the partner."""
    permits: dict[FieldClass, set[str]] = {}
    refusals: dict[FieldClass, set[str]] = {c: set() for c in question.classes}
    for asking, answer in zip(question.askings, answers, strict=True):
        named = set(answer.diagnostics.id_annotations_by_reason.values())
        if answer.diagnostics.errors:
            refusals[asking.field_class].add(ERROR)
        elif answer.decision is cedarpy.Decision.Allow:
            permits.setdefault(asking.field_class, set()).update(named)
        else:
            refusals[asking.field_class].update(named)
    for field_class in [c for c, names in refusals.items() if ERROR in names]:
        permits.pop(field_class, None)
    decided_by = {c: tuple(sorted(permits.get(c) or refusals[c])) for c in question.classes}
    if FieldClass.ENVELOPE not in permits:
        envelope = decided_by.get(FieldClass.ENVELOPE, ())
        decided_by |= dict.fromkeys(permits, envelope)
        permits.clear()
    released = frozenset(permits)
    return Verdict(released, question.classes - released, decided_by)


def _entity(kind: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"uid": {"type": kind, "id": "it"}, "attrs": dict(attributes), "parents": []}


def _parsed_schema(text: str) -> Any:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise PoliciesRefused(f"schema: {error}") from None


class _Written(NamedTuple):
    """A policy as Cedar reads it."""

    effect: Literal["permit", "forbid"]
    reason: str
    tell: bool
    rule: str


def _written(text: str) -> dict[str, _Written]:
    """Policies by ``@id``; PoliciesRefused for one without, and for what is no policy."""
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
        policies, templates = parsed["staticPolicies"], parsed.get("templates")
    except (ValueError, KeyError, RecursionError) as error:
        raise PoliciesRefused(f"policies cannot be parsed: {type(error).__name__}") from None
    if templates:
        raise PoliciesRefused("a template decides nothing by itself; write a policy")
    written: dict[str, _Written] = {}
    for policy in policies.values():
        annotations = policy.get("annotations", {})
        name, reason = annotations.get("id"), annotations.get("reason")
        if not name or not reason:
            raise PoliciesRefused(f"every policy needs @id and @reason; {name or 'one'} lacks them")
        if name in written:
            raise PoliciesRefused(f"two policies have the @id {name}")
        written[name] = _Written(
            policy["effect"], reason, annotations.get("tell") == "partner", json.dumps(policy, sort_keys=True)
        )
    return written
