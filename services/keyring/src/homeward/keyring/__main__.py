"""``python -m homeward.keyring serve|consume|relay|migrate|rotate``."""

from homeward.common.main import run

from .app import create_service, rotate
from .settings import Settings

run("keyring", Settings, create_service, jobs={"rotate": rotate})
