"""The secrets of a deployment, made at its first start."""

from pathlib import Path

from homeward.audit import configure as audit_secrets
from homeward.exchange import configure as exchange_secrets
from homeward.keyring import configure as keyring_secrets


def write_secrets(data: Path, base_url: str) -> Path:
    """Secrets of this deployment in ``data/secrets``, staff credentials in ``data/credentials``; what is
    there is kept. The folder of the secrets."""
    secrets = data / "secrets"
    keyring_secrets.configure(secrets)
    exchange_secrets.configure(secrets, base_url, data / "credentials")
    audit_secrets.write_log_key(secrets / "log.key")
    return secrets
