"""Settings of the keyring, from the environment: prefix ``KEYRING_``."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from homeward.common.settings import ServiceSettings


class Settings(ServiceSettings):
    """See :class:`.ServiceSettings`."""

    model_config = SettingsConfigDict(env_prefix="KEYRING_")

    kek_file: Path
    """The key-encryption key: 64 hexadecimal digits, readable by nobody else (mode 0600). During a
    rotation the next one is beside it, in a file with ``.next`` after the name."""
    services_file: Path
    """Which services may ask, by which public key, for which classes: JSON of
    ``{service: {"jwk": {…}, "classes": […]}}``."""
