"""Run by alembic; see homeward.common.migrate."""

from importlib import import_module

from homeward.common.migrate import run_env

run_env(import_module("homeward.tiny.app").metadata)
