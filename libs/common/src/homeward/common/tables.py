"""The tables that the outbox and inbox runtime keeps in every service's own database.

One set of Core tables serves all services, since each has a database of its own. Migrations call
:func:`create_runtime_tables`; a change here is a new function and a new migration in each service.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, Text, Uuid

metadata = sa.MetaData()


def instant(name: str, **options: Any) -> Column[Any]:
    """A column of an instant: always with its zone."""
    return Column(name, DateTime(timezone=True), nullable=options.pop("nullable", False), **options)


def stored_as_it_is(column: Column[Any]) -> None:
    """Ciphertext does not get smaller, so PostgreSQL shall not try with every row: that is most of what
    a COPY of them costs."""
    alter = sa.text(f'ALTER TABLE {column.table.name} ALTER "{column.name}" SET STORAGE EXTERNAL')
    sa.event.listen(column.table, "after_create", lambda _, connection, **__: connection.execute(alter))


outbox = sa.Table(
    "outbox",
    metadata,
    Column("position", BigInteger, sa.Identity(), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("traceparent", Text),
    Column("value", LargeBinary, nullable=False),
    instant("time"),
    Column("epoch", Integer),
    Column("sequence", BigInteger),
    sa.Index("outbox_unnumbered", "position", postgresql_where=sa.text("sequence IS NULL")),
    sa.Index("outbox_numbered", "epoch", "sequence", unique=True),
)
"""What the service said; kept, since it is also where the service reads its own sealed events."""
stored_as_it_is(outbox.c.value)

relay_state = sa.Table(
    "relay_state",
    metadata,
    Column("shard", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("numbered", BigInteger, nullable=False),
    Column("published", BigInteger, nullable=False),
)
"""One row: the last sequence given, the last one known to be published."""

inbox = sa.Table(
    "inbox",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
)
"""What was handled, so that it is handled once."""

positions = sa.Table(
    "inbox_positions",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)
"""Before which record all were handled: beside the broker's own account, to notice a restored database."""

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("stream", Text, nullable=False),
    Column("event_id", Uuid),
    Column("state", Text, nullable=False),
    Column("error", Text),
    instant("at"),
    sa.UniqueConstraint("consumer", "topic", "partition", "offset"),
    sa.Index("dead_letters_open", "consumer", "topic", "stream", postgresql_where=sa.text("state <> 'done'")),
)
"""Records that could not be handled, and those waiting behind them, by reference only."""

idempotency = sa.Table(
    "idempotency",
    metadata,
    Column("client", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    instant("at"),
)
"""Answers given to requests that carried an Idempotency-Key, encrypted."""

used_proofs = sa.Table(
    "used_proofs",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    instant("expires_at"),
    sa.Index("used_proofs_expired", "expires_at"),
)
"""Proofs of possession that came with requests; each is good once, at whichever replica."""

quotas = sa.Table(
    "quotas",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("window_number", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
)
"""How many requests a partner has made in the newest minute, at all replicas together."""


def create_runtime_tables(connection: sa.Connection) -> None:
    """The runtime's tables as of the first release."""
    metadata.create_all(connection)


def create_arrival_tables(connection: sa.Connection) -> None:
    """What was added since; databases made since have it already."""
    metadata.create_all(connection, [used_proofs, quotas])
