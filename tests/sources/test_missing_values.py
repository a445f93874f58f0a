"""An empty cell where a record needs a value rejects the row, and no more."""

from pathlib import Path

import pytest

from engage.domain.records import PartnerRecord, ReferralRecord
from engage.sources import Counts, import_directory, load_mapping
from engage.sources.mapping import KINDS
from tests.support.intake import Store

VALUES = {
    "external_id": "x",
    "partner": "p",
    "referral": "r",
    "status": "won",
    "at": "2026-01-01",
    "amount": "5",
    "kind": "partner",
    "of": "p",
    "ask": "Who signs?",
    "more": "more",
}
NEEDED = [(name, field) for name, kind in KINDS.items() for field in kind.required]


@pytest.mark.parametrize(("name", "field"), NEEDED)
def test_an_empty_cell_of_a_value_that_is_needed_rejects_its_row(
    tmp_path: Path, sqlite_url: str, name: str, field: str
) -> None:
    store = Store(sqlite_url)
    store.take([PartnerRecord("p")], [ReferralRecord("r", "p")])
    columns = (*KINDS[name].required, "more")  # a line with nothing in it is no row
    (tmp_path / "m.yaml").write_text(
        f"files:\n  - file: f.csv\n    {name}: {{{', '.join(f'{c}: {c}' for c in KINDS[name].required)}}}\n"
    )
    whole, holed = [VALUES[c] for c in columns], ["" if c == field else VALUES[c] for c in columns]
    (tmp_path / "f.csv").write_text("\n".join(",".join(row) for row in (columns, holed, whole)) + "\n")
    mapping = load_mapping(tmp_path / "m.yaml", {store.program.key: store.program})
    report = import_directory(tmp_path, mapping, lambda rows: store.take(*rows).rows, rejects=tmp_path / "rejects")
    assert report.total == Counts(read=2, accepted=1, rejected=1)
    assert "no external id" in (text := (tmp_path / "rejects" / "f.csv.rejects.csv").read_text()) or "missing" in text
    store.close()
