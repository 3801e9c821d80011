"""docs/operations.md names every setting there is, with its default."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from homeward.common.settings import ServiceSettings

TEXT = (Path(__file__).parents[2] / "docs/operations.md").read_text()


@pytest.mark.parametrize("service", ["intake", "verification", "referral", "exchange", "audit", "keyring"])
def test_every_setting_is_told(service: str) -> None:
    settings: type[ServiceSettings] = import_module(f"homeward.{service}.settings").Settings
    assert f"`{settings.model_config['env_prefix']}`" in TEXT
    for name, field in settings.model_fields.items():
        (row,) = re.findall(rf"^\| [^|]*`{name.upper()}`.*$", TEXT, re.MULTILINE)
        if field.default not in (None, "", PydanticUndefined):
            assert f"`{field.default}`" in row, name
