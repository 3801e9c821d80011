"""Audit's tables. Rows are only ever added; of a tile, bytes."""

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text, Uuid

from homeward.common.tables import instant, stored_as_it_is

metadata = sa.MetaData()

entries = sa.Table(
    "entries",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
)
"""The log's entries, as hashed."""

tiles = sa.Table(
    "tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""1 to 256 hashes each. A partial tile is a prefix of the same tile later, so one row serves them all."""

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    instant("at"),
)
"""Every checkpoint ever signed; the newest one is the log's state."""

records = sa.Table(
    "records",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    instant("time"),
    Column("actor", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    sa.UniqueConstraint("source", "sequence"),
    sa.Index("records_by_type", "type", "index"),
    sa.Index("records_by_source", "source", "index"),
)
"""The records behind the entries, as published: personal fields in them are sealed."""
stored_as_it_is(records.c.value)
