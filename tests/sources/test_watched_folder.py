"""Exports dropped into a watched folder: taken once they are complete, then moved to `done` or `failed`."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from engage.domain.errors import InputError
from engage.sources import dropping
from engage.sources.watched import FolderSource, SourceChanged
from engage.store import tables
from tests.support.crm import Watching, standing
from tests.support.installation import MAPPING

SOURCES = """\
sources:
  - source: nightly
    folder: drops
    mapping: mapping.yaml
    every: 1m
"""
PARTNERS = "id,mail,name\nann,ann@example.com,Ann\n"
DEALS = "id,partner,company,created,closed,stage\n"


@pytest.fixture
def folder(watching: Watching) -> Path:
    """A watched folder in which nothing was ever dropped."""
    drops = watching.path.parent / "drops"
    drops.mkdir()
    (watching.path.parent / "mapping.yaml").write_text(MAPPING)
    watching.says(SOURCES)
    return drops


def drop(folder: Path, *won: str, partners: str = PARTNERS) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "partners.csv").write_text(partners)
    rows = [f"{name},ann,{name.title()} Ltd,2026-03-01,2026-03-02,Won\n" for name in won]
    (folder / "deals.csv").write_text(DEALS + "".join(rows))


def looks(watching: Watching, times: int = 2) -> list[str]:
    """Where each look put the files that it took, relative to the folder."""
    polled = [watching.polls("nightly")[0].drop for _ in range(times)]
    return ["/".join(Path(each).parts[-2:]) if each else "" for each in polled]


def test_the_first_drop_is_silent_and_the_next_ones_are_news(watching: Watching, folder: Path) -> None:
    drop(folder, "acme")
    assert looks(watching) == ["", "done/20260302T150100Z"]
    assert watching.engage.work() == []
    assert watching.statuses() == {"acme": "won"}

    drop(folder, "acme", "brix")
    looks(watching)
    assert [mail.to.email for mail in watching.engage.work()] == ["ann@example.com"]
    assert sorted(path.name for path in folder.iterdir()) == ["done"]


def test_what_was_taken_lies_in_done_with_its_report_and_rejects(watching: Watching, folder: Path) -> None:
    drop(folder, "acme", partners=PARTNERS + "bob,bob.example.com,Bob\n")
    (_, where) = looks(watching)
    files = sorted(path.name for path in (folder / where).iterdir())
    assert files == ["deals.csv", "partners.csv", "partners.csv.rejects.csv", "report.json"]
    report = json.loads((folder / where / "report.json").read_text())
    assert report["total"] == {"read": 3, "accepted": 2, "unchanged": 0, "rejected": 1}
    assert watching.engage.count(tables.feed_readings) == 1


def test_files_that_still_grow_or_are_missing_are_waited_for(watching: Watching, folder: Path) -> None:
    (folder / "partners.csv").write_text(PARTNERS)
    (folder / "deals.csv.part").write_text(DEALS)
    assert looks(watching) == ["", ""]
    (folder / "deals.csv.part").rename(folder / "deals.csv")
    assert looks(watching, 1) == [""]
    with (folder / "deals.csv").open("a") as file:
        file.write("acme,ann,Acme,2026-03-01,2026-03-02,Won\n")
    assert looks(watching, 1) == [""]
    assert looks(watching, 1)[0].startswith("done/")
    assert watching.statuses() == {"acme": "won"}


def test_two_quick_looks_are_not_enough(watching: Watching, folder: Path) -> None:
    drop(folder, "acme")
    looks(watching, 1)
    watching.engage.now -= timedelta(seconds=50)
    assert looks(watching, 1) == [""]


def test_a_sub_folder_is_a_drop_of_its_own(watching: Watching, folder: Path) -> None:
    drop(folder / "2026-03-01", "acme")
    drop(folder / "2026-03-02", "acme", "brix")
    drop(folder / "2026-03-03.part", "calm")
    looks(watching, 3)
    assert sorted(watching.statuses()) == ["acme", "brix"]
    assert len(watching.engage.work()) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["2026-03-03.part", "done"]


def test_a_drop_that_cannot_be_taken_lies_in_failed_and_says_why(watching: Watching, folder: Path) -> None:
    drop(folder, "acme")
    (folder / "deals.csv").write_text("id;partner;company\nacme;ann;Acme\n")
    (_, where) = looks(watching)
    assert where.startswith("failed/")
    said = (folder / where / "error.txt").read_text()
    assert "the columns of deals.csv seem to be separated by ';'" in said
    assert "drop the files again" in said
    assert standing(watching) == {"nightly": "held"}
    looks(watching)
    assert standing(watching) == {"nightly": "held"}, "until a drop is taken"
    assert "could not be taken" in (watching.state("nightly").error or "")

    drop(folder, "acme")
    looks(watching)
    assert standing(watching) == {"nightly": "ok"}


def test_a_kill_between_import_and_move_takes_nothing_twice(
    watching: Watching, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(folder)
    looks(watching)
    drop(folder, "acme")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(dropping._Drop, "_away", killed)
        with pytest.raises(KeyboardInterrupt):
            looks(watching)
    assert watching.statuses() == {"acme": "won"}
    assert len(watching.engage.work()) == 1

    (where,) = looks(watching, 1)
    assert where.startswith("done/")
    assert watching.engage.work() == []
    assert len(watching.changes()) == 2  # submitted, then won


def test_a_kill_between_two_moves_leaves_a_drop_that_is_finished_later(watching: Watching, folder: Path) -> None:
    drop(folder, "acme")
    (folder / ".taking").mkdir()
    (folder / "partners.csv").rename(folder / ".taking" / "partners.csv")
    assert looks(watching)[1].startswith("done/")
    assert watching.statuses() == {"acme": "won"}
    assert sorted(path.name for path in folder.iterdir()) == ["done"]


def test_a_folder_that_is_not_there_is_said(watching: Watching, folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(SourceChanged, match="drops is not a folder; make it"):
        looks(watching)
    assert not os.path.exists(folder)


# -- what is said of drops ---------------------------------------------------------------------------------------------


def waits(watching: Watching) -> list[str]:
    """What the drops wait for, relative to where sources.yaml is."""
    (found,) = watching.engage.services.standings()
    return [each.removeprefix(f"{watching.path.parent}/") for each in found.waits]


def first(watching: Watching) -> Path:
    """Where the drop lies that `engage sources try` shows."""
    source = watching.engage.services.sources().find("nightly")
    assert isinstance(source, FolderSource)
    return dropping.first_drop(source)


def test_a_drop_that_is_not_taken_says_what_it_waits_for(watching: Watching, folder: Path) -> None:
    assert waits(watching) == []
    (folder / "n3").mkdir()
    assert waits(watching) == []
    (folder / "n3" / "partners.csv").write_text(PARTNERS)
    looks(watching)
    assert waits(watching) == ["drops/n3 waits for deals.csv"]
    drop(folder / "n3", "acme")
    looks(watching, 1)
    assert waits(watching) == ["drops/n3 waits until its files have stood still for 1m"]
    looks(watching, 1)
    assert waits(watching) == []


def test_a_drop_in_two_halves_waits_for_none_of_them(watching: Watching, folder: Path) -> None:
    drop(folder, "acme")
    (folder / ".taking").mkdir()
    (folder / "partners.csv").rename(folder / ".taking" / "partners.csv")
    assert waits(watching) == ["drops waits until its files have stood still for 1m"]


def test_the_drop_that_is_tried_is_the_one_that_is_taken_first(watching: Watching, folder: Path) -> None:
    with pytest.raises(InputError, match=r"no drop lies in .*drops; a drop has partners\.csv, deals\.csv"):
        first(watching)
    (folder / "n3").mkdir()
    (folder / "n3" / "partners.csv").write_text(PARTNERS)
    with pytest.raises(InputError, match=r"drops/n3 waits for deals\.csv"):
        first(watching)
    drop(folder, "acme")
    assert first(watching) == folder
    drop(folder / "n4", "acme")
    assert first(watching) == folder / "n4"
