"""One installation of the shipped programme for each module: to read all of its emails takes a while."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programme import Programme


@pytest.fixture(scope="module")
def programme(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[Programme]:
    folder = tmp_path_factory.mktemp("programme")
    shutil.copy(_sqlite_template, folder / "engage.db")
    running = Programme(f"sqlite:///{folder / 'engage.db'}", folder)
    yield running
    running.services.close()
