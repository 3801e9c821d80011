"""Settings every service has; each adds its environment prefix (``INTAKE_``, …) and its own.

A secret is never a value here: it is the path of a file that holds it (``…_FILE``).
"""

from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Read from the environment in ``__main__.py`` only; frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = ""
    """``postgresql+asyncpg://…``; may be a pooler."""
    database_url_file: Path | None = None
    """A file with the database URL, when it holds a password."""
    direct_database_url: str = ""
    """For locks and LISTEN, which a transaction pooler breaks; default: the database URL."""
    broker_url: str = "kafka://localhost:9092"
    topic_partitions: int = Field(default=6, ge=1)
    topic_replication: int = Field(default=1, ge=1)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    public_url: str = "http://localhost:8080"
    """The platform's base URL as partners see it: issuer and audience of tokens."""
    jwks_url: str = ""
    """Where the issuer's keys are; default ``<public_url>/oauth/jwks``."""
    keyring_url: str = "http://localhost:8086"
    service_key_file: Path | None = None
    """This service's Ed25519 private key (JWK), by which the keyring knows it."""
    log_level: str = "INFO"
    otlp_endpoint: str | None = None
    max_body_bytes: int = 8 << 20

    def model_post_init(self, _: Any) -> None:
        """Fill what follows from other settings."""
        if self.database_url_file:
            object.__setattr__(self, "database_url", self.database_url_file.read_text().strip())
        if not self.direct_database_url:
            object.__setattr__(self, "direct_database_url", self.database_url)
        if not self.jwks_url:
            object.__setattr__(self, "jwks_url", f"{self.public_url}/oauth/jwks")
