"""``python -m homeward.keyring serve|consume|relay|migrate``."""

from homeward.common.main import run

from .app import create_service
from .settings import Settings

run("keyring", Settings, create_service)
