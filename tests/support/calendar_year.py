"""A year of schedules under two schedulers, against a calendar that is walked minute by minute.

The calendar knows nothing of cron nor of `engage.slots`: it asks clocks what they show, and reads days off a wall.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engage.bootstrap import Services
from engage.queueing import NoQueue
from engage.settings import Settings
from engage.store.tables import runs
from engage.workers.scheduler import Scheduler
from tests.support.command import ROOT
from tests.support.installation import SHARED, email

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")  # the last changes its clocks by half an hour
START = datetime(2028, 1, 1, tzinfo=UTC)  # a year with a 29 February

_MINUTE = timedelta(minutes=1)
_SOON = timedelta(seconds=5)
_TURNS = ((0, 0.0, 1, 0.4), (1, 0.1, 0, 0.9), (0, -1.0, 1, 1.3), (1, 0.0, 0, 0.0))
"""Who ticks when beside a slot: scheduler, seconds after it, scheduler, seconds after it. In turns."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule as an author writes it, and on which days and at which local times that is."""

    name: str
    when: str
    hours: Sequence[int]
    minutes: Sequence[int]
    on: Callable[[date], bool] = lambda _: True


def _daily(hour: int, minute: int) -> Planned:
    return Planned(f"daily-{hour:02}{minute:02}", f'every: "day {hour:02}:{minute:02}"', [hour], [minute])


def _days(*weekdays: int) -> Callable[[date], bool]:
    return lambda day: day.isoweekday() in weekdays


SCHEDULES = (
    # in hours that clocks skip or repeat, and beside them
    *(_daily(*time) for time in ((0, 0), (1, 30), (1, 45), (2, 0), (2, 15), (2, 30), (2, 59), (3, 0), (9, 0))),
    Planned("hourly", 'every: "hour"', range(24), [0]),
    Planned("weekdays", 'every: "weekday 02:30"', [2], [30], _days(1, 2, 3, 4, 5)),
    Planned("sundays", 'every: "sunday 02:15"', [2], [15], _days(7)),
    Planned("sundays-before", 'every: "sunday 01:30"', [1], [30], _days(7)),
    Planned("twice-a-week", 'every: "monday and thursday 23:59"', [23], [59], _days(1, 4)),
    Planned("monthly", 'every: "1st 02:00"', [2], [0], lambda day: day.day == 1),
    Planned("twice-a-month", 'every: "1st and 15th 00:30"', [0], [30], lambda day: day.day in (1, 15)),
    Planned("quarters", 'cron: "15,30,45 1-2 * * 6,0"', [1, 2], [15, 30, 45], _days(6, 7)),
    Planned("thirds", 'cron: "*/20 0-3 * * sun"', range(4), [0, 20, 40], _days(7)),
    Planned("seasons", 'cron: "0 9 1 1,4,7,10 *"', [9], [0], lambda day: day.day == 1 and day.month % 3 == 1),
    Planned("leap-day", 'cron: "30 1 29 2 *"', [1], [30], lambda day: (day.month, day.day) == (2, 29)),
)

_PROGRAM = """\
  {key}:
    name: {key}
    zone: {zone}
    locale: en_US
    currency: USD
    brand:
      from: Partners <partners@example.com>
      postal_address: 1 Test Street, Springfield
      portal_url: https://partners.example.com
      refer_url: https://partners.example.com/refer
    ladder:
      - {{status: submitted, label: Submitted}}
      - {{status: won, label: Won}}
    topics:
      tips: {{kind: marketing, label: Tips}}
    feeds: {{referrals: 7d}}
"""
_CAMPAIGN = """\
campaign: {key}-{name}
program: {key}
state: live
topic: tips
for: partner
when: {{{when}}}
again: each slot
catch_up: {catch_up}
steps:
  - send: tips
"""

Firing = tuple[str, str]
"""A campaign, and the local date and time of one of its slots."""


@dataclass(frozen=True, slots=True)
class Year:
    """What came of it. `missing` slots were not fired, `extra` firings have no slot, `untimely` ones came late."""

    slots: int
    fired: int
    missing: list[Firing]
    extra: list[Firing]
    untimely: list[Firing]

    @property
    def exact(self) -> bool:
        return self.slots == self.fired and not (self.missing or self.extra or self.untimely)


