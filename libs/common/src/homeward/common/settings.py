"""Settings every service has; each adds its environment prefix (``INTAKE_``, …) and its own.

A secret is never a value here: it is the path of a file that holds it (``…_FILE``).
"""

import logging
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .secret_files import SecretUnusable, read_secret

_POSTGRESQL = "postgresql+asyncpg://"


class ServiceSettings(BaseSettings):
    """Read from the environment in ``__main__.py`` only; frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = ""
    """``postgresql+asyncpg://…``; may be a pooler."""
    database_url_file: Path | None = None
    """A file with the database URL, when it holds a password; nobody else may read it."""
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
    partner_requests_per_minute: int = Field(default=1_200, ge=0)
    """How many requests of one partner are answered in a minute, by all replicas together; 0: any."""
    log_level: str = "INFO"
    otlp_endpoint: str | None = None
    max_body_bytes: int = 8 << 20
    max_requests: int = Field(default=24, ge=1)
    """Requests under way at once: ten have a database connection, the others wait for one. More are
    refused with 503."""

    @field_validator("database_url", "direct_database_url")
    @classmethod
    def _postgresql(cls, url: str) -> str:
        if url and not url.startswith(_POSTGRESQL):
            raise ValueError(f"must start {_POSTGRESQL}")
        return url

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, url: str) -> str:
        if not url.startswith(("kafka://", "postgresql://", "postgresql+asyncpg://")):
            raise ValueError("must start with kafka:// or postgresql://")
        return url

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.upper() not in logging.getLevelNamesMapping():
            raise ValueError("must be one of logging's levels")
        return level.upper()

    def model_post_init(self, _: Any) -> None:
        """Fill what follows from other settings. SecretUnusable if the file cannot be used."""
        if self.database_url_file:
            url = read_secret(self.database_url_file)
            if not url.startswith(_POSTGRESQL):
                raise SecretUnusable(f"{self.database_url_file} must hold a URL that starts {_POSTGRESQL}")
            object.__setattr__(self, "database_url", url)
        if not self.direct_database_url:
            object.__setattr__(self, "direct_database_url", self.database_url)
        if not self.jwks_url:
            object.__setattr__(self, "jwks_url", f"{self.public_url}/oauth/jwks")
