"""Schedules on each partner's own clock: the same local time for everybody, once for each local date."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.campaigns import CatchUp, Clock, ScheduleTrigger
from engage.domain.local_time import FIRST_TO_LAST
from engage.pipeline.clocks import comes_at
from engage.pipeline.explaining import explain
from engage.pipeline.plan import Plan, plan
from engage.triggers import due_slots
from tests.support.engage import Engage
from tests.support.replays import replayed

DAILY = """\
campaign: monthly-newsletter
state: live
topic: newsletter
for: partner
when: {every: "day 09:00", clock: partner}
again: each slot
steps:
  - send: newsletter/monthly
"""
ZONES = {
    "kiri": "Pacific/Kiritimati",  # 14 hours ahead
    "ann": "America/New_York",
    "bea": "Europe/Berlin",
    "chi": "Asia/Kathmandu",  # five and three quarters
    "pago": "Pacific/Pago_Pago",  # 11 hours behind
    "nowhere": None,
}


@pytest.fixture
def mornings(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> Engage:
    (authored[0] / "newsletter" / "monthly.yaml").write_text(DAILY)
    engage = start("")
    engage.now = datetime(2026, 3, 6, 9, 30, 30, tzinfo=UTC)
    for name, zone in ZONES.items():
        engage.partner(name, zone=zone)
    engage.services.open_runs()
    return engage


def passes(engage: Engage, hours: float, step: float = 0.5) -> list[tuple[str, datetime]]:
    """Who got mail, and when, while the scheduler looked at the clock every half hour."""
    got = []
    until = engage.now + timedelta(hours=hours)
    while engage.now < until:
        engage.now += timedelta(hours=step)
        engage.services.open_runs()
        got += [(mail.to.email.partition("@")[0], engage.now) for mail in (*engage.work(), *engage.sweeps())]
    return got


def there(name: str, at: datetime) -> str:
    return at.astimezone(ZoneInfo(ZONES[name] or "America/New_York")).strftime("%d %H:%M")


def test_everybody_is_mailed_at_nine_where_they_are(mornings: Engage) -> None:
    got = passes(mornings, 36)
    saturday = [(name, at) for name, at in got if there(name, at).startswith("07")]
    assert [name for name, _ in saturday] == ["kiri", "chi", "bea", "ann", "nowhere", "pago"]
    assert {there(name, at) for name, at in saturday if name != "chi"} == {"07 09:00"}
    assert there("chi", dict(saturday)["chi"]) == "07 09:15"  # the sweep looks every half hour: a quarter past
    assert len(got) == len(set(got))


def test_a_partner_is_mailed_once_a_date_when_clocks_are_changed(mornings: Engage) -> None:
    """New York puts clocks forward on the eighth, Berlin on the twenty-ninth."""
    for first, name in (
        (datetime(2026, 3, 7, 0, 0, 30, tzinfo=UTC), "ann"),
        (datetime(2026, 3, 27, 3, 0, 30, tzinfo=UTC), "bea"),
    ):
        mornings.now = first
        mornings.services.open_runs()
        got = [there(one, at) for one, at in passes(mornings, 96, 1) if one == name]
        days = [text[:2] for text in got]
        assert len(days) == len(set(days))
        assert {text[3:] for text in got} == {"09:00"}


def test_who_moves_west_before_it_is_nine_waits_for_nine_there(mornings: Engage) -> None:
    passes(mornings, 10)  # the slot of the seventh has opened
    mornings.partner("bea", zone="America/Los_Angeles")
    got = passes(mornings, 30)
    seventh = [at for name, at in got if name == "bea"]
    assert [at.astimezone(ZoneInfo("America/Los_Angeles")).strftime("%d %H:%M") for at in seventh] == ["07 09:00"]


def test_a_day_of_silence_loses_nobody(mornings: Engage) -> None:
    mornings.now += timedelta(hours=34)  # the slot of the seventh opened 24.5 hours ago
    got = passes(mornings, 2)
    assert {name for name, _ in got} >= {"kiri", "ann", "bea", "chi", "nowhere"}
    names = [name for name, at in got if there(name, at).startswith("07")]
    assert len(names) == len(set(names))


def test_plan_and_explain_say_when_it_is_due_there(mornings: Engage) -> None:
    at = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)  # nine on the seventh has come to Kiritimati, and nowhere else
    services = mornings.services
    campaign = services.library().find("monthly-newsletter")
    with services.database.read() as db:
        planned: Plan = plan(db, services.library().scope_of(campaign), campaign, at)
        explained = explain(db, services.library().scope_of(campaign), campaign, "bea", at)
    until = {one.partner: getattr(one.decision, "until", None) for one in planned.decisions}
    assert until["kiri"] is None
    assert until["bea"] == datetime(2026, 3, 7, 8, 0, tzinfo=UTC)
    assert until["nowhere"] == datetime(2026, 3, 7, 14, 0, tzinfo=UTC)
    assert "time_has_come" in {v.guard for v in explained.steps[0].verdicts if v.decision}


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_slot_is_on_time_until_it_has_come_to_the_last(catch_up: CatchUp) -> None:
    trigger = ScheduleTrigger("0 9 1 * *", "1st 09:00", Clock.PARTNER)
    opens = datetime(2026, 11, 30, 19, 0, tzinfo=UTC)
    assert trigger.zone("America/New_York") == "Etc/GMT-14"
    before = opens - timedelta(days=3)
    assert due_slots(trigger, "UTC", catch_up, before, opens - timedelta(seconds=1)).slots == ()
    assert [s.key for s in due_slots(trigger, "UTC", catch_up, before, opens).slots] == ["2026-12-01T09:00"]
    last = due_slots(trigger, "UTC", catch_up, before, opens + FIRST_TO_LAST)
    assert [s.key for s in last.slots] == ["2026-12-01T09:00"]


ZONE = st.sampled_from(
    [
        "America/New_York",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",  # half an hour of summer time
        "Europe/Berlin",
        "Europe/Dublin",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "Pacific/Chatham",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "America/St_Johns",
        "Antarctica/Troll",  # two hours of summer time
        "Etc/GMT+12",
    ]
)


@settings(max_examples=60, deadline=None)
@given(ZONE, st.dates(date(2025, 1, 1), date(2027, 12, 31)), st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
def test_it_comes_when_a_clock_there_first_shows_the_time_or_later(
    zone: str, day: date, hour: int, minute: int
) -> None:
    """Reckoned by looking at the clock there every minute."""
    slot = datetime.combine(day, time(hour, minute))
    tz = ZoneInfo(zone)
    at = datetime.combine(day, time(hour, minute), UTC) - timedelta(hours=15)
    while at.astimezone(tz).replace(tzinfo=None) < slot:
        at += timedelta(minutes=1)

    found = comes_at(slot.isoformat(timespec="minutes"), zone, None)  # type: ignore[arg-type]

    assert found == at
    opens = datetime.combine(day, time(hour, minute), UTC) - timedelta(hours=14)
    assert opens <= found <= opens + FIRST_TO_LAST


def test_a_replay_mails_each_at_nine_where_they_are(mornings: Engage, tmp_path: Path) -> None:
    mornings.now = datetime(2026, 3, 20, tzinfo=UTC)
    _, mails = replayed(mornings.services, date(2026, 3, 10), date(2026, 3, 12), tmp_path, "monthly-newsletter")
    mails_of_eleventh = [mail for mail in mails if there(mail.partner or "", mail.at).startswith("11")]
    assert {there(mail.partner or "", mail.at) for mail in mails_of_eleventh} == {"11 09:00"}
    assert sorted(mail.partner or "" for mail in mails_of_eleventh) == sorted(ZONES)
