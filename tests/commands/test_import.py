"""`engage import`: what it reports, and what it says of input that is wrong; then nothing of it is stored."""

import shutil

import pytest

from tests.commands.saying import assert_said
from tests.support.installation import MAPPING, Installation


def test_rows_that_cannot_be_taken_are_reported_and_stop_nothing_unless_asked(fresh: Installation) -> None:
    with (fresh.export / "partners.csv").open("a") as file:
        file.write("zoe,not an address,Zoe\n")
    done = fresh.imports("--rejects", fresh.folder / "rejects")
    assert_said(done, 0, "partners.csv", "rejects/partners.csv.rejects.csv")
    rejected = (fresh.folder / "rejects" / "partners.csv.rejects.csv").read_text().splitlines()
    assert rejected[0] == "_line,_reason,id,mail,name"
    assert rejected[1].startswith("4,")
    again = fresh.imports("--strict", "--json")
    assert again.code == 1
    files = again.json()["files"]
    assert files[0] == {"file": "partners.csv", "read": 3, "accepted": 0, "unchanged": 2, "rejected": 1}
    assert again.json()["total"] == {"read": 3, "accepted": 0, "unchanged": 2, "rejected": 1}
    assert again.err == "", "scripts get no progress bar"


def test_an_import_says_into_which_database_and_needs_no_emails(fresh: Installation) -> None:
    shutil.rmtree(fresh.emails)
    assert_said(fresh.imports(), 0, "into sqlite:///")
    assert_said(fresh.run("lint"), 1, "email_templates:1:1: there is no folder '", "set ENGAGE_TEMPLATES_DIR")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "email: mail",
            "email: mial",
            ("mapping.yaml:4:39: partners.csv has no column 'mial'", "did you mean 'mail'?"),
        ),
        ("partners.csv", "partner.csv", ("has no partner.csv", "did you mean 'partners.csv'?")),
        ("New: submitted", "New: submited", ("submited", "did you mean 'submitted'?")),
        ("timezone: UTC", "timezone: [", ("mapping.yaml:", "this is not YAML")),
    ],
)
def test_a_mapping_that_is_wrong_names_the_place_and_the_way_out(
    fresh: Installation, old: str, new: str, said: tuple[str, ...]
) -> None:
    (fresh.folder / "mapping.yaml").write_text(MAPPING.replace(old, new))
    assert_said(fresh.imports(), 1, *said)


def test_a_file_in_another_encoding_is_refused_before_anything_is_taken(fresh: Installation) -> None:
    (fresh.export / "deals.csv").write_bytes(
        b"id,partner,company,created,closed,stage\nx,ann,Caf\xe9,2026-01-05,,New\n"
    )
    assert_said(fresh.imports(), 1, "line 2 of deals.csv", "is not utf-8", "encoding: cp1252")
    assert fresh.run("plan", "monthly", "--json").json()["matched"] == 0, "partners.csv was not taken either"


def test_folders_that_are_not_there_are_named(fresh: Installation) -> None:
    shutil.rmtree(fresh.export)
    assert_said(fresh.imports(), 1, "export is not a folder", "name the folder that holds the exported files")
    (fresh.folder / "mapping.yaml").unlink()
    assert_said(fresh.imports(), 1, "mapping.yaml cannot be read", "--mapping")
    assert_said(fresh.run("import", fresh.folder), 2, "Missing option '--mapping'")
