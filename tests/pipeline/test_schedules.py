"""Schedules: whom they find, and when the same partner may be found again."""

from datetime import timedelta
from pathlib import Path

from engage.domain.records import LoginRecord, PartnerRecord
from engage.store import tables
from tests.support.engage import Engage


def quiet(engage: Engage, name: str = "ann", days: int = 40) -> str:
    """A partner who has not logged in for a while, in a programme whose logins arrive."""
    engage.partner(name)
    engage.logs_in(name, days_ago=days)
    engage.partner("lively")
    engage.logs_in("lively")
    return name


def test_a_quiet_partner_is_missed_once_for_each_episode(engage: Engage) -> None:
    quiet(engage)
    assert [m.to.email for m in engage.runs("no-login-30-days")] == ["ann@example.com"]
    engage.now += timedelta(days=1)
    engage.logs_in("lively")
    assert engage.runs("no-login-30-days") == []
    engage.logs_in("ann")
    engage.now += timedelta(days=1)
    engage.runs("no-login-30-days")  # seen to be back: the episode is over
    engage.now += timedelta(days=41)
    engage.logs_in("lively")
    assert [m.to.email for m in engage.runs("no-login-30-days")] == ["ann@example.com"]


def test_a_slot_that_is_run_twice_sends_once(engage: Engage) -> None:
    engage.partner()
    assert len(engage.runs("monthly-newsletter")) == 1
    assert engage.runs("monthly-newsletter") == []
    assert engage.count(tables.runs) == 1


def test_who_logs_in_between_deciding_and_sending_is_not_missed(engage: Engage) -> None:
    quiet(engage)
    engage.services.run_now(engage.services.library().find("no-login-30-days"))
    engage.takes(LoginRecord("ann", engage.now), news=False)
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "skipped")]
    assert engage.decisions()[-1] == ("skip", "condition_no_longer_holds")


def test_stop_when_is_looked_at_again_when_sending(engage: Engage) -> None:
    engage.salesperson()
    engage.partner(owner="sam")
    for number in range(10):
        engage.refers("ann", f"r{number}")
    engage.services.run_now(engage.services.library().find("many-referrals-no-wins"))
    engage.becomes("ann", "r1", "won")
    engage.queue.waiting = type(engage.queue.waiting)(w for w in engage.queue.waiting if w[0] == "deliver")
    assert engage.work() == []
    assert {state for _, state in engage.states()} == {"skipped"}


def test_a_feed_that_was_never_connected_holds_the_run_and_says_so(engage: Engage) -> None:
    engage.partner()
    run, _ = engage.services.run_now(engage.services.library().find("no-login-30-days"))
    assert (run.state, run.reason) == ("held", "feed_never_connected")
    assert engage.count(tables.enrollments) == 0


def test_a_feed_that_has_gone_stale_holds_the_run(engage: Engage) -> None:
    engage.partner()
    engage.logs_in("ann", days_ago=4)
    engage.now += timedelta(days=60)
    run, _ = engage.services.run_now(engage.services.library().find("no-login-30-days"))
    assert (run.state, run.reason) == ("held", "feed_stale")


def test_a_feed_that_falls_silent_before_sending_defers_the_mail(engage: Engage) -> None:
    quiet(engage, days=60)
    engage.services.run_now(engage.services.library().find("no-login-30-days"))
    with engage.services.database.write() as db:
        db.execute(tables.events.delete().where(tables.events.c.occurred_at > engage.now - timedelta(days=10)))
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "pending")]
    assert engage.decisions()[-1] == ("defer", "feed_stale")


def test_many_referrals_and_no_win_helps_the_partner_and_tells_the_owner_whom_to_call(engage: Engage) -> None:
    engage.salesperson()
    engage.partner(owner="sam")
    for number in range(12):
        engage.refers("ann", f"r{number}")
    to_partner, to_owner = sorted(engage.runs("many-referrals-no-wins"), key=lambda m: m.to.email)
    assert to_partner.to.email == "ann@example.com"
    assert to_owner.to.email == "sam@example.com"
    assert "12" in to_owner.text
    assert "List-Unsubscribe" not in to_owner.headers
    assert engage.runs("many-referrals-no-wins") == []
    engage.now += timedelta(days=14)
    assert engage.runs("many-referrals-no-wins") == []


