"""`engage sources`: what it says of watched databases and folders before and after they are polled."""

import re
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engage.bootstrap import Services
from engage.queueing import NoQueue
from engage.settings import Settings
from engage.sources import hubspot
from tests.commands.saying import assert_said
from tests.support.installation import Installation
from tests.support.pushing import SOURCES as PUSHED
from tests.support.pushing import recorded

SOURCES = """\
sources:
  - source: crm
    url: {env: CRM_DATABASE_URL}
    query: SELECT * FROM deals
    cursor: updated_at
    key: id
    partner: {external_id: contact, email: mail}
    referral: {external_id: id, partner: contact, status: {column: stage, map: {New: submitted}}, submitted_at: at}
"""
NIGHTLY = """\
sources:
  - source: nightly
    folder: drops
    mapping: mapping.yaml
"""


@pytest.fixture
def watched(fresh: Installation) -> Installation:
    """An installation that watches a CRM with two deals, one of which cannot be taken."""
    (fresh.folder / "sources.yaml").write_text(SOURCES)
    fresh.env["CRM_DATABASE_URL"] = f"sqlite:///{fresh.folder / 'crm.db'}"
    with sqlite3.connect(fresh.folder / "crm.db") as crm:
        crm.execute("CREATE TABLE deals (id, contact, mail, stage, at, updated_at)")
        row = ("acme", "ann", "ann@example.com", "New", "2026-01-05", "2026-01-05 10:00:00")
        crm.execute("INSERT INTO deals VALUES (?, ?, ?, ?, ?, ?)", row)
        crm.execute("INSERT INTO deals VALUES (?, ?, ?, ?, ?, ?)", ("brix", *row[1:3], "Old", *row[4:]))
    return fresh


def test_a_source_is_tried_polled_and_listed(watched: Installation) -> None:
    tried = watched.run("sources", "try", "crm")
    assert_said(tried, 0, "id=acme", "referral: external_id=acme", "status=submitted", "rejected: status: 'Old'")
    (listed,) = watched.run("sources", "--json").json()
    assert listed == {
        "source": "crm", "kind": "sql", "state": "new", "lag_seconds": None, "error": None, "rejected": 0,
        "tried_at": None, "next_at": None, "waits": [],
    }  # fmt: skip
    assert_said(watched.run("sources", "poll", "crm"), 0, "2 rows read", "1 accepted", "1 rejected")
    assert_said(watched.run("sources"), 0, "crm     sql   ok")
    assert_said(watched.run("sources", "rejects", "crm"), 0, "brix: status: 'Old' is not in the map; it has New")
    assert watched.run("sources", "rejects", "crm", "--json").json()[0]["row"]["stage"] == "Old"


def test_what_is_wrong_is_said_by_the_list_and_by_doctor(watched: Installation) -> None:
    assert watched.run("sources", "poll", "crm").code == 0
    with sqlite3.connect(watched.folder / "crm.db") as crm:
        crm.execute("ALTER TABLE deals RENAME COLUMN stage TO phase")
    known = "known are id, contact, mail, phase, at, updated_at"
    assert_said(watched.run("sources", "poll", "crm"), 1, "the query has no column 'stage'", known)
    assert_said(watched.run("sources"), 0, "held", f"crm: the query has no column 'stage'; {known}")
    (listed,) = watched.run("sources", "--json").json()
    tried, following = (datetime.fromisoformat(listed[key]) for key in ("tried_at", "next_at"))
    assert tried <= following <= tried + timedelta(minutes=2)
    assert re.search(
        r"\(tried .*\d\d:\d\d, next .*\d\d:\d\d UTC; now: engage sources poll crm\)", watched.run("sources").out
    )
    assert_said(
        watched.run("doctor"), 3, "source crm: is held: the query has no column 'stage'", "it goes on by itself"
    )
    assert_said(watched.run("sources", "try", "crm"), 1, "the query has no column 'stage'")
    Path(watched.folder / "crm.db").unlink()
    assert_said(watched.run("sources", "try", "crm"), 3, "crm.db", "unable to open database file")


def test_lint_reads_sources_yaml_too(watched: Installation) -> None:
    assert watched.run("lint").code == 0
    (watched.folder / "sources.yaml").write_text(SOURCES.replace("cursor:", "curser:"))
    for arguments in (["lint"], ["lint", "sources.yaml"], ["sources"]):
        ran = watched.run(*arguments)
        assert_said(ran, 1, "sources.yaml:5:5: unknown key 'curser' in a source; did you mean 'cursor'?")


def test_without_a_file_there_is_nothing_to_list(fresh: Installation) -> None:
    assert_said(fresh.run("sources"), 0, "sources.yaml names no sources. docs/connect.md shows how")
    assert_said(fresh.run("sources", "try", "crm"), 1, "there is no source 'crm': sources.yaml names none")


