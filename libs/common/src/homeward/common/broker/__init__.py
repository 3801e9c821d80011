"""One small interface to the event log, and its two implementations."""

from .protocol import (
    Broker,
    BrokerUnavailable,
    Positions,
    Subscription,
    TopicPartition,
    behind,
    lag,
    open_broker,
)

__all__ = [
    "Broker",
    "BrokerUnavailable",
    "Positions",
    "Subscription",
    "TopicPartition",
    "behind",
    "lag",
    "open_broker",
]
