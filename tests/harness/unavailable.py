"""What happens to a test whose server cannot be had here."""

from __future__ import annotations

import os

import pytest


class Unavailable(Exception):
    """This way to a server is not open on this machine; the message says why in a few words."""


def verdict(server: str, reasons: list[Unavailable]) -> BaseException:
    """A skip, or a failure where REQUIRE_<SERVER>=1 says that a skip would hide a fault."""
    reason = f"no {server} for tests: {'; '.join(map(str, reasons))}"
    if os.environ.get(f"REQUIRE_{server.upper()}") == "1":
        return pytest.fail.Exception(reason, pytrace=False)
    return pytest.skip.Exception(reason)
