"""Settings of referral, from the environment: prefix ``REFERRAL_``."""

from pydantic_settings import SettingsConfigDict

from homeward.common.settings import ServiceSettings


class Settings(ServiceSettings):
    """See :class:`.ServiceSettings`."""

    model_config = SettingsConfigDict(env_prefix="REFERRAL_")
