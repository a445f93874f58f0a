"""docs/consent.md holds: its example is imported as it says, and its tables have every word that is understood."""

import re
from datetime import UTC, datetime
from pathlib import Path

from engage.authoring import parse_programs
from engage.pipeline.consent import heed
from engage.sources.refusals import COLUMNS, KINDS, Reading, import_refusals
from tests.support.command import ROOT
from tests.support.intake import Store

TEXT = (ROOT / "docs" / "consent.md").read_text()
BLOCKS = {name: text for name, text in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)}
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_example_is_imported_as_it_says(sqlite_url: str, tmp_path: Path) -> None:
    path = ROOT / "campaigns" / "program.yaml"
    (program,) = parse_programs(path.read_text(), str(path)).values()
    store = Store(sqlite_url, program)
    (tmp_path / "said-before.csv").write_text(BLOCKS["said-before.csv"])
    with store.database.write() as db:
        report = import_refusals(
            tmp_path / "said-before.csv",
            Reading(program),
            lambda refusals: heed(db, store.program_id, refusals, NOW, "import").outcomes,
            tmp_path,
        )
    store.close()
    counts = report.counts
    shown = BLOCKS["result"].splitlines()[1].split()
    assert shown == ["said-before.csv", *map(str, (counts.read, counts.accepted, counts.unchanged, counts.rejected))]
    assert report.rejects is not None
    assert report.rejects.read_text() == BLOCKS["said-before.csv.rejects.csv"]


def folded(text: str) -> str:
    return " ".join(text.casefold().replace("-", " ").replace("_", " ").split())


def also_called(heading: str) -> dict[str, set[str]]:
    """The table whose header is `heading`, and `also called`."""
    table = TEXT.partition(f"| `{heading}` | also called |\n" if heading == "kind" else "| column | also called |\n")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", table.partition("\n\n")[0], re.MULTILINE)
    return {folded(name): {folded(name), *map(folded, words.split(","))} for name, words in rows}


def test_every_name_of_a_column_is_listed() -> None:
    assert also_called("column") == {name: set(words) for name, words in COLUMNS.items() if len(words) > 1}


def test_every_name_of_a_kind_is_listed() -> None:
    kinds: dict[str, set[str]] = {}
    for word, kind in KINDS.items():
        kinds.setdefault(folded(kind), set()).add(word)
    assert also_called("kind") == kinds
