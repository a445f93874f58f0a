"""The real export replayed by the command, against a computation from its files that knows nothing of engage."""

import csv
import filecmp
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.command import EngageCommand
from tests.support.installation import Installation, email
from tests.support.intake import CRM
from tests.support.postgres import Databases

FIRST, LAST = date(2017, 10, 1), date(2017, 12, 31)
QUIET_DAYS = 10
TIERS = {"registered": 0, "silver": 8, "gold": 16}
NEAR = 2

CAMPAIGN = """\
campaign: {name}
why: A replay is compared with a computation of its own.
state: live
topic: tips
for: partner
when: {{every: "{every}"}}
again: {again}
{where}steps:
  - send: tips
"""
CAMPAIGNS = {
    "gone-quiet": {
        "every": "monday 09:00",
        "again": "each episode",
        "where": f"where:\n  - days_since_referral: {{at_least: {QUIET_DAYS}}}\n",
    },
    "near-tier": {
        "every": "weekday 09:00",
        "again": "each tier period",
        "where": f"where:\n  - to_next_tier: {{at_most: {NEAR}}}\n",
    },
    "monthly": {"every": "1st 09:00", "again": "each slot", "where": ""},
}

Sends = Counter[tuple[str, str, str]]
"""(campaign, partner, day): how many."""


# -- what ought to be sent, from the files alone ----------------------------------------------------------------------


class Export:
    """The opportunities with an account, as the README of the export reads them."""

    def __init__(self, folder: Path) -> None:
        with (folder / "accounts.csv").open() as file:
            self.accounts = [row["account"] for row in csv.DictReader(file)]
        with (folder / "sales_pipeline.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["account"]]
        self.referred: dict[str, list[datetime]] = defaultdict(list)
        self.won: dict[str, list[datetime]] = defaultdict(list)
        for row in rows:
            if row["engage_date"]:
                self.referred[row["account"]].append(at(row["engage_date"]))
            if row["deal_stage"] == "Won":
                self.won[row["account"]].append(at(row["close_date"]))

    def expected(self) -> Sends:
        return Counter({**self.winners(), **self.quiet(), **self.near_a_tier(), **self.readers()})

    def winners(self) -> Sends:
        return Counter(
            ("referral-won", account, f"{day:%Y-%m-%d}")
            for account, days in self.won.items()
            for day in days
            if FIRST <= day.date() <= LAST
        )

    def quiet(self) -> Sends:
        found: Sends = Counter()
        missed: set[str] = set()
        for slot in slots(lambda day: day.weekday() == 0):
            now_quiet = set()
            for account, days in self.referred.items():
                last = max((day for day in days if day <= slot), default=None)
                if last is not None and (slot - last) // timedelta(days=1) >= QUIET_DAYS:
                    now_quiet.add(account)
            found.update(("gone-quiet", account, f"{slot:%Y-%m-%d}") for account in now_quiet - missed)
            missed = now_quiet
        return found

    def near_a_tier(self) -> Sends:
        found: Sends = Counter()
        told: set[tuple[str, int]] = set()
        quarter = at("2017-10-01")
        for slot in slots(lambda day: day.weekday() < 5):
            for account in self.accounts:
                wins = sum(quarter <= day <= slot for day in self.won[account])
                above = [threshold for threshold in TIERS.values() if threshold > wins]
                if above and min(above) - wins <= NEAR and (account, min(above)) not in told:
                    told.add((account, min(above)))
                    found["near-tier", account, f"{slot:%Y-%m-%d}"] += 1
        return found

    def readers(self) -> Sends:
        return Counter(
            ("monthly", account, f"{slot:%Y-%m-%d}")
            for slot in slots(lambda day: day.day == 1)
            for account in self.accounts
        )


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def slots(wanted: object) -> Iterator[datetime]:
    """Nine o'clock on each day of the period that is wanted."""
    assert callable(wanted)
    day = FIRST
    while day <= LAST:
        if wanted(day):
            yield datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        day += timedelta(days=1)


# -- what the command says --------------------------------------------------------------------------------------------


def maven(command: EngageCommand, database_url: str, crm_dir: Path) -> Installation:
    made = Installation(command, database_url)
    program = (CRM / "program.yaml").read_text()
    steps = "".join(f"\n        - {{tier: {k}, label: {k}, threshold: {n}, benefit: more}}" for k, n in TIERS.items())
    head, rest = program.split("      period: always")
    tail = rest[rest.index("    topics:") :]
    (made.campaigns / "program.yaml").write_text(f"{head}      period: quarter\n      steps:{steps}\n{tail}")
    for name, parts in CAMPAIGNS.items():
        (made.campaigns / f"{name}.yaml").write_text(CAMPAIGN.format(name=name, **parts))
    (made.emails / "tips.md").write_text(email("Tips for {{ partner.greeting_name }}"))
    assert made.run("lint").code == 0
    assert made.run("import", crm_dir, "--mapping", CRM / "mapping.yaml").code == 0
    return made


def replay(installation: Installation, out: Path, *more: str) -> str:
    ran = installation.run("replay", "--from", str(FIRST), "--to", str(LAST), "--out", out, "--json", *more)
    assert ran.code == 0, ran.err
    return ran.out


def sent(out: Path) -> Sends:
    with (out / "mails.csv").open() as file:
        return Counter((row["campaign"], row["partner"], row["day"]) for row in csv.DictReader(file))


def identical(one: Path, other: Path) -> bool:
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    _, different, unread = filecmp.cmpfiles(one, other, names, shallow=False)
    return not different and not unread


@pytest.mark.slow
@pytest.mark.postgres
def test_a_replay_of_the_real_export_sends_exactly_what_its_files_say_on_both_databases_alike(
    tmp_path: Path, sqlite_url: str, postgres_url: str, postgres_server: Databases, crm_dir: Path
) -> None:
    expected = Export(crm_dir).expected()
    assert Counter(name for name, _, _ in expected.elements()).keys() == {"referral-won", *CAMPAIGNS}

    folders = [tmp_path / "first", tmp_path / "again", tmp_path / "postgres"]
    (tmp_path / "on-sqlite").mkdir()
    installation = maven(EngageCommand(tmp_path / "on-sqlite"), sqlite_url, crm_dir)
    said = [replay(installation, folder) for folder in folders[:2]]
    assert sent(folders[0]) == expected

    (tmp_path / "on-postgres").mkdir()
    installation = maven(EngageCommand(tmp_path / "on-postgres"), postgres_url, crm_dir)
    scratch = postgres_server.create()
    said.append(replay(installation, folders[2], "--scratch", scratch))
    postgres_server.drop(scratch)

    assert said[0] == said[1] == said[2]
    assert identical(folders[0], folders[1])
    assert identical(folders[0], folders[2])
