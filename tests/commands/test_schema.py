"""`engage schema`: what it prints and writes, and that the first line of each shipped file leads there."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.command import ROOT, EngageCommand

CAMPAIGNS = ROOT / "campaigns"
SCHEMAS = ("campaign.json", "program.json", "further_program.json")
FILES = sorted(CAMPAIGNS.rglob("*.yaml"))


@pytest.fixture
def campaigns(tmp_path: Path) -> Path:
    """A copy of the shipped campaigns."""
    return Path(shutil.copytree(CAMPAIGNS, tmp_path / "campaigns"))


def of(campaigns: Path) -> dict[str, str]:
    return {"ENGAGE_CAMPAIGNS_DIR": str(campaigns)}


def test_it_prints_a_schema_of_campaigns_with_the_words_of_the_installation(run_engage: EngageCommand) -> None:
    printed = run_engage("schema").json()

    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "newsletter" in printed["properties"]["topic"]["enum"]
    assert run_engage("schema", "program").json()["title"] == "program.yaml"
    assert run_engage("schema", "further_program").json()["required"] == ["program"]


def test_what_is_shipped_is_what_it_writes(run_engage: EngageCommand, campaigns: Path) -> None:
    shutil.rmtree(campaigns / "_schema")
    ran = run_engage("schema", "--write", env=of(campaigns))

    assert [line.rpartition("/")[2] for line in ran.out.splitlines()] == [f"{name}." for name in SCHEMAS]
    for name in SCHEMAS:
        shipped = (CAMPAIGNS / "_schema" / name).read_text()
        assert (campaigns / "_schema" / name).read_text() == shipped, "engage schema --write"
    assert run_engage("lint", env=of(campaigns)).code == 0, "what it writes is no campaign"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_first_line_of_each_file_leads_an_editor_to_its_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    schema = (path.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve()

    further = path.parent.name == "programs"
    name = "program.json" if path.name == "program.yaml" else SCHEMAS[2] if further else SCHEMAS[0]
    assert schema == CAMPAIGNS / "_schema" / name
    assert json.loads(schema.read_text())


def test_with_a_mistake_in_program_yaml_nothing_is_written(run_engage: EngageCommand, campaigns: Path) -> None:
    (campaigns / "program.yaml").write_text("programs: {}\n")
    (campaigns / "_schema" / "campaign.json").write_text("as it was")
    ran = run_engage("schema", "--write", env=of(campaigns))

    assert ran.code == 1
    assert "has problems" in ran.err
    assert (campaigns / "_schema" / "campaign.json").read_text() == "as it was"


def test_without_a_campaigns_folder_there_is_nowhere_to_write(run_engage: EngageCommand, tmp_path: Path) -> None:
    nowhere = of(tmp_path / "none")

    assert run_engage("schema", env=nowhere).code == 0
    ran = run_engage("schema", "--write", env=nowhere)
    assert ran.code == 1
    assert "cannot write" in ran.err
