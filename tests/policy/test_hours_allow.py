"""The guard of hours: whose mail waits, until when, and what is not worth waiting for."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from engage.domain.campaigns import CampaignState
from engage.domain.decisions import Decision, Defer, Reason, Send, Skip
from engage.domain.limits import QuietHours
from engage.policy import Case, decide
from engage.slots import Hours

NIGHT = datetime(2026, 11, 2, 23, tzinfo=UTC)
MORNING = datetime(2026, 11, 3, 8, tzinfo=UTC)
CASE = Case(
    now=NIGHT,
    today=NIGHT.date(),
    state=CampaignState.LIVE,
    starts=None,
    ends=None,
    transactional=False,
    to_staff=False,
    event_age=None,
    ignore_older_than=timedelta(days=3),
    expires_at=NIGHT + timedelta(days=3),
    partner_active=True,
    asks_status=False,
    address="ann@example.com",
    hours=Hours("UTC", quiet=QuietHours(time(21), time(8))),
)


def decided(**changes: object) -> Decision:
    return decide(replace(CASE, **changes))  # type: ignore[arg-type]


def test_marketing_mail_waits_for_the_morning() -> None:
    assert decided() == Defer(MORNING, Reason.QUIET_HOURS)
    assert decided(now=MORNING) == Send()


def test_status_mail_and_alerts_do_not_wait() -> None:
    assert decided(transactional=True) == Send()
    assert decided(to_staff=True) == Send()


def test_nobody_waits_where_nothing_is_said_of_hours() -> None:
    assert decided(hours=None) == Send()


def test_what_would_be_too_late_in_the_morning_is_not_waited_for() -> None:
    assert decided(expires_at=MORNING) == Skip(Reason.QUIET_HOURS)
    assert decided(expires_at=MORNING + timedelta(seconds=1)) == Defer(MORNING, Reason.QUIET_HOURS)


def test_what_never_opens_is_skipped() -> None:
    always = Hours("UTC", quiet=QuietHours(time(8), time(8)))
    assert decided(hours=always, expires_at=NIGHT + timedelta(days=9999)) == Skip(Reason.QUIET_HOURS)


def test_what_will_not_be_sent_anyway_says_so_at_night_too() -> None:
    assert decided(unsubscribed=True) == Skip(Reason.UNSUBSCRIBED)
    assert decided(stopped=True) == Skip(Reason.STOPPED)
    assert decided(condition_holds=False) == Skip(Reason.CONDITION_NO_LONGER_HOLDS)
