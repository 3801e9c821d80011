"""Audit's tables and every query: :mod:`log` is what is public, :mod:`records` what auditors read."""

from .tables import metadata

__all__ = ["metadata"]
