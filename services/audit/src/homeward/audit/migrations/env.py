"""Run by alembic; see homeward.common.migrate."""

from homeward.audit.store import metadata
from homeward.common.migrate import run_env

run_env(metadata)
