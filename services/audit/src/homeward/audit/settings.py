"""Settings of audit, from the environment: prefix ``AUDIT_``."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from homeward.common.settings import ServiceSettings


class Settings(ServiceSettings):
    """See :class:`.ServiceSettings`."""

    model_config = SettingsConfigDict(env_prefix="AUDIT_")

    log_key_file: Path
    """The log's Ed25519 seed: 64 hexadecimal digits, readable by nobody else (mode 0600)."""
    log_origin: str = "homeward.example/log"
    """The log's name, first line of its checkpoints: a URL without scheme. It can never be changed."""
