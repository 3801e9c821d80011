"""``python -m homeward.verification serve|consume|relay|migrate``."""

from homeward.common.main import run

from .app import create_service
from .settings import Settings

run("verification", Settings, create_service)
