"""The policy set: Cedar texts beside this file, validated as a whole, asked one class at a time.

Traps avoided here: entities are built *with* the schema (without it, sets and action groups silently
stop matching); any evaluation error is a deny (an erroring forbid is skipped by Cedar, so the rest
would allow, cedar #2428); reasons are positional, so every policy has a unique ``@id``.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import cedarpy

from homeward.common.contracts import FieldClass
from homeward.common.sealing import canonical

MEMO = 50_000


class PoliciesRefused(Exception):
    """The policy set is not valid; the message names the policy and what is wrong. Nothing of it is used."""


@dataclass(frozen=True)
class Verdict:
    """Which classes are released, which withheld, by which policies (``@id``)."""

    classes: frozenset[FieldClass]
    withheld: frozenset[FieldClass]
    policies: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """Exactly what the policies are asked about one event and one partner.

    ``contexts`` has, for every class of the event, one context per purpose of the partner.
    """

    principal: Mapping[str, Any]
    resource: Mapping[str, Any]
    contexts: Mapping[FieldClass, Sequence[Mapping[str, Any]]]

    def snapshot(self) -> dict[str, Any]:
        """JSON for the record: from it the decision can be taken again."""
        return {"principal": self.principal, "resource": self.resource, "contexts": self.contexts}


class PolicySet:
    """Parsed policies. Asking is pure, and remembered by a digest of exactly what is asked."""

    def __init__(self, texts: Mapping[str, str], schema: str) -> None:
        joined = "\n".join(texts[name] for name in sorted(texts))
        self._schema = _parsed_schema(schema)
        checked = cedarpy.validate_policies(joined, schema)
        if not checked.validation_passed:
            raise PoliciesRefused(str(checked.errors[0]))
        self.reasons = _reasons(joined)
        """Policy id → why it is there, in words."""
        self.ids = tuple(sorted(self.reasons))
        self._policies = cedarpy.PolicySet.from_str(joined)
        self.digest = hashlib.sha256(canonical({"schema": schema, **texts})).hexdigest()
        """Names this set in every decision."""
        self._memo: dict[str, Verdict] = {}

    @classmethod
    def packaged(cls) -> "PolicySet":
        """The set that comes with the service."""
        folder = files(__package__)
        texts = {p.name: p.read_text() for p in folder.iterdir() if p.name.endswith(".cedar")}
        return cls(texts, (folder / "schema.cedarschema").read_text())

    def decide(self, question: Question) -> tuple[Verdict, str]:
        """The verdict, and the digest of the question's snapshot."""
        digest = hashlib.sha256(canonical(question.snapshot())).hexdigest()
        verdict = self._memo.get(digest)
        if verdict is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            verdict = self._memo[digest] = self._evaluate(question)
        return verdict, digest

    def _evaluate(self, question: Question) -> Verdict:
        entities = cedarpy.Entities.from_json_str(
            json.dumps([_entity("Agency", question.principal), _entity("CaseFile", question.resource)]),
            schema=self._schema,
        )
        asked = [(c, context) for c, contexts in sorted(question.contexts.items()) for context in contexts]
        answers = cedarpy.is_authorized_batch(
            [
                {
                    "principal": 'Agency::"it"',
                    "action": f'Action::"release_{field_class}"',
                    "resource": 'CaseFile::"it"',
                    "context": dict(context),
                }
                for field_class, context in asked
            ],
            self._policies,
            entities,
            schema=self._schema,
        )
        allowed: set[FieldClass] = set()
        deciding: set[str] = set()
        for (field_class, _), answer in zip(asked, answers, strict=True):
            deciding.update(answer.diagnostics.id_annotations_by_reason.values())
            if answer.decision is cedarpy.Decision.Allow and not answer.diagnostics.errors:
                allowed.add(field_class)
        if FieldClass.ENVELOPE not in allowed:
            allowed.clear()  # without its envelope an event does not exist for the partner
        withheld = frozenset(question.contexts) - allowed
        return Verdict(frozenset(allowed), withheld, tuple(sorted(deciding)))


def _entity(kind: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"uid": {"type": kind, "id": "it"}, "attrs": dict(attributes), "parents": []}


def _parsed_schema(text: str) -> Any:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise PoliciesRefused(f"schema: {error}") from None


def _reasons(text: str) -> dict[str, str]:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    except (ValueError, KeyError) as error:
        raise PoliciesRefused(f"policies cannot be parsed: {type(error).__name__}") from None
    reasons: dict[str, str] = {}
    for policy in parsed.values():
        annotations = policy.get("annotations", {})
        name, reason = annotations.get("id"), annotations.get("reason")
        if not name or not reason:
            raise PoliciesRefused(f"every policy needs @id and @reason; {name or 'one'} lacks them")
        if name in reasons:
            raise PoliciesRefused(f"two policies have the @id {name}")
        reasons[name] = reason
    return reasons
