"""`engage consent show`: what partners chose on their own page, as it stands and as it came about."""

from datetime import UTC, datetime

from engage.domain.programs import Rhythm
from engage.store.database import Database
from engage.store.languages import change_language
from engage.store.pauses import change_pause
from engage.store.people import partners_known_as
from engage.store.rhythms import change_rhythm
from tests.commands.saying import assert_said
from tests.support.installation import Installation

HOW, FROM = "preference centre", "203.0.113.9 Mozilla/5.0 [x]"
FOR_EVER = datetime(2999, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


def chooses(engage: Installation) -> None:
    """Ann changes her mind some times."""
    database = Database(f"sqlite:///{engage.folder / 'var' / 'engage.db'}")
    with database.write() as db:
        ((_, ann),) = partners_known_as(db, 1, "ann")
        change_language(db, 1, ann, "de", day(2), HOW, FROM)
        change_pause(db, 1, ann, day(30), day(3), HOW, FROM)
        change_rhythm(db, 1, ann, "referral-status", Rhythm.OFF, day(4), HOW, FROM)
        change_pause(db, 1, ann, None, day(5), HOW, FROM)
        change_pause(db, 1, ann, FOR_EVER, day(6), HOW, FROM)
    database.close()


def test_languages_breaks_and_rhythms_are_shown_with_every_change_of_them(fresh: Installation) -> None:
    fresh.imports()
    chooses(fresh)
    said = fresh.run("consent", "show", "ann")
    assert_said(said, 0, "ann reads in de, since 2026-03-02", "ann takes a break from marketing mail until 2999-01-01")
    lines = [" ".join(line.split()) for line in said.out.splitlines() if "(preference centre" in line]
    came = f"({HOW}, {FROM})"
    assert lines == [
        f"2026-03-02 12:00 UTC language de for ann {came}",
        f"2026-03-03 12:00 UTC a break of ann until 2026-03-30 UTC {came}",
        f"2026-03-04 12:00 UTC referral-status not at all for ann {came}",
        f"2026-03-05 12:00 UTC no break any more of ann {came}",
        f"2026-03-06 12:00 UTC a break of ann until 2999-01-01 UTC {came}",
    ]


def test_whoever_audits_reads_the_same_as_json(fresh: Installation) -> None:
    fresh.imports()
    chooses(fresh)
    shown = fresh.run("consent", "show", "ann", "--json").json()
    (partner,) = shown["partners"]
    assert partner["language"] == {"locale": "de", "since": "2026-03-02T12:00:00Z", "how": HOW}
    assert partner["pause"] == {"until": "2999-01-01T00:00:00Z", "since": "2026-03-06T12:00:00Z", "how": HOW}
    assert [(one["what"], one["topic"], one["to"]) for one in shown["settings"]] == [
        ("language", None, "de"),
        ("pause", None, "2026-03-30T12:00:00Z"),
        ("rhythm", "referral-status", "off"),
        ("pause", None, None),
        ("pause", None, "2999-01-01T00:00:00Z"),
    ]
    assert {(one["partner"], one["how"], one["source"]) for one in shown["settings"]} == {("ann", HOW, FROM)}