def test_an_alert_without_an_owner_goes_to_who_works_the_latest_open_referral(engage: Engage) -> None:
    engage.salesperson("sam")
    engage.salesperson("sue")
    engage.partner()
    for number in range(10):
        engage.refers("ann", f"r{number}", days_ago=6 - number / 2, salesperson="sue" if number == 9 else "sam")
    assert "sue@example.com" in {m.to.email for m in engage.runs("many-referrals-no-wins")}


def test_an_alert_goes_to_the_manager_when_the_owner_has_no_address(engage: Engage) -> None:
    engage.salesperson("max")
    engage.salesperson("sam", manager="max", email=None)
    engage.partner(owner="sam")
    for number in range(10):
        engage.refers("ann", f"r{number}")
    assert "max@example.com" in {m.to.email for m in engage.runs("many-referrals-no-wins")}


def test_an_alert_goes_to_the_programs_default_when_nobody_else_is_there(engage: Engage) -> None:
    engage.partner()
    for number in range(10):
        engage.refers("ann", f"r{number}")
    assert "partner-desk@example.com" in {m.to.email for m in engage.runs("many-referrals-no-wins")}


def test_near_a_tier_is_told_once_for_each_tier_and_year(engage: Engage) -> None:
    engage.partner()
    for referral in ("acme", "bolt"):
        engage.refers("ann", referral)
        engage.becomes("ann", referral, "won", days_ago=5)
    engage.work()
    (mail,) = engage.runs("near-next-tier")
    assert "Silver" in mail.text
    engage.now += timedelta(days=1)
    assert engage.runs("near-next-tier") == []
    engage.now += timedelta(days=7)
    engage.refers("ann", "other")
    assert engage.runs("near-next-tier") == []


def test_two_partners_with_one_address_get_one_newsletter(engage: Engage) -> None:
    engage.partner("ann")
    engage.partner("bob", email="Ann@example.com")
    assert len(engage.runs("monthly-newsletter")) == 1
    assert ("skip", "same_address") in engage.decisions()


def test_the_scheduler_opens_each_slot_once_and_lets_the_past_be(engage: Engage) -> None:
    engage.partner()
    engage.services.open_runs()
    assert engage.count(tables.runs) == 0  # campaigns that are new have no past
    engage.now = engage.now.replace(day=3, hour=14, minute=30)  # Tuesday, half past nine in New York
    engage.services.open_runs()
    engage.services.open_runs()
    with engage.services.database.read() as db:
        slots = [
            tuple(row)
            for row in db.execute(tables.runs.select().with_only_columns(tables.runs.c.campaign, tables.runs.c.slot))
        ]
    assert slots == [("near-next-tier", "2026-03-03T09:00")]


def test_a_campaign_that_is_edited_is_reloaded_and_a_broken_edit_never_replaces_what_runs(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    file = authored[0] / "newsletter" / "monthly.yaml"
    before = engage.services.library().find("monthly-newsletter")
    file.write_text(file.read_text().replace("state: live", "state: paused"))
    engage.now += timedelta(seconds=2)
    assert engage.services.library().find("monthly-newsletter").state == "paused"
    file.write_text("campaign: [broken")
    engage.now += timedelta(seconds=2)
    library = engage.services.library()
    assert library.find("monthly-newsletter").state == "paused"
    assert library.problems
    file.write_text(before.source)
    engage.now += timedelta(seconds=2)
    assert engage.services.library().find("monthly-newsletter").state == "live"
    assert engage.services.library().problems == ()


def test_a_restart_with_a_broken_template_goes_on_with_the_last_good_one(
    engage: Engage, authored: tuple[Path, Path], tmp_path: Path, database_url: str
) -> None:
    engage.partner()
    file = authored[1] / "newsletter" / "monthly.md"
    file.write_text(file.read_text() + "\n\n{{ partner.frist_name }}\n")
    again = Engage(database_url, tmp_path, *authored)
    again.now = engage.now
    assert any("frist_name" in str(problem) for problem in again.services.library().problems)
    assert len(again.runs("monthly-newsletter")) == 1
    again.services.close()


def test_a_paused_campaign_waits_and_a_removed_one_sends_nothing(engage: Engage, authored: tuple[Path, Path]) -> None:
    engage.partner()
    file = authored[0] / "newsletter" / "monthly.yaml"
    engage.services.run_now(engage.services.library().find("monthly-newsletter"))
    file.write_text(file.read_text().replace("state: live", "state: paused"))
    engage.now += timedelta(seconds=2)
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "pending")]
    program = authored[0] / "program.yaml"
    program.write_text(program.read_text().replace("      - monthly-newsletter\n", ""))
    file.unlink()
    engage.now += timedelta(minutes=20)
    engage.services.sweep()
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "skipped")]