def calendar_year(
    database_url: str,
    folder: Path,
    *,
    days: int = 366,
    zones: Sequence[str] = ZONES,
    schedules: Sequence[Planned] = SCHEDULES,
    start: datetime = START,
) -> Year:
    """Lets two schedulers, each with a clock of its own, tick beside each slot of so many days in every zone.

    `database_url` has engage's schema and nothing else; `folder` is empty. Nothing is sent: runs are opened only.
    """
    author(folder, {planned.name: planned.when for planned in schedules}, zones)
    due = {
        (f"{_key(zone)}-{planned.name}", local.isoformat(timespec="minutes")): at
        for zone in zones
        for planned, local, at in _slots(zone, schedules, start, start + timedelta(days=days))
    }
    pair = [_OnlyOpening(database_url, folder) for _ in range(2)]
    schedulers = [Scheduler(services) for services in pair]
    try:
        for who in (0, 1):
            pair[who].now = start
            schedulers[who].tick()
        for number, at in enumerate(sorted(set(due.values()))):
            first, early, second, late = _TURNS[number % len(_TURNS)]
            for who, seconds in ((first, early), (second, late)):
                pair[who].now = at + timedelta(seconds=seconds)
                schedulers[who].tick()
        return _compared(pair[0], due)
    finally:
        for services in pair:
            services.close()


class _OnlyOpening(Services):
    """Services with a clock to turn, whose runs nobody carries out: it is their opening that is looked at."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.now = START
        settings = Settings.load(
            database_url=database_url,
            data_dir=folder / "var",
            campaigns_dir=folder / "campaigns",
            templates_dir=folder / "email_templates",
        )
        super().__init__(settings, NoQueue(), clock=lambda: self.now)

    def sweep(self) -> None:
        """Would hand out again, at each tick, every run that is open."""

    def poll_due(self) -> None:
        """Nothing is watched."""

    def send_alarms(self) -> None:
        """Nobody is told."""


def _compared(services: Services, due: dict[Firing, datetime]) -> Year:
    fired: dict[Firing, list[datetime]] = defaultdict(list)
    with services.database.read() as db:
        for campaign, slot, at in db.execute(sa.select(runs.c.campaign, runs.c.slot, runs.c.as_of)):
            fired[campaign, slot].append(at)
    return Year(
        len(due),
        sum(map(len, fired.values())),
        sorted(due.keys() - fired.keys()),
        sorted(key for key, times in fired.items() if key not in due or len(times) > 1),
        sorted(key for key, times in fired.items() if key in due and not due[key] <= times[0] < due[key] + _SOON),
    )


def _slots(
    zone: str, schedules: Sequence[Planned], start: datetime, end: datetime
) -> Iterator[tuple[Planned, datetime, datetime]]:
    """Each schedule's slots with `start < instant <= end`: schedule, local time, instant.

    A local minute comes at the first instant whose clock shows it, or already something later.
    """
    at_time: dict[tuple[int, int], list[Planned]] = defaultdict(list)
    for planned in schedules:
        for hour in planned.hours:
            for minute in planned.minutes:
                at_time[hour, minute].append(planned)
    tz, instant = ZoneInfo(zone), start
    shown = instant.astimezone(tz).replace(tzinfo=None)
    while instant < end:
        instant += _MINUTE
        local = instant.astimezone(tz).replace(tzinfo=None)
        while shown < local:
            shown += _MINUTE
            for planned in at_time.get((shown.hour, shown.minute), ()):
                if planned.on(shown.date()):
                    yield planned, shown, instant


def _key(zone: str) -> str:
    return zone.lower().replace("/", "-")


def author(folder: Path, schedules: Mapping[str, str], zones: Sequence[str] = ZONES) -> None:
    """A program for each zone, with a campaign for each schedule (name: `when`); by turns they catch up differently."""
    campaigns, emails = folder / "campaigns", folder / "email_templates"
    campaigns.mkdir(exist_ok=True)
    emails.mkdir(exist_ok=True)
    programs = "".join(_PROGRAM.format(key=_key(zone), zone=zone) for zone in zones)
    (campaigns / "program.yaml").write_text(f"programs:\n{programs}")
    for zone in zones:
        for (name, when), catch_up in zip(schedules.items(), cycle(("skip", "latest", "all"))):
            text = _CAMPAIGN.format(key=_key(zone), name=name, when=when, catch_up=catch_up)
            (campaigns / f"{_key(zone)}-{name}.yaml").write_text(text)
    for name in SHARED:
        shutil.copy(ROOT / "email_templates" / name, emails)
    (emails / "tips.md").write_text(email("Tips"))
