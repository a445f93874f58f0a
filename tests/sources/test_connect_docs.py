"""docs/connect.md holds: its sources can be loaded, and it explains every key and state."""

import re
from pathlib import Path

import pytest

from engage.authoring import parse_programs
from engage.domain.programs import Program
from engage.sources import load_sources
from engage.sources.mapping import KINDS
from engage.sources.watched import SqlSource
from tests.support.installation import MAPPING

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "connect.md").read_text()
PAGES = (TEXT, *(path.read_text() for path in sorted((ROOT / "docs" / "connect").glob("*.md"))))
EXAMPLES = [text for page in PAGES for text in re.findall(r"^```yaml ?\S*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


@pytest.fixture
def program() -> Program:
    path = ROOT / "campaigns" / "program.yaml"
    return next(iter(parse_programs(path.read_text(), str(path)).values()))


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_can_be_loaded(program: Program, tmp_path: Path, text: str) -> None:
    (tmp_path / "sources.yaml").write_text(text)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    sources = load_sources(tmp_path / "sources.yaml", {program.key: program}).sources
    assert sources
    for source in sources:
        if isinstance(source, SqlSource):
            named = {source.cursor, source.key} - {""} | {column.name for column in source.rows.columns}
            missing = [
                name for name in named if "*" not in source.query and not re.search(rf"\b{name}\b", source.query)
            ]
            assert missing == [], "the query has all columns that are named"


def test_every_key_is_explained() -> None:
    table = TEXT.partition("## The file, key by key")[2].partition("For a folder")[0]
    keys = {key for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", cell)}
    assert keys == {"source", "url", "query", "cursor", "overlap", "every", "key", "status_changes_per_hour", *KINDS}


def test_every_state_is_explained() -> None:
    table = TEXT.partition("| state | meaning |")[2].partition("| message |")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == ["new", "waiting", "ok", "failing", "held"]
