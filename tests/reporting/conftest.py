"""engage with the shipped campaigns and emails, on both databases."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engage import ROOT, Engage


@pytest.fixture
def engage(database_url: str, tmp_path: Path) -> Iterator[Engage]:
    campaigns, templates = tmp_path / "campaigns", tmp_path / "email_templates"
    shutil.copytree(ROOT / "campaigns", campaigns)
    shutil.copytree(ROOT / "email_templates", templates)
    running = Engage(database_url, tmp_path, campaigns, templates)
    yield running
    running.services.close()
