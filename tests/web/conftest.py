"""engage with the programme as it is shipped, in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engage import Engage
from tests.support.shipped import copy_shipped


@pytest.fixture
def kept_in(sqlite_url: str) -> str:
    """Its database. Tests that need PostgreSQL, or either in turn, have a fixture of this name of their own."""
    return sqlite_url


@pytest.fixture
def engage(kept_in: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(kept_in, tmp_path, *copy_shipped(tmp_path))
    yield running
    running.services.close()
