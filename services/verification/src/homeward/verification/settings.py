"""Settings of verification, from the environment: prefix ``VERIFICATION_``."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from homeward.common.settings import ServiceSettings


class Settings(ServiceSettings):
    """See :class:`.ServiceSettings`."""

    model_config = SettingsConfigDict(env_prefix="VERIFICATION_")

    forget_within_seconds: float = Field(default=3_600, ge=0)
    """How long what an erased person was matched by may stay, deleted, in a file of the database. Making the
    file anew reads every report, so erasures share one."""
