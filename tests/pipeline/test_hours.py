"""Marketing mail at decent hours where the partner is: decided when they enter, and again in the moment of sending."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engage.domain.messages import Outcome, SendResult
from engage.pipeline.explaining import explain
from engage.pipeline.plan import plan
from engage.pipeline.sweep import GRACE
from engage.store import tables
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, subjects, write_trial

NEW_YORK, AUCKLAND = "America/New_York", "Pacific/Auckland"
QUIET = 'quiet_hours: {from: "21:00", to: "08:00"}'
OFFICE = "send_window: {days: weekdays, from: 09:00, to: 17:00, holidays: false}"

Starter = Callable[..., Engage]


@pytest.fixture
def engage_with(database_url: str, tmp_path: Path, authored: tuple[Path, Path]) -> Iterator[Starter]:
    """Starts engage with more lines of the program and of the newsletter."""
    started: list[Engage] = []

    def start(*program: str, newsletter: str = "") -> Engage:
        campaigns, _ = authored
        for path, lines in (("program.yaml", program), ("newsletter/monthly.yaml", [newsletter])):
            file = campaigns / path
            indent = "    " if path == "program.yaml" else ""
            file.write_text("\n".join([file.read_text(), *(indent + line for line in lines)]) + "\n")
        started.append(Engage(database_url, tmp_path, *authored))
        return started[-1]

    yield start
    for running in started:
        running.services.close()


def at(text: str, zone: str = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def goes_out_at(engage: Engage, text: str, zone: str = NEW_YORK) -> list[str]:
    """Who is mailed when the clock in `zone` is turned to this, or as soon after it as the sweeper finds them."""
    engage.now = at(text, zone) + GRACE
    engage.services.sweep()
    return sorted(message.to.email.partition("@")[0] for message in engage.work())


def until(engage: Engage) -> list[tuple[str | None, datetime | None]]:
    """(reason, until) of each decision, in order."""
    d = tables.decisions.c
    with engage.services.database.read() as db:
        return [(reason, when) for reason, when in db.execute(sa.select(d.reason, d.until).order_by(d.id))]


def test_a_newsletter_of_the_night_waits_for_the_morning(engage_with: Starter) -> None:
    engage = engage_with(QUIET)
    engage.now = at("2026-06-09T21:30")
    engage.partner()

    assert engage.runs("monthly-newsletter") == []
    assert until(engage) == [("quiet_hours", at("2026-06-10T08:00"))]
    assert goes_out_at(engage, "2026-06-10T07:59") == []
    assert goes_out_at(engage, "2026-06-10T08:00") == ["ann"]


def test_each_partner_is_mailed_in_the_morning_where_they_are(engage_with: Starter) -> None:
    engage = engage_with(OFFICE.replace("send_window", "quiet_hours: {from: 21:00, to: 08:00} #"), newsletter=OFFICE)
    engage.now = at("2026-06-12T16:00")  # Friday afternoon in New York, a Saturday in Auckland
    engage.partner("ann")
    engage.partner("bob", zone=AUCKLAND)
    engage.partner("cho", zone="Europe/London")
    engage.partner("dev", zone="Asia/Kathmandu")

    assert [message.to.email for message in engage.runs("monthly-newsletter")] == ["ann@example.com"]
    assert goes_out_at(engage, "2026-06-15T08:59", AUCKLAND) == []
    assert goes_out_at(engage, "2026-06-15T09:00", AUCKLAND) == ["bob"]
    assert goes_out_at(engage, "2026-06-15T09:00", "Asia/Kathmandu") == ["dev"]
    assert goes_out_at(engage, "2026-06-15T09:00", "Europe/London") == ["cho"]


@pytest.mark.guard("hours at sending")
def test_a_mail_that_was_due_before_the_night_and_is_sent_in_it_waits(engage_with: Starter) -> None:
    engage = engage_with(QUIET)
    engage.now = at("2026-06-09T20:59")
    engage.partner()
    engage.services.run_now(engage.services.library().find("monthly-newsletter"))

    assert goes_out_at(engage, "2026-06-09T21:01") == []
    assert until(engage) == [(None, None), ("quiet_hours", at("2026-06-10T08:00"))]
    assert engage.states() == [("partner:ann", "pending")]
    assert goes_out_at(engage, "2026-06-10T08:00") == ["ann"]


@pytest.mark.guard("hours at sending")
def test_what_the_provider_did_not_take_in_the_evening_is_not_tried_again_at_night(engage_with: Starter) -> None:
    engage = engage_with(QUIET)
    engage.now = at("2026-06-09T20:59")
    engage.partner()
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.RETRY, "", 503)
    assert len(engage.runs("monthly-newsletter")) == 1
    engage.provider.answers.clear()

    assert goes_out_at(engage, "2026-06-09T23:00") == []
    assert goes_out_at(engage, "2026-06-10T08:00") == ["ann"]
    assert engage.states() == [("partner:ann", "accepted")]


def test_a_window_that_was_missed_is_followed_by_the_next_one_and_not_by_at_once(engage_with: Starter) -> None:
    engage = engage_with(newsletter="send_window: {from: 09:00, to: 10:00}")
    engage.now = at("2026-06-09T11:00")
    engage.partner()
    engage.runs("monthly-newsletter")

    assert goes_out_at(engage, "2026-06-10T10:00") == []  # nobody worked in that hour
    assert goes_out_at(engage, "2026-06-10T16:00") == []
    assert goes_out_at(engage, "2026-06-11T09:00") == ["ann"]


def test_status_mail_and_alerts_go_out_at_night(engage_with: Starter) -> None:
    engage = engage_with(QUIET, "holidays: true")
    engage.now = at("2026-11-26T23:00")  # Thanksgiving
    engage.partner(owner=engage.salesperson())
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "won")
    assert [message.to.email for message in engage.work()] == ["ann@example.com"]

    engage.partner("bob", owner="sam")
    for number in range(10):
        engage.refers("bob", f"lead-{number}")
    assert [message.to.email for message in engage.runs("many-referrals-no-wins")] == ["sam@example.com"]
    assert engage.states()[1:] == [("partner:bob", "pending"), ("staff:sam", "accepted")]


def test_no_marketing_mail_on_holidays_of_the_country_in_which_the_partner_is(engage_with: Starter) -> None:
    engage = engage_with("holidays: true")
    engage.now = at("2026-11-26T10:00")  # Thanksgiving
    engage.partner("ann")
    engage.partner("cho", zone="Europe/London")

    assert [message.to.email for message in engage.runs("monthly-newsletter")] == ["cho@example.com"]
    assert ("holiday", at("2026-11-27T00:00")) in until(engage)
    assert goes_out_at(engage, "2026-11-27T00:00") == ["ann"]


def test_the_country_of_the_program_is_that_of_partners_whose_zone_tells_none(engage_with: Starter) -> None:
    engage = engage_with("holidays: true", "country: DE")
    engage.now = datetime(2026, 5, 14, 12, tzinfo=UTC)  # Ascension Day: a holiday in Germany, and not in the US
    engage.partner("ann")
    engage.partner("uma", zone="UTC")
    engage.partner("vic", zone="America/Chicago")

    assert [message.to.email for message in engage.runs("monthly-newsletter")] == ["vic@example.com"]


def test_what_cannot_go_out_in_time_is_not_waited_for(engage_with: Starter) -> None:
    engage = engage_with(newsletter="send_window: {days: [monday], from: 09:00, to: 17:00}\nsend_within: 2d")
    engage.now = at("2026-06-09T11:00")  # Tuesday
    engage.partner()

    assert engage.runs("monthly-newsletter") == []
    assert engage.decisions() == [("skip", "outside_send_window")]
    assert engage.states() == []


def test_who_moves_to_where_it_is_day_is_mailed_at_once(engage_with: Starter) -> None:
    engage = engage_with(QUIET)
    engage.now = at("2026-06-10T03:00", AUCKLAND)
    engage.partner(zone=AUCKLAND)
    assert engage.runs("monthly-newsletter") == []

    engage.partner(zone=NEW_YORK)
    assert goes_out_at(engage, "2026-06-09T11:10") == ["ann"]  # five in the morning in Auckland


def test_who_moves_to_where_it_is_night_is_not_mailed_by_the_clock_of_before(engage_with: Starter) -> None:
    engage = engage_with(QUIET)
    engage.now = at("2026-06-10T06:00", AUCKLAND)
    engage.partner(zone=AUCKLAND)
    assert engage.runs("monthly-newsletter") == []

    engage.partner(zone=NEW_YORK)  # where it is two in the afternoon
    engage.partner(zone="Europe/London")  # and seven in the evening
    engage.partner(zone="Asia/Kathmandu")  # and a quarter to midnight
    assert goes_out_at(engage, "2026-06-10T08:00", AUCKLAND) == []
    assert goes_out_at(engage, "2026-06-10T08:00", "Asia/Kathmandu") == ["ann"]


def test_plans_and_explanations_say_until_when_it_waits(engage_with: Starter) -> None:
    engage = engage_with(QUIET)
    engage.partner()
    night = at("2026-06-09T21:30")
    library = engage.services.library()
    newsletter = library.find("monthly-newsletter")
    with engage.services.database.read() as db:
        (planned,) = plan(db, library.scope_of(newsletter), newsletter, night).decisions
        explained = explain(db, library.scope_of(newsletter), newsletter, "ann", night)

    assert (planned.decision.reason, planned.decision.until) == ("quiet_hours", at("2026-06-10T08:00"))  # type: ignore[union-attr]
    assert explained.decision == planned.decision
    assert [v.guard for v in explained.steps[0].verdicts if v.decision] == ["hours_allow"]


@pytest.mark.parametrize(
    ("zone", "evening", "morning", "hours"),
    [
        (NEW_YORK, "2026-03-07T22:00", "2026-03-08T08:00", 9),
        (NEW_YORK, "2026-10-31T22:00", "2026-11-01T08:00", 11),
        ("Europe/London", "2026-03-28T22:00", "2026-03-29T08:00", 9),
        ("Europe/London", "2026-10-24T22:00", "2026-10-25T08:00", 11),
        (AUCKLAND, "2026-09-26T22:00", "2026-09-27T08:00", 9),
        (AUCKLAND, "2026-04-04T22:00", "2026-04-05T08:00", 11),
        ("Australia/Lord_Howe", "2026-10-03T22:00", "2026-10-04T08:00", 9.5),
        ("Australia/Lord_Howe", "2026-04-04T22:00", "2026-04-05T08:00", 10.5),
        ("Asia/Kathmandu", "2026-03-28T22:00", "2026-03-29T08:00", 10),
    ],
)
def test_the_night_in_which_clocks_change_ends_in_the_morning_there(
    engage_with: Starter, zone: str, evening: str, morning: str, hours: float
) -> None:
    engage = engage_with(QUIET)
    engage.now = at(evening, zone)
    engage.partner(zone=zone)

    assert engage.runs("monthly-newsletter") == []
    assert until(engage) == [("quiet_hours", at(morning, zone))]
    assert at(morning, zone) - at(evening, zone) == timedelta(hours=hours)
    assert goes_out_at(engage, morning, zone) == ["ann"]


def test_24_hours_after_a_mail_is_not_tomorrow_at_nine(engage_with: Starter) -> None:
    """The wait is over an hour earlier on the wall, before the window of that day opens: the mail waits for it."""
    engage = engage_with()
    write_trial(engage, "{send: a}, {wait: 24h}, {send: b}", send_window="{from: 09:00, to: 12:00}")
    engage.now = at("2026-10-31T09:30")
    engage.partner()
    assert subjects(engage.runs(TRIAL)) == ["A"]

    assert goes_out_at(engage, "2026-11-01T08:29:00") == []
    assert goes_out_at(engage, "2026-11-01T08:31:00") == []
    assert until(engage)[-1] == ("outside_send_window", at("2026-11-01T09:00"))
    assert goes_out_at(engage, "2026-11-01T09:00") == ["ann"]


def test_who_moves_in_mid_journey_is_mailed_at_the_hours_of_where_they_are(engage_with: Starter) -> None:
    engage = engage_with(QUIET)
    write_trial(engage, "{send: a}, {wait: 24h}, {send: b}", send_window="{days: weekdays, from: 09:00, to: 17:00}")
    engage.now = at("2026-06-11T16:00")  # Thursday
    engage.partner()
    assert subjects(engage.runs(TRIAL)) == ["A"]

    engage.now = at("2026-06-12T09:00")
    engage.partner(zone=AUCKLAND)
    assert goes_out_at(engage, "2026-06-12T16:01") == []  # Friday there is Saturday here
    assert until(engage)[-1] == ("outside_send_window", at("2026-06-15T09:00", AUCKLAND))
    assert goes_out_at(engage, "2026-06-15T09:00", AUCKLAND) == ["ann"]
