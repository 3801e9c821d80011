"""``python -m homeward.intake serve|consume|relay|migrate``."""

from homeward.common.main import run

from .app import create_service
from .settings import Settings

run("intake", Settings, create_service)
