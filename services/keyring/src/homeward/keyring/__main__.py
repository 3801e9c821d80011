"""``python -m homeward.keyring serve|consume|relay|migrate``."""

import sys

from homeward.common.main import run
from homeward.common.secret_files import SecretUnusable

from .app import create_service
from .services import ServicesUnusable
from .settings import Settings

try:
    run("keyring", Settings, create_service)
except (SecretUnusable, ServicesUnusable) as error:
    sys.exit(f"homeward keyring: {error}")
