"""Alembic's way into the tiny service."""

from homeward.common.migrate import run_env
from homeward.tiny.app import metadata

run_env(metadata)
