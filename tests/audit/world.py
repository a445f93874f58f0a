"""The world that is audited: the real export, with zones, addresses, consent and quick deals that it lacks.

Made from nothing but the export and fixed rules, so that each run is the same. Shares no code with engage.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

FIRST, LAST = "2016-10-01", "2017-12-31"

ZONES = (
    "America/New_York",
    "Pacific/Auckland",
    "Europe/London",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Asia/Tokyo",
)
DAILY_EACH = 6  # each sixth partner wants one mail a day, each 13th none
OFF_EACH = 13
OPTED_IN_EACH = 2
UNSUBSCRIBED_EACH = 5
TOPICS = ("tips", "newsletter", "recognition")
SHARING = ("Acme Corporation", "Betasoloin")  # two partners who read one mailbox
LOCALES = {"Europe/Berlin": "de_DE", "Asia/Tokyo": "ja_JP"}  # nothing is written in Japanese
AT_HOME = "United States"  # partners elsewhere are in the second program too
LEADS, QUESTION = "leads", "what-holds-you"
LEADS_EACH = 3  # each third partner said what holds them, before they were asked
ANSWERED = datetime(2016, 11, 2, 8, 20, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Refusal:
    partner: str
    topic: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A status that a referral reached."""

    referral: str
    partner: str
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reward:
    key: str
    partner: str
    referral: str
    at: datetime


@dataclass(slots=True)
class World:
    """`rhythms` and `opted_in` hold from before the first day; `refusals` from their instant. `companies` has whom each
    partner belongs to: the company's contact is the partner of the same name.
    """

    zones: dict[str, str] = field(default_factory=dict)
    locales: dict[str, str] = field(default_factory=dict)
    companies: dict[str, str] = field(default_factory=dict)
    abroad: set[str] = field(default_factory=set)
    emails: dict[str, str] = field(default_factory=dict)
    employees: dict[str, int] = field(default_factory=dict)
    rhythms: dict[str, str] = field(default_factory=dict)
    opted_in: set[str] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)
    submitted: dict[str, list[datetime]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    rewards: list[Reward] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    def of_allies(self) -> "World":
        """What the second program knows: the partners abroad, and their deals of the export alone."""
        return replace(
            self,
            zones={name: zone for name, zone in self.zones.items() if name in self.abroad},
            companies={name: name for name in self.abroad},
            changes=[one for one in self.changes if one.partner in self.abroad and not is_quick(one.referral)],
            submitted={name: dates for name, dates in self.submitted.items() if name in self.abroad},
            rewards=[],
        )

    @property
    def partners(self) -> list[str]:
        return list(self.zones)


def read(crm: Path) -> World:
    """The world as the files of the export and the rules above make it."""
    world = World()
    for number, row in enumerate(_rows(crm / "accounts.csv")):
        name = row["account"]
        world.zones[name] = ZONES[number % len(ZONES)]
        world.emails[name] = "shared@example.com" if name in SHARING else f"partner-{number}@example.com"
        world.employees[name] = int(row["employees"])
        world.locales[name] = LOCALES.get(world.zones[name], "")
        world.companies[name] = row["subsidiary_of"] or name
        if row["office_location"] != AT_HOME:
            world.abroad.add(name)
        if number % LEADS_EACH == 0:
            world.answers[name] = LEADS
        if number % DAILY_EACH == 0:
            world.rhythms[name] = "daily"
        elif number % OFF_EACH == 0:
            world.rhythms[name] = "off"
        if number % OPTED_IN_EACH == 0:
            world.opted_in.add(name)
        if number % UNSUBSCRIBED_EACH == 0:
            day = datetime(2017, 3, 1, 9, 30, tzinfo=UTC) + timedelta(days=3 * number)
            world.refusals.append(Refusal(name, TOPICS[number % len(TOPICS)], day))
    for row in _rows(crm / "sales_pipeline.csv"):
        if not row["account"]:
            continue
        if row["engage_date"]:
            world.submitted.setdefault(row["account"], []).append(_day(row["engage_date"]))
        if row["close_date"]:
            status = row["deal_stage"].lower()
            world.changes.append(Change(row["opportunity_id"], row["account"], status, _day(row["close_date"])))
        elif row["engage_date"]:
            world.changes.append(Change(row["opportunity_id"], row["account"], "opportunity", _day(row["engage_date"])))
    for change in quick_deals(world.partners):
        world.changes.append(change)
        if change.status == "submitted":
            world.submitted.setdefault(change.partner, []).append(change.at)
        if change.status == "won":
            earned = (change.at + timedelta(days=1)).replace(minute=7, second=30)
            world.rewards.append(Reward(f"for-{change.referral}", change.partner, change.referral, earned))
    world.changes.sort(key=lambda change: change.at)
    return world


def is_quick(referral: str) -> bool:
    return referral.startswith("quick-")


_STORIES = (
    (("submitted", 0), ("opportunity", 60), ("won", 64)),  # a storm: one mail about the last
    (("submitted", 0), ("opportunity", 60), ("won", 90)),  # no storm
    (("submitted", 0), ("won", 60), ("opportunity", 65)),  # taken back before anybody was told
    (("submitted", 0), ("won", 60), ("opportunity", 60 + 2 * 24 * 60)),  # taken back after they were
)


def quick_deals(partners: Iterable[str]) -> Iterator[Change]:
    """Deals whose statuses change within minutes, which the export, with its days, does not have."""
    for number, partner in enumerate(partners):
        story = _STORIES[number % len(_STORIES)]
        began = datetime(2017, 5, 2, 13, 0, tzinfo=UTC) + timedelta(days=number % 60, minutes=number)
        for status, minutes in story:
            yield Change(f"quick-{number}", partner, status, began + timedelta(minutes=minutes))


def write_files(world: World, crm: Path, folder: Path) -> None:
    """The export as it is imported: teams and deals as they are, partners with what the world adds."""
    (folder / "sales_teams.csv").write_bytes((crm / "sales_teams.csv").read_bytes())
    deals = [row for row in _rows(crm / "sales_pipeline.csv") if not row["account"] or row["account"] in world.zones]
    _write(folder / "sales_pipeline.csv", tuple(deals[0]), (tuple(row.values()) for row in deals))
    contacts_first = sorted(world.partners, key=lambda name: world.companies[name] != name)
    _write(
        folder / "partners.csv",
        ("account", "email", "zone", "locale", "company", "employees"),
        (
            (
                name,
                world.emails[name],
                world.zones[name],
                world.locales[name],
                world.companies[name],
                world.employees[name],
            )
            for name in contacts_first
        ),
    )
    quick = [one for one in world.changes if is_quick(one.referral)]
    _write(
        folder / "quick_deals.csv",
        ("deal", "account", "created", "status", "at"),
        (
            (
                one.referral,
                one.partner,
                one.at.isoformat() if one.status == "submitted" else "",
                one.status,
                one.at.isoformat(),
            )
            for one in quick
        ),
    )
    _write(
        folder / "rewards.csv",
        ("reward", "account", "deal", "amount", "earned"),
        ((one.key, one.partner, one.referral, "100", one.at.isoformat()) for one in world.rewards),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
