"""A day's updates in one mail, for partners who want a topic once a day."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engage.domain.decisions import Reason, Skip
from engage.domain.programs import Rhythm
from engage.domain.records import AliasRecord
from engage.pipeline.match import match_events
from engage.pipeline.plan import plan
from engage.store import tables
from tests.support.engage import Engage
from tests.support.replays import replayed
from tests.support.topics import GATHER, add_correction, deliveries, say, told_by, wait, wishes

DAILY = "referral-status-daily"


@pytest.fixture
def daily(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> Engage:
    """Ann, in Boston, wants updates once a day. It is ten in the morning there."""
    say(authored, GATHER)
    engage = start("")
    for lead in ("acme", "bolt"):
        engage.refers(engage.partner(zone="America/New_York"), lead)
    wishes(engage, "ann", Rhythm.DAILY)
    return engage


def due_at(engage: Engage) -> list[datetime]:
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        return list(db.execute(sa.select(d.due_at).where(d.campaign == DAILY).order_by(d.id)).scalars())


def test_a_days_updates_are_one_mail_at_five_where_the_partner_is(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    daily.becomes("ann", "bolt", "accepted")
    assert daily.work() == []
    daily.now += timedelta(hours=1)
    daily.becomes("ann", "acme", "won")
    assert wait(daily, hours=5, minutes=59) == []
    (mail,) = wait(daily, minutes=1)
    assert daily.now.astimezone(ZoneInfo("America/New_York")).hour == 17
    assert mail.subject == "News about 2 of your referrals"
    assert mail.text.count("Acme Ltd") == 1
    assert "Submitted -> Won" in mail.text
    assert "Submitted -> Accepted" in mail.text
    assert told_by(daily, DAILY) == ["referral-accepted", "referral-accepted", "referral-won"]
    assert daily.decisions().count(("skip", "gathered")) == 3
    assert wait(daily, days=1) == []


def test_the_next_day_has_a_mail_of_its_own(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    assert len(wait(daily, hours=7)) == 1
    daily.becomes("ann", "acme", "won")  # at five exactly: today's mail is gone
    assert daily.work() == []
    (mail,) = wait(daily, days=1)
    assert "Accepted -> Won" in mail.text


def test_nothing_goes_out_if_everything_was_undone(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted", days_ago=0.02)
    daily.becomes("ann", "acme", "submitted")
    assert wait(daily, hours=7) == []
    assert deliveries(daily) == [(DAILY, "skipped", "undone")]
    assert daily.decisions()[-1] == ("skip", "undone")


def test_a_referral_that_is_back_where_it_was_is_left_out(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted", days_ago=0.02)
    daily.becomes("ann", "acme", "submitted")
    daily.becomes("ann", "bolt", "accepted")
    (mail,) = wait(daily, hours=7)
    assert "Acme" not in mail.text
    assert mail.subject == "News about Bolt Ltd"


def test_the_mail_shows_each_referral_as_it_stands_when_it_goes_out(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted", days_ago=0.02)
    daily.becomes("ann", "acme", "qualified")  # of which no campaign tells
    (mail,) = wait(daily, hours=7)
    assert "Submitted -> Qualified" in mail.text


def test_who_changes_back_to_instant_loses_nothing_of_what_was_gathered(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    wait(daily, hours=1)
    wishes(daily, "ann", Rhythm.INSTANT)
    daily.becomes("ann", "bolt", "won")
    assert [mail.subject for mail in daily.work()] == ["Bolt Ltd signed. Thank you!"]
    assert [mail.subject for mail in wait(daily, hours=6)] == ["News about Acme Ltd"]


def test_who_switches_the_topic_off_hears_nothing_and_it_says_why(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    wait(daily, hours=1)
    wishes(daily, "ann", Rhythm.OFF)
    daily.becomes("ann", "bolt", "won")
    assert wait(daily, hours=6) == []
    assert daily.decisions()[-2:] == [("skip", "opted_out_of_updates")] * 2


def test_others_get_theirs_at_once(daily: Engage) -> None:
    daily.refers(daily.partner("bob"), "crane")
    daily.becomes("bob", "crane", "won")
    assert [mail.to.email for mail in daily.work()] == ["bob@example.com"]


def test_each_partner_has_five_o_clock_of_their_own(daily: Engage) -> None:
    for name, zone in (("kim", "Asia/Kathmandu"), ("hew", "Australia/Lord_Howe"), ("pro", None)):
        daily.refers(daily.partner(name, zone=zone), f"of-{name}")
        wishes(daily, name, Rhythm.DAILY)
        daily.becomes(name, f"of-{name}", "accepted")
    daily.work()
    assert due_at(daily) == [  # it is 15:00 UTC
        datetime(2026, 3, 3, 11, 15, tzinfo=UTC),
        datetime(2026, 3, 3, 6, 0, tzinfo=UTC),
        datetime(2026, 3, 2, 22, 0, tzinfo=UTC),  # where the program is
    ]


def test_five_o_clock_stays_five_o_clock_when_clocks_are_changed(daily: Engage) -> None:
    daily.now = datetime(2026, 3, 7, 23, 0, tzinfo=UTC)  # clocks go forward in the night
    daily.becomes("ann", "acme", "accepted")
    daily.work()
    assert due_at(daily) == [datetime(2026, 3, 8, 21, 0, tzinfo=UTC)]


def test_a_partner_who_flies_west_gets_one_mail_a_day(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    assert len(wait(daily, hours=7)) == 1
    daily.partner(zone="America/Los_Angeles")  # where it is two in the afternoon of the same day
    daily.becomes("ann", "bolt", "accepted")
    assert wait(daily, hours=3) == []
    assert len(wait(daily, days=1)) == 1


def test_what_was_suppressed_meanwhile_is_not_sent(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    daily.work()
    with daily.services.database.write() as db:
        address = db.execute(sa.select(tables.partners.c.address_id)).scalar_one()
        db.execute(sa.insert(tables.suppressions).values(address_id=address, reason="bounce", created_at=daily.now))
    assert wait(daily, hours=7) == []


def test_an_update_that_comes_while_the_mail_is_in_somebodys_hands_is_told_the_next_day(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    daily.work()
    with daily.services.database.write() as db:
        db.execute(sa.update(tables.deliveries).values(state="claimed", lease="x", lease_until=daily.now))
    daily.becomes("ann", "bolt", "accepted")
    daily.work()
    assert [at.day for at in due_at(daily)] == [2, 3]


def test_without_gather_in_the_program_a_daily_rhythm_changes_nothing(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    wishes(engage, "ann", Rhythm.DAILY)
    engage.becomes("ann", "acme", "won")
    assert len(engage.work()) == 1


def test_while_its_email_is_missing_updates_go_out_at_once(
    authored: tuple[Path, Path], start: Callable[[str], Engage]
) -> None:
    say(authored, GATHER)
    (authored[1] / "status_updates" / "daily.md").unlink()
    engage = start("")
    engage.refers(engage.partner(), "acme")
    wishes(engage, "ann", Rhythm.DAILY)
    engage.becomes("ann", "acme", "won")
    assert len(engage.work()) == 1


def test_collapse_and_gather_go_together(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> None:
    say(authored, GATHER, "collapse: 10m", "regression: correct")
    add_correction(authored)
    engage = start("")
    for name in ("ann", "bob"):
        engage.refers(engage.partner(name), f"of-{name}")
    wishes(engage, "ann", Rhythm.DAILY)
    for status, days_ago in (("accepted", 0.02), ("won", 0.01)):
        engage.becomes("ann", "of-ann", status, days_ago=days_ago)
        engage.becomes("bob", "of-bob", status, days_ago=days_ago)
    assert [mail.to.email for mail in wait(engage, minutes=10)] == ["bob@example.com"]
    assert [mail.to.email for mail in wait(engage, hours=7)] == ["ann@example.com"]


@pytest.mark.parametrize("trial", range(3))
def test_workers_that_match_updates_of_one_partner_at_once_make_one_mail(daily: Engage, trial: int) -> None:
    for lead in ("acme", "bolt"):
        daily.becomes("ann", lead, "accepted")
    batches = [ids for task, ids, _ in daily.queue.waiting if task == "match"]
    daily.queue.waiting.clear()
    ready = threading.Barrier(2)

    def match(ids: list[int]) -> None:
        ready.wait()
        with daily.services.database.write() as db:
            match_events(db, daily.services.library(), ids, daily.now)

    threads = [threading.Thread(target=match, args=(ids,)) for ids in batches[:: -1 if trial % 2 else 1]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert deliveries(daily) == [(DAILY, "pending", None)]
    assert len(told_by(daily, DAILY)) == 2


def test_a_plan_says_what_the_daily_mail_tells(daily: Engage) -> None:
    daily.becomes("ann", "acme", "won")
    library = daily.services.library()
    won = library.find("referral-won")
    with daily.services.database.read() as db:
        planned = plan(db, library.scope_of(won), won, daily.now)
    assert [one.decision for one in planned.decisions] == [Skip(Reason.GATHERED)]


def test_two_partners_who_turn_out_to_be_one_get_one_mail_of_both(daily: Engage) -> None:
    daily.refers(daily.partner("bob", zone="America/New_York"), "crane")
    wishes(daily, "bob", Rhythm.DAILY)
    daily.becomes("ann", "acme", "accepted")
    daily.becomes("bob", "crane", "accepted")
    daily.work()
    daily.takes(AliasRecord("partner", "bob", "ann"), news=False)
    (mail,) = wait(daily, hours=7)
    assert "Acme Ltd" in mail.text
    assert "Crane Ltd" in mail.text


def test_a_replay_gathers_as_the_day_itself_did(daily: Engage, tmp_path: Path) -> None:
    for lead, status in (("acme", "accepted"), ("bolt", "accepted"), ("acme", "won")):
        daily.becomes("ann", lead, status)
        daily.now += timedelta(minutes=30)
    day = date(2026, 3, 2)
    named = ("referral-accepted", "referral-won")
    replayed(daily.services, day, day, tmp_path, *named, mails=tmp_path / "mails")
    (file,) = (tmp_path / "mails").rglob("*.eml")
    assert "News about 2 of your referrals" in file.read_text()


def test_who_moves_before_it_is_time_gets_it_at_five_where_they_are_now(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    daily.work()
    daily.partner(zone="America/Los_Angeles")
    assert wait(daily, hours=7) == []  # five in Boston
    assert due_at(daily) == [datetime(2026, 3, 3, 1, 0, tzinfo=UTC)]
    assert len(wait(daily, hours=3)) == 1


def test_who_moves_to_where_it_is_past_five_gets_it_then(daily: Engage) -> None:
    daily.becomes("ann", "acme", "accepted")
    daily.now += timedelta(hours=2)
    daily.work()
    daily.partner(zone="Europe/Berlin")  # where it is six
    assert len(wait(daily)) == 1
