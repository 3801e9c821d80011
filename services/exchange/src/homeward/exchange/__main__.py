"""``python -m homeward.exchange serve|consume|relay|migrate``."""

from homeward.common.main import run

from .app import create_service
from .settings import Settings

run("exchange", Settings, create_service)
