"""Settings of exchange, from the environment: prefix ``EXCHANGE_``."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from homeward.common.settings import ServiceSettings


class Settings(ServiceSettings):
    """See :class:`.ServiceSettings`."""

    model_config = SettingsConfigDict(env_prefix="EXCHANGE_")

    issuer_key_file: Path | None = None
    """The Ed25519 private key (JWK) that signs access tokens; a fresh one a process without it."""
    staff_file: Path | None = None
    """Clients of the operator's own staff: JSON of
    ``{client_id: {"organisation": …, "role": …, "jwk": {…}}}``, with ``"dpop": "optional"`` for who cannot
    prove possession of a key."""
    issuers_file: Path | None = None
    """Other issuers that may vouch for partners: JSON of ``{issuer: the URL of its JWK set}``."""
    data_home: str = "THA"
    """The country whose law holds where this deployment stores data (ISO alpha-3). One deployment is
    one jurisdiction's storage."""
    max_requests: int = Field(default=256, ge=1)
    """Partners that wait for their feed to grow are requests under way, and do nothing meanwhile."""
    max_streams: int = Field(default=1_000, ge=1)
    """Partners that follow their feed as a stream; they are not counted among the requests under way."""
    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """How often a stream that has nothing to tell says that it is there."""
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks inside which webhooks may be, without TLS as well; anywhere else only what is public is
    reached, by https."""
    webhook_seconds: float = Field(default=15.0, gt=0)
    """How long one attempt to send a message may take."""
    webhook_give_up_seconds: int = Field(default=432_000, ge=0)
    """After how long of failing a webhook is disabled."""
    webhook_overlap_seconds: int = Field(default=86_400, ge=0)
    """How long the former secret of a webhook stays good."""
    token_seconds: int = 300
    key_overlap_seconds: int = Field(default=604_800, ge=0)
    """How long a partner's key stays good after the partner has put another in its place."""
    acknowledge_within_seconds: int = Field(default=86_400, ge=0)
    """A retraction or erasure that a partner has not acknowledged for so long is overdue."""
    feed_pause_seconds: float = 30
    """How far exchange may be behind what others published before feeds pause (503): they could show
    what has been revoked meanwhile."""
