"""All contracts by CloudEvents type."""

from . import exchange, intake, keyring, operations, referral, verification
from .base import Event, contracts_below

_MODULES = (exchange, intake, keyring, operations, referral, verification)

CONTRACTS: dict[str, type[Event]] = {
    contract.TYPE: contract
    for contract in sorted(contracts_below(), key=lambda c: c.TYPE)
    if contract.__module__ in {module.__name__ for module in _MODULES}
}


def contract_of(event_type: str) -> type[Event]:
    """The contract of a CloudEvents ``type``; KeyError if there is none."""
    return CONTRACTS[event_type]
