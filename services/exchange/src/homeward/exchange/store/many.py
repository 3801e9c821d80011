"""Many rows in one statement: they go as one JSON parameter, which PostgreSQL reads by the table's types.

Nothing personal goes this way, since PostgreSQL quotes JSON that it cannot read in its errors.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = Sequence[Mapping[str, Any]]
"""All with the same columns."""


async def insert_new(db: AsyncConnection, table: sa.Table, rows: Rows) -> None:
    """Add ``rows``, in their order; those that are there already stay as they are."""
    if rows:
        await db.execute(_insert(table, tuple(rows[0])), _parameter(rows))


async def update(db: AsyncConnection, table: sa.Table, key: str, rows: Rows) -> None:
    """Give those that have the same ``key`` the other columns of ``rows``."""
    if rows:
        await db.execute(_update(table, key, tuple(rows[0])), _parameter(rows))


@cache
def _insert(table: sa.Table, columns: tuple[str, ...]) -> sa.Executable:
    rows = sa.select(_given(table, columns))
    return insert(table).from_select(columns, rows).on_conflict_do_nothing()


@cache
def _update(table: sa.Table, key: str, columns: tuple[str, ...]) -> sa.Executable:
    given = _given(table, columns)
    values = {name: given.c[name] for name in columns if name != key}
    return sa.update(table).where(table.c[key] == given.c[key]).values(values)


def _given(table: sa.Table, columns: tuple[str, ...]) -> sa.TableValuedAlias:
    rows = sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", type_=sa.Text), sa.JSON))
    typed = [sa.column(name, table.c[name].type) for name in columns]
    return rows.table_valued(*typed, name="given").render_derived(with_types=True)


def _parameter(rows: Rows) -> dict[str, str]:
    # `default` is for ids as the driver gives them, which are of a class of its own.
    return {"rows": orjson.dumps(list(rows), default=str).decode()}