def test_a_draft_enrolls_nobody_even_when_its_slot_is_run(engage: Engage, authored: tuple[Path, Path]) -> None:
    engage.partner()
    file = authored[0] / "newsletter" / "monthly.yaml"
    file.write_text(file.read_text().replace("state: live", "state: draft"))
    engage.now += timedelta(seconds=2)
    run, _ = engage.services.run_now(engage.services.library().find("monthly-newsletter"))
    assert (run.state, run.reason) == ("held", "campaign_not_live")
    assert engage.count(tables.enrollments) == 0


def test_a_run_that_was_held_can_be_run_when_the_feed_is_back(engage: Engage) -> None:
    engage.partner()
    engage.services.run_now(engage.services.library().find("no-login-30-days"))
    engage.logs_in("ann", days_ago=40)
    engage.partner("lively")
    engage.logs_in("lively")
    assert [m.to.email for m in engage.runs("no-login-30-days")] == ["ann@example.com"]


def test_a_run_whose_hint_was_lost_is_found_by_the_sweeper(engage: Engage) -> None:
    engage.partner()
    engage.now = engage.now.replace(month=4, day=1, hour=12, minute=0)
    engage.services.open_runs()
    engage.now = engage.now.replace(hour=13, minute=30)
    engage.services.open_runs()
    engage.queue.waiting.clear()
    engage.now += timedelta(seconds=30)
    engage.services.sweep()
    assert "monthly-newsletter" in {mail.category for mail in engage.work()}


def test_every_decision_keeps_the_values_behind_it(engage: Engage) -> None:
    quiet(engage)
    engage.services.run_now(engage.services.library().find("no-login-30-days"))
    engage.logs_in("ann")
    engage.work()
    with engage.services.database.read() as db:
        values = [row["values"] for row in db.execute(tables.decisions.select()).mappings()]
    assert [found["days_since_login"] for found in values] == [40, 0]


def test_two_partners_who_come_to_share_an_address_before_sending_get_one_mail(engage: Engage) -> None:
    for name in ("ann", "bob", "cat"):
        engage.partner(name)
    engage.services.run_now(engage.services.library().find("monthly-newsletter"))
    for name in ("ann", "cat"):
        engage.takes(PartnerRecord(name, email="bob@example.com"), news=False)
    assert [m.to.email for m in engage.work()] == ["bob@example.com"]
    assert sorted(state for _, state in engage.states()) == ["accepted", "skipped", "skipped"]
    assert engage.decisions()[-1] == ("skip", "same_address")


def test_partners_who_swap_their_addresses_before_sending_get_one_mail_each(engage: Engage) -> None:
    engage.partner("ann", email="one@example.com")
    engage.partner("bob", email="two@example.com")
    engage.services.run_now(engage.services.library().find("monthly-newsletter"))
    engage.takes(PartnerRecord("ann", email="three@example.com"), news=False)
    engage.takes(PartnerRecord("bob", email="one@example.com"), news=False)
    assert len({m.to.email for m in engage.work()}) == len(engage.provider.messages)
