"""Run by alembic; see homeward.common.migrate."""

from homeward.common.migrate import run_env
from homeward.referral.store import metadata

run_env(metadata)
