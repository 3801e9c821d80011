"""``python -m homeward.referral serve|consume|relay|migrate``."""

from homeward.common.main import run

from .app import create_service
from .settings import Settings

run("referral", Settings, create_service)