def test_a_source_is_not_polled_before_those_above_it(watched: Installation) -> None:
    rewards = """\
  - source: rewards
    url: {env: CRM_DATABASE_URL}
    query: SELECT 'r1' AS id, 'ann' AS partner, 100.5 AS paid, '2026-01-05' AS at
    cursor: at
    reward: {external_id: id, partner: partner, amount: paid, earned_at: at}
"""
    (watched.folder / "sources.yaml").write_text(SOURCES + rewards)
    waits = "waits until crm has been read for the first time"
    refused = watched.run("sources", "poll", "rewards")
    assert_said(refused, 1, f"rewards {waits}", "poll crm first: engage sources poll crm")
    assert_said(watched.run("sources"), 0, f"rewards: {waits}")
    assert_said(watched.run("doctor"), 3, f"source rewards: is waiting; {waits}")
    assert_said(watched.run("sources", "try", "rewards"), 0, "reward: external_id=r1", "amount=100.50 USD")
    assert watched.run("sources", "poll", "crm").code == 0
    assert_said(watched.run("sources", "poll", "rewards"), 0, "1 row read", "1 accepted")


def test_drops_are_tried_and_waited_for_where_they_lie(fresh: Installation) -> None:
    (fresh.folder / "sources.yaml").write_text(NIGHTLY)
    drops = fresh.folder / "drops"
    drops.mkdir()
    assert_said(fresh.run("sources", "poll", "nightly"), 0, "No drop lies in drops")
    fresh.deals("acme")
    files = {path.name: path.read_text() for path in fresh.export.iterdir()}
    (drops / "n3").mkdir()
    (drops / "n3" / "partners.csv").write_text(files["partners.csv"])
    waits = "drops/n3 waits for deals.csv"
    assert_said(fresh.run("sources", "try", "nightly"), 1, waits)
    assert_said(fresh.run("sources", "poll", "nightly"), 0, waits)
    assert_said(fresh.run("sources"), 0, f"nightly: {waits}")
    assert_said(fresh.run("doctor"), 3, waits)
    (drops / "n3" / "deals.csv").write_text(files["deals.csv"])
    assert_said(fresh.run("sources", "try", "nightly"), 0, "referral: external_id=acme", "status=won")
    polled = fresh.run("sources", "poll", "nightly", "--json").json()
    assert polled["waits"] == ["drops/n3 waits until its files have stood still for 1m"]
    (listed,) = fresh.run("sources", "--json").json()
    assert listed["waits"] == polled["waits"]


def test_a_folder_whose_drop_failed_needs_the_files_again(fresh: Installation) -> None:
    (fresh.folder / "sources.yaml").write_text(NIGHTLY)
    taking = fresh.folder / "drops" / ".taking"
    taking.mkdir(parents=True)
    for name in ("partners.csv", "deals.csv"):
        (taking / name).write_text("nothing\n")
    assert_said(fresh.run("sources", "poll", "nightly"), 1, "could not be taken", "error.txt beside the files")
    assert_said(fresh.run("doctor"), 3, "source nightly: is held: the drop in", "mend it and drop the files again")


def test_systems_that_push_are_listed_and_what_they_brought_in_vain_can_be_tried(fresh: Installation) -> None:
    (fresh.folder / "sources.yaml").write_text(PUSHED)
    said = fresh.run("sources")
    assert_said(said, 0, "hubspot     hubspot     new    never", "/hooks/hubspot", "/hooks/salesforce/<the secret>")
    assert_said(fresh.run("sources", "try", "hubspot"), 0, "hubspot pushes by itself, and nothing waits")
    _push(fresh, recorded("hubspot/deal_events.json"))
    assert_said(fresh.run("sources"), 0, "hubspot     hubspot     ok")
    assert_said(fresh.run("sources", "rejects", "hubspot"), 0, "deal 18840226071 dealstage: partner is missing")
    tried = fresh.run("sources", "try", "hubspot")
    assert_said(tried, 0, "referral: external_id=18840226071, partner=ann", "status=submitted")
    assert_said(fresh.run("sources", "poll", "hubspot"), 0, "0 rejected before are taken now")
    assert fresh.run("sources", "--json").json()[0]["kind"] == "hubspot"


def _push(installation: Installation, body: bytes) -> None:
    """As the web process takes what HubSpot has sent."""
    settings = Settings.load(
        data_dir=installation.folder / "var",
        campaigns_dir=installation.campaigns,
        templates_dir=installation.emails,
        sources=installation.folder / "sources.yaml",
    )
    built = Services(settings, NoQueue())
    source = built.hook("hubspot")
    assert source is not None
    built.receive(source, hubspot.rows(body))
    built.close()
