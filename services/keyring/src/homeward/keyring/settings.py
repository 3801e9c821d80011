"""Settings of the keyring, from the environment: prefix ``KEYRING_``."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from homeward.common.settings import ServiceSettings


class Settings(ServiceSettings):
    """See :class:`.ServiceSettings`."""

    model_config = SettingsConfigDict(env_prefix="KEYRING_")

    max_requests: int = Field(default=256, ge=1)
    """As in :class:`.ServiceSettings`. More than elsewhere: those who ask are all the other services."""
    kek_file: Path
    """The key-encryption key: 64 hexadecimal digits, readable by nobody else (mode 0600). During a
    rotation the next one is beside it, in a file with ``.next`` after the name."""
    services_file: Path
    """Which services may ask, by which public key, for which classes: JSON of
    ``{service: {"jwk": {…}, "classes": […]}}``."""
