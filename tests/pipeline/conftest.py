"""engage with the shipped campaigns and emails, on both databases."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.engage import ROOT, Engage


@pytest.fixture
def authored(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the shipped campaigns and emails, to be edited by tests."""
    campaigns, templates = tmp_path / "campaigns", tmp_path / "email_templates"
    shutil.copytree(ROOT / "campaigns", campaigns)
    shutil.copytree(ROOT / "email_templates", templates)
    return campaigns, templates


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
