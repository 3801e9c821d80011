"""A policy set is valid as a whole or not used at all; what cannot be evaluated is a no."""

import json
from importlib.resources import files

import pytest

from homeward.common.contracts import FieldClass
from homeward.exchange.policies import (
    ERROR,
    Asking,
    PoliciesRefused,
    PolicySet,
    Principal,
    Question,
    Resource,
)

F = FieldClass
SCHEMA = (files("homeward.exchange.policies") / "schema.cedarschema").read_text()
PERMIT = '@id("all") @reason("r") permit (principal, action, resource);'
IT = Principal("NGO", "THA", "THA", tuple(sorted(F)), True, False)
CASE = Resource(("CHN",), ("CHN", "MMR"), False, "THA", False, False, False)


def asking(*classes: F, principal: Principal = IT, purposes: tuple[str, ...] = ("search",)) -> Question:
    return Question(
        principal,
        CASE,
        tuple(Asking(c, p, "none", False, "all") for c in sorted(classes) for p in purposes),
    )


def test_the_packaged_set_is_valid_and_every_policy_says_why() -> None:
    policies = PolicySet.packaged()
    assert len(policies.ids) == 16
    assert all(policies.reasons[name] for name in policies.ids)


@pytest.mark.parametrize(
    "text",
    [
        '@reason("r") permit (principal, action, resource);',
        '@id("a") permit (principal, action, resource);',
        '@id("a") @reason("") permit (principal, action, resource);',
        '@id("") @reason("r") permit (principal, action, resource);',
        f"{PERMIT}\n{PERMIT}",
        '@id("a") @reason("r") forbid (principal, action, resource) when { resource.suspect };',
        '@id("a") @reason("r") forbid (principal, action, resource) when { principal.kind == 7 };',
        '@id("a") @reason("r") permit (principal, action == Action::"release_all", resource);',
        '@id("a") @reason("r") permit (principal == ?principal, action, resource);',
        '@id("a") @reason("r") permit (principal, action',
    ],
    ids=[
        "no id", "no reason", "empty reason", "empty id", "one id twice", "unknown attribute", "wrong type",
        "unknown action", "a template", "broken off",
    ],
)  # fmt: skip
def test_a_set_is_refused(text: str) -> None:
    with pytest.raises(PoliciesRefused):
        PolicySet({"10.cedar": text}, SCHEMA)


def test_an_id_may_not_come_twice_in_two_files() -> None:
    with pytest.raises(PoliciesRefused, match="all"):
        PolicySet({"10.cedar": PERMIT, "20.cedar": PERMIT}, SCHEMA)


def test_a_broken_schema_is_refused() -> None:
    with pytest.raises(PoliciesRefused, match="schema"):
        PolicySet({"10.cedar": PERMIT}, "entity Agency = ")


def test_no_policy_is_no() -> None:
    verdict, _ = PolicySet({}, SCHEMA).decide(asking(F.ENVELOPE, F.STATUS))
    assert verdict.classes == frozenset()
    assert verdict.policies == ()


OVERFLOWS = "9223372036854775807 + 1 == 0"


def test_a_forbid_that_cannot_be_evaluated_forbids() -> None:
    """Cedar skips it, and the permit would stand alone."""
    failing = f'@id("f") @reason("r") forbid (principal, action, resource) when {{ {OVERFLOWS} }};'
    policies = PolicySet({"10.cedar": f"{PERMIT}\n{failing}"}, SCHEMA)
    verdict, _ = policies.decide(asking(F.ENVELOPE, F.STATUS))
    assert verdict.classes == frozenset()
    assert verdict.policies == (ERROR,)
    assert policies.reasons[ERROR]


def test_what_fails_for_one_purpose_is_not_released_for_another() -> None:
    failing = (
        f'@id("f") @reason("r") forbid (principal, action == Action::"release_status", resource) '
        f'when {{ context.purpose == "search" && {OVERFLOWS} }};'
    )
    policies = PolicySet({"10.cedar": f"{PERMIT}\n{failing}"}, SCHEMA)
    verdict, _ = policies.decide(asking(F.ENVELOPE, F.STATUS, purposes=("assistance", "search")))
    assert verdict.classes == {F.ENVELOPE}
    assert verdict.decided_by[F.STATUS] == (ERROR,)


def test_another_text_is_another_digest() -> None:
    first = PolicySet({"10.cedar": PERMIT}, SCHEMA).digest
    assert PolicySet({"10.cedar": PERMIT}, SCHEMA).digest == first
    assert PolicySet({"10.cedar": PERMIT + " "}, SCHEMA).digest != first
    assert PolicySet({"10.cedar": PERMIT}, SCHEMA + "\n").digest != first


def test_what_is_asked_differently_is_remembered_separately() -> None:
    policies = PolicySet.packaged()
    asked = asking(F.ENVELOPE)
    suspended = asked._replace(principal=IT._replace(suspended=True))
    digests = {policies.decide(q)[1] for q in (asked, suspended, asking(F.ENVELOPE, F.STATUS))}
    assert len(digests) == 3
    assert policies.decide(asking(F.ENVELOPE))[1] in digests


def test_a_snapshot_names_nobody_and_survives_json() -> None:
    snapshot = asking(F.ENVELOPE, purposes=("assistance", "search")).snapshot()
    assert json.loads(json.dumps(snapshot)) == snapshot
    assert set(snapshot) == {"principal", "resource", "contexts"}
    assert [context["purpose"] for context in snapshot["contexts"]["envelope"]] == ["assistance", "search"]
