"""Every route of every service, tried by everybody: `matrix.txt` says what each is answered.

The routes are those of the OpenAPI documents, so one that is new fails here until it has a row. Whoever
comes with something that opens elsewhere sends no body, or one that is not valid: 422, 404 and 409 mean
that this actor was let in.
"""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from harness.everybody import EVERYBODY, House, open_house
from harness.postgres import Postgres
from homeward.referral import store as referrals

MATRIX = Path(__file__).with_name("matrix.txt")
NONE = UUID("01a20f71-0000-7000-8000-000000000000")
PLACES: Mapping[str, str] = {
    "agency": "victim-ngo",
    "format": "htcds",
    "kid": "A" * 43,
    "path": "0/000",
    "receipt": "R-unknown",
}
"""What stands in a path or query; an id of nothing, where nothing else is said."""
BODIES: Mapping[str, object] = {
    "/v1/referrals/{referral_id}/reject": {"reason": "lack_of_capacity"},
    "/v1/referrals/{referral_id}/complete": {"outcome": "successful"},
    "/v1/partners/{agency}/dpop": {"dpop": "required"},
    "/v1/events/ack": {"sequence": 1},
    "/v1/keys": {"subjects": []},
    "/v1/erasures": {"subjects": ["x"], "person_id": str(NONE), "actor": "client:x"},
}
"""What is sent where an object decides as well; elsewhere it is an empty object."""
QUERIES: Mapping[str, str] = {"/v1/events/stream": "seconds=1"}
"""What is asked for where an answer would have no end."""
REFUSED = frozenset({401, 403})
PUBLIC = "/oauth/", "/.well-known/", "/log/", "/v1/receipt-keys", "/v1/report-columns"
FOR_SERVICES = "/v1/keys", "/v1/erasures"
"""The keyring's: for services alone, which prove themselves by assertions."""

Route = tuple[str, str, str]
Row = dict[str, int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


async def test_everybody_is_answered_as_the_matrix_says(postgres: Postgres, folder: Path) -> None:
    rows: dict[Route, Row] = {}
    async with open_house(postgres, folder) as house:
        await _refer(house)
        for route, path in sorted(_routes(house).items()):
            rows[route] = await _row(house, route, path)
    for (_, path, _), row in rows.items():
        _must_hold(path, row)
    told = _table(rows)
    if told != (expected := MATRIX.read_text()):
        (folder / "matrix.txt").write_text(told)
        lines = difflib.unified_diff(
            expected.splitlines(), told.splitlines(), "matrix.txt", "now", lineterm=""
        )
        pytest.fail("\n".join([*lines, f"Should it be so: cp {folder / 'matrix.txt'} {MATRIX}"]))


def _routes(house: House) -> dict[Route, str]:
    """Every operation, and the address at which it is asked for."""
    found: dict[Route, str] = {}
    for service, app in house.apps.items():
        for path, methods in app.openapi()["paths"].items():
            for method, operation in methods.items():
                needed = [p for p in operation.get("parameters", []) if p["in"] != "header" and p["required"]]
                values = {p["name"]: PLACES.get(p["name"], str(_referral(path) or NONE)) for p in needed}
                query = "&".join(f"{p['name']}={_query(p)}" for p in needed if p["in"] == "query")
                query = query or QUERIES.get(path, "")
                address = path.format(**values) + (f"?{query}" if query else "")
                found[service, path, method.upper()] = address
    return found


def _query(parameter: Mapping[str, object]) -> str:
    name = str(parameter["name"])
    return "1" if "integer" in json.dumps(parameter["schema"]) else PLACES.get(name, str(NONE))


async def _row(house: House, route: Route, path: str) -> Row:
    service, template, method = route
    options: dict[str, Any] = {} if method == "GET" else {"json": BODIES.get(template, {})}
    return {
        name: (await house.ask(who, service, method, path, **options)).status_code
        for name, who in EVERYBODY.items()
    }


def _must_hold(path: str, row: Row) -> None:
    """What no row may say, whatever is in the file."""
    assert max(row.values()) < 500, (path, row)
    if path.startswith(PUBLIC):
        assert not REFUSED & {*row.values()} or path == "/oauth/token", (path, row)
        return
    for name in ("nobody", "other audience", "expired", "unproven", "revoked"):
        assert row[name] == 401, (path, name)
    if path in FOR_SERVICES:
        assert {*row.values()} == {401}, path
        return
    assert row["suspended"] == row["no scope"] == 403, path
    assert not (row["partner"] in REFUSED) ^ (row["other agency"] in REFUSED), path


def _referral(path: str) -> UUID | None:
    """A referral of the partner's for each route that has one."""
    return uuid5(NONE, path) if "{referral_id}" in path else None


async def _refer(house: House) -> None:
    """Open a case, and a referral to ``ngo`` for every route that is about one."""
    parts = house.apps["referral"].state.parts
    now = parts.clock()
    paths = [path for path in house.apps["referral"].openapi()["paths"] if _referral(path)]
    async with parts.engine.begin() as db:
        await referrals.add_cases(db, [referrals.Case(NONE, NONE, True)], now)
        for path in paths:
            await referrals.add_referral(
                db,
                referral_id=_referral(path),
                case_id=NONE,
                receiving_agency="ngo",
                asking_organisation="homeward",
                classes=["envelope"],
                services=["shelter"],
                priority="24h",
                state="accepted" if path.endswith("complete") else "in_progress",
                opened_at=now,
                respond_by=now,
            )


def _table(rows: Mapping[Route, Row]) -> str:
    names = list(EVERYBODY)
    width = max(len(f"{method:<6} {path}") for _, path, method in rows)
    head = " " * width + "".join(f"  {name}" for name in names)
    lines, last = [head], ""
    for (service, path, method), row in rows.items():
        if service != last:
            lines += ["", f"# {service}"]
            last = service
        cells = "".join(f"  {row[name]:>{len(name)}}" for name in names)
        lines.append(f"{method + ' ' + path:<{width}}{cells}")
    return "\n".join(lines) + "\n"
