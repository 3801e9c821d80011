"""``python -m homeward.audit serve|consume|relay|migrate``."""

from homeward.common.main import run

from .app import create_service
from .settings import Settings

run("audit", Settings, create_service)
