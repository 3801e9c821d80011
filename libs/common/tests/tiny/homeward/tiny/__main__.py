"""``python -m homeward.tiny serve|consume|relay|migrate``."""

from homeward.common.main import run

from .app import Settings, create_service

run("tiny", Settings, create_service)
