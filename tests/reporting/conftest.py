"""engage with the shipped campaigns and emails, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engage import Engage
from tests.support.shipped import copy_shipped


@pytest.fixture
def engage(database_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(database_url, tmp_path, *copy_shipped(tmp_path))
    yield running
    running.services.close()
