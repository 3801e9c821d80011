"""Exchange's tables and every query on them."""

from .tables import metadata

__all__ = ["metadata"]
