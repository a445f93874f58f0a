"""engage with the shipped campaigns and emails, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.caps import Begin, Capped
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped


@pytest.fixture
def authored(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the shipped campaigns, without limits, and emails, to be edited by tests."""
    return copy_shipped(tmp_path)


@pytest.fixture
def engage(database_url: str, tmp_path: Path, authored: tuple[Path, Path]) -> Iterator[Engage]:
    running = Engage(database_url, tmp_path, *authored)
    yield running
    running.services.close()


@pytest.fixture
def start(database_url: str, tmp_path: Path, authored: tuple[Path, Path]) -> Iterator[Callable[[str], Engage]]:
    """Starts engage with ENGAGE_SEND_TO as given."""
    started: list[Engage] = []

    def begin(send_to: str) -> Engage:
        started.append(Engage(database_url, tmp_path, *authored, send_to=send_to))
        return started[-1]

    yield begin
    for running in started:
        running.services.close()


@pytest.fixture
def capped(database_url: str, tmp_path: Path) -> Iterator[Begin]:
    """`capped("at_most: …", order=[…])` starts engage with these caps."""
    started: list[Capped] = []

    def begin(*caps: str, **options: object) -> Capped:
        started.append(Capped(database_url, tmp_path, *caps, **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for running in started:
        running.services.close()
