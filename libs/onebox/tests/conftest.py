"""Folders for PostgreSQL."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def apart_folder() -> Iterator[Path]:
    """Not below pytest's own folder: run by root, the server runs as another user, and every session of
    pytest that starts closes that folder to others."""
    folder = Path(tempfile.mkdtemp(prefix="homeward-test-"))
    yield folder
    shutil.rmtree(folder)


apart = pytest.fixture(apart_folder)
apart_for_all = pytest.fixture(scope="module")(apart_folder)
