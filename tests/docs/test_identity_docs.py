"""docs/identity.md holds: its mappings can be loaded, and tell what it says."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.records import PartnerRecord
from engage.sources import import_directory, load_mapping
from engage.store.tables import aliases
from tests.support.intake import Store, crm_program

TEXT = (Path(__file__).parents[2] / "docs" / "identity.md").read_text()
RENUMBERED, SALESFORCE, HUBSPOT = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("mapping", "file", "rows", "expected"),
    [
        (RENUMBERED, "renumbered.csv", "new_id,old_id\nnew,known\n", ["new"]),
        (
            SALESFORCE,
            "contacts.csv",
            "Id,Email,FirstName,LastName,MasterRecordId\nM,,Ann,Lee,\nD,,Anne,Lee,M\n",
            ["D"],
        ),
        (
            HUBSPOT,
            "contacts.csv",
            "hs_object_id,email,hs_merged_object_ids\n1,,\n2,,7\n3,,8;9\n4,,11;12;13\n",
            ["11", "12", "13", "7", "8", "9"],
        ),
    ],
)
def test_its_mappings_tell_aliases(
    sqlite_url: str, tmp_path: Path, mapping: str, file: str, rows: str, expected: list[str]
) -> None:
    program = crm_program()
    (tmp_path / "mapping.yaml").write_text(mapping)
    (tmp_path / file).write_text(rows)
    store = Store(sqlite_url, program)
    store.take([PartnerRecord("known")])
    read = load_mapping(tmp_path / "mapping.yaml", {program.key: program})
    for _ in range(2):
        report = import_directory(tmp_path, read, lambda told: store.take(*told).rows, rejects=None)
        assert report.total.rejected == 0
    assert report.total.accepted == 0, "told again it is nothing new"
    names = store.select(sa.select(aliases.c.external_id).order_by(aliases.c.external_id))
    assert [row.external_id for row in names] == expected
    store.close()
