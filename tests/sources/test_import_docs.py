"""docs/import.md holds: its example is imported as it says, and all of its mappings can be loaded."""

import re
from pathlib import Path

import pytest

from engage.authoring import parse_programs
from engage.domain.programs import METHODS, PARTNER_STATUSES, Program
from engage.sources import Report, import_directory, load_mapping
from engage.sources.mapping import KINDS
from tests.support.intake import Store

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "import.md").read_text()
BLOCKS = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def program() -> Program:
    path = ROOT / "campaigns" / "program.yaml"
    return next(iter(parse_programs(path.read_text(), str(path)).values()))


def table(report: Report) -> str:
    lines = ["file          read  accepted  unchanged  rejected"]
    for file in report.files:
        counts = file.counts
        lines.append(f"{file.file:<12}{counts.read:>6}{counts.accepted:>10}{counts.unchanged:>11}{counts.rejected:>10}")
    return "\n".join(lines) + "\n"


def test_the_example_is_imported_as_it_says(sqlite_url: str, program: Program, tmp_path: Path) -> None:
    named = {name: content for _, name, content in BLOCKS if name}
    for name in ("contacts.csv", "deals.csv", "mapping.yaml"):
        (tmp_path / name).write_text(named[name])
    store = Store(sqlite_url, program)
    mapping = load_mapping(tmp_path / "mapping.yaml", {program.key: program})

    def bring_in() -> Report:
        return import_directory(tmp_path, mapping, lambda rows: store.take(*rows).rows, rejects=tmp_path)

    assert table(bring_in()) == named["result"]
    assert (tmp_path / "deals.csv.rejects.csv").read_text() == named["deals.csv.rejects.csv"]
    assert table(bring_in()) == named["again"]
    store.close()


@pytest.mark.parametrize("text", [content for language, _, content in BLOCKS if language == "yaml"])
def test_every_mapping_can_be_loaded(program: Program, tmp_path: Path, text: str) -> None:
    (tmp_path / "mapping.yaml").write_text(text)
    assert load_mapping(tmp_path / "mapping.yaml", {program.key: program}).files


def test_every_record_and_field_is_explained() -> None:
    for name, kind in KINDS.items():
        (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", TEXT, re.MULTILINE)
        assert set(re.findall(r"\*\*`(\w+)`\*\*", row)) == set(kind.required)
        expected = {*kind.required, *kind.optional, *(["attributes"] if kind.attributes else [])}
        assert set(re.findall(r"`(\w+)`", row)) == expected
    for word in (*METHODS, *PARTNER_STATUSES):
        assert word in TEXT
