"""The tables of exchange."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from homeward.common.tables import instant, stored_as_it_is

metadata = sa.MetaData()


class Texts(sa.types.UserDefinedType[list[str]]):
    """An array of texts, as the driver takes and gives it; SQLAlchemy's own looks at each of them."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its SQL."""
        return "TEXT[]"


clients = sa.Table(
    "clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("dpop", Text, nullable=False, server_default="required"),
)
"""Who may ask for tokens, and whether they must be bound to a key (``required``) or need not
(``optional``)."""

client_keys = sa.Table(
    "client_keys",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("kid", Text, primary_key=True),
    Column("jwk", JSONB, nullable=False),
    instant("since"),
    instant("until", nullable=True),
    instant("revoked_at", nullable=True),
)
"""By which public keys (named by thumbprint) clients prove themselves, or did: ``until`` another took its
place, or until it was revoked."""

used_assertions = sa.Table(
    "used_assertions", metadata, Column("jti", Text, primary_key=True), instant("expires_at")
)
"""Client assertions that were used; each is good once."""

partners = sa.Table(
    "partners",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("data_home", Text, nullable=False),
    Column("purposes", Texts(), nullable=False),
    Column("clearance", Texts(), nullable=False),
    Column("accredited", Boolean, nullable=False),
    Column("suspended", Boolean, nullable=False, server_default=sa.false()),
    Column("sandbox", Boolean, nullable=False, server_default=sa.false()),
    instant("leaving_since", nullable=True),
    instant("left_at", nullable=True),
    Column("left_event", Uuid),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("read_seq", BigInteger, nullable=False, server_default="0"),
    Column("acked_seq", BigInteger, nullable=False, server_default="0"),
    instant("registered_at"),
)
"""The registry: what policies know of a partner, and how far its feed has got. In the ``sandbox`` it sees
made-up people and no others. Since ``leaving_since`` all that it has is taken back, and at ``left_at`` that
was done; ``left_event`` says so in the log."""

persons = sa.Table(
    "persons",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("synthetic", Boolean, nullable=False, server_default=sa.false()),
)
"""Whose visibility is decided as one; the revision moves with every fact that matters to policies."""

erased = sa.Table("erased", metadata, Column("subject", Uuid, primary_key=True), instant("erased_at"))
"""Persons, reports and reporters whose keys were destroyed, whether known here or not yet: an erasure
may come before what it erases."""

reports = sa.Table(
    "reports",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("person_id", Uuid, index=True),
    Column("link_epoch", BigInteger),
    Column("link_sequence", BigInteger),
    Column("reporter_id", Uuid, index=True),
    Column("citizenships", Texts()),
    Column("country", Text),
    Column("child", Boolean),
)
"""Whom a report is about, by the newest link there is (links of one report arrive in any order), and what
policies ask of it: enumerations and booleans only."""

events = sa.Table(
    "events",
    metadata,
    Column("position", BigInteger, sa.Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("person_id", Uuid, index=True),
    Column("report_id", Uuid, index=True),
    Column("addressee", Text),
    Column("classes", Texts(), nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("traceparent", Text),
    Column("told", Texts(), nullable=False, server_default="{}"),
)
"""Case events as they came, sealed. ``report_id`` is the report they speak of; a report's own event has
no person until verification names one. ``told``: the agencies for which a decision was recorded."""
stored_as_it_is(events.c.value)

consents = sa.Table(
    "consents",
    metadata,
    Column("consent_id", Uuid, primary_key=True),
    Column("person_id", Uuid, index=True),
    Column("report_id", Uuid, index=True),
    Column("recipient", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("classes", Texts(), nullable=False),
    Column("given_by", Text, nullable=False),
    instant("obtained_at"),
    instant("expires_at", nullable=True),
    instant("withdrawn_at", nullable=True),
)
"""Stated with a report (covers that report's event and the person's case) or given for a person."""

restrictions = sa.Table(
    "restrictions",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    instant("placed_at"),
)
"""Objections and holds in force."""

referrals = sa.Table(
    "referrals",
    metadata,
    Column("referral_id", Uuid, primary_key=True),
    Column("person_id", Uuid, nullable=False, index=True),
    Column("agency", Text, nullable=False),
    Column("classes", Texts(), nullable=False),
    Column("open", Boolean, nullable=False),
)
"""Referrals, and whether what they disclose may still be seen."""

feed = sa.Table(
    "feed",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("release_id", Uuid, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("event_id", Uuid),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("supersedes", Uuid),
    Column("classes", Texts(), nullable=False),
    Column("withheld", Texts(), nullable=False),
    Column("policies", Texts(), nullable=False),
    Column("snapshot", Text),
    Column("policy_digest", Text),
    Column("case_revision", Integer),
    Column("partner_revision", Integer),
    instant("valid_until", nullable=True),
    Column("state", Text, nullable=False),
    Column("retracted_seq", BigInteger),
    Column("whole", Boolean),
    instant("at"),
    sa.Index("feed_events", "event_id", "agency", "generation"),
    sa.Index("feed_persons", "person_id"),
    sa.Index("feed_to_acknowledge", "agency", "seq", postgresql_where=sa.text("kind <> 'release'")),
    sa.Index("feed_releases", "release_id", postgresql_where=sa.text("kind = 'release'")),
    sa.Index("feed_expiries", "valid_until", postgresql_where=sa.text("state = 'live'")),
)
"""What each agency gets, in its own dense order: releases, retractions, erasures."""

snapshots = sa.Table(
    "snapshots", metadata, Column("digest", Text, primary_key=True), Column("snapshot", JSONB, nullable=False)
)
"""What policies were asked, once per digest: any decision can be taken again."""

policy_sets = sa.Table(
    "policy_sets",
    metadata,
    Column("position", BigInteger, sa.Identity(), primary_key=True),
    Column("digest", Text, nullable=False),
    Column("policies", Texts(), nullable=False),
    Column("texts", JSONB),
    Column("frame", JSONB),
    Column("origin", Text, nullable=False, server_default="release"),
    Column("reason", Text),
    Column("activated_by", Text),
    instant("activated_at"),
)
"""The sets that were activated, with their texts and what their release added (``frame``); the last one
decides. ``origin``: it came with a ``release``, or an ``operator`` activated it, for ``reason``."""

sweeps = sa.Table(
    "sweeps",
    metadata,
    Column("sweep_id", BigInteger, sa.Identity(), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("next_person", Uuid),
    Column("done", Boolean, nullable=False, server_default=sa.false()),
    Column("decided", BigInteger, nullable=False, server_default="0"),
    instant("started_at", nullable=True),
)
"""Everything is to be decided again, in the background, in batches of persons; ``decided``: how many are."""

progress = sa.Table("progress", metadata, Column("one", Integer, primary_key=True), instant("caught_up_at"))
"""One row: all that others had published by then is taken into account here."""

webhooks = sa.Table(
    "webhooks",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("secret_id", Uuid, nullable=False),
    Column("former_secret_id", Uuid),
    instant("former_until", nullable=True),
    Column("epoch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("disabled", Text),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_problem", Text),
    instant("failing_since", nullable=True),
    instant("next_attempt_at"),
    Column("revision", BigInteger, nullable=False, server_default="1"),
)
"""Where a partner wants to be told of events (``payload``: ``full`` or ``ids``), and how far it has been,
``seq`` of the feed as it was in ``epoch``. Secrets are derived from their ids. ``disabled`` says why nothing
is sent any more. Whoever sends holds it until ``next_attempt_at``, and what it finds counts for nothing if
somebody else has taken it on since (``revision``)."""
