"""kill -9 while contests are decided and their winners sent: frequency caps hold, and nobody who competed is lost."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from engage.clock import utc_now
from engage.domain.deliveries import DeliveryState
from engage.domain.records import PartnerRecord, Record
from engage.store.tables import deliveries, runs
from engage.web.mailbox import read_log
from tests.faults import ledger
from tests.faults.feeding import address, open_run, partner_name
from tests.faults.processes import Killed, Member
from tests.faults.site import PROGRAM, Site
from tests.faults.stage import Measured, Stage, Where, stage

PARTNERS, KILLS = 200, 60  # for each database
ROUNDS = 3
WORKERS = 3
CAMPAIGNS = ("gold", "silver", "bronze", "iron")  # as they rank
PER_PARTNER, PER_COMPANY = 6, 12
COLLEAGUES = 5  # of each ten partners the first five are alone, the others are of one company

_CONTESTS = ("contest-deciding", "contest-decided")
_SENDING = ("claimed", "rendered", "sending-committed", "request-sent", "answered", "settled")
_MOST_HITS = {"contest-deciding": 4, "contest-decided": 4}  # others: 2
_WON = (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN, DeliveryState.DEAD)
_CAPS = f"""\
    frequency_caps:
      - {{at_most: {PER_PARTNER}, per: partner, in: 7d}}
      - {{at_most: {PER_COMPANY}, per: company, in: 7d}}
    dispatch_window: 1d
    order: [{", ".join(CAMPAIGNS)}]
"""
_CAMPAIGN = """\
campaign: {name}
state: live
topic: tips
for: partner
when: {{cron: "0 9 29 2 *"}}
again: each slot
send_within: 3d
steps:
  - send: tips
"""


def run(where: Where, database: str) -> Measured:
    """At most 60 kills, half of them in contests; 800 mails compete three times over, and 840 find room in all."""
    with stage(where, database) as on:
        _write_campaigns(on.site)
        _take_partners(on, where.scaled(PARTNERS, 20))
        game = _Game(on, where.scaled(KILLS, len(_CONTESTS + _SENDING)))
        for number in range(ROUNDS):
            game.play(number)
        on.unarmed_crew()
        on.wait_for(lambda: ledger.unfinished(on.database) == 0, "not all have come to an end", 120)
        rows = _rows(on)
        breaches = [*_none_lost(on, rows), *_none_over(on, rows), *_the_same_won(on, rows), *on.crew.unexpected]
    at = Counter(one.failpoint for one in game.killed)
    breaches += [f"never killed at {name}" for name in _CONTESTS if not at[name]]
    states = Counter(row.state for row in rows)
    said = " + ".join(f"{states[state]:,} {state}" for state in DeliveryState if states[state])
    counted = f"{at.total()} kills, {sum(at[name] for name in _CONTESTS)} in contests; {len(rows):,} competed = {said}"
    figures = {"kills_by_failpoint": dict(at), "competed": len(rows), **states}
    return Measured(f"{counted}; none over a cap", breaches, figures)


@dataclass(slots=True)
class _Game:
    """Workers that are armed, and followed by others when they are killed, and a scheduler that is not."""

    on: Stage
    kills: int
    killed: list[Killed] = field(default_factory=list)
    _armed: list[Member] = field(default_factory=list)
    _quota: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(8))

    def play(self, number: int) -> None:
        """One dispatch window: every campaign runs, the window ends, and what has won goes out."""
        on, began = self.on, time.monotonic()
        self._quota = self.kills * (number + 1) // ROUNDS
        on.crew.close()  # wherever they are
        self._armed.clear()
        on.crew.scheduler()
        for _ in range(WORKERS):
            self._arm(_CONTESTS[number % 2])  # whoever decides the contest: the others leave it to them
        for name in CAMPAIGNS:
            open_run(on.services, name, number)
        wanted = (number + 1) * len(CAMPAIGNS) * on.partners
        self._wait(lambda: ledger.total(on.database) == wanted and not _running(on), "not all have been enrolled")
        _end_window(on)
        self._wait(lambda: ledger.unfinished(on.database) == 0, "the contest, or the sending, does not go on")
        on.note(f"round {number} took {time.monotonic() - began:.1f} s")

    def _wait(self, holds: Callable[[], bool], otherwise: str) -> None:
        def over() -> bool:
            for member, kill in self.on.crew.ended(0.05):
                if member in self._armed:
                    self._armed.remove(member)
                    self.killed.append(kill)
                self._next_worker()
            return holds()

        self.on.wait_for(over, otherwise, 180)

    def _next_worker(self) -> None:
        if len(self.killed) < self._quota:
            self._arm(self._chance.choice(_CONTESTS if self._chance.random() < 0.5 else _SENDING))
        else:
            self.on.crew.worker()

    def _arm(self, name: str) -> None:
        self._armed.append(self.on.crew.worker(f"{name}:{self._chance.randint(1, _MOST_HITS.get(name, 2))}"))


# --- what is there ----------------------------------------------------------------------------------------------------


def _write_campaigns(site: Site) -> None:
    folder = site.folder / "campaigns"
    with (folder / "program.yaml").open("a") as program:
        program.write(_CAPS)
    for name in CAMPAIGNS:
        (folder / f"{name}.yaml").write_text(_CAMPAIGN.format(name=name))


def _company(number: int) -> str | None:
    return f"company{number // 10}" if number % 10 >= COLLEAGUES else None


def _take_partners(on: Stage, count: int) -> None:
    rows: list[list[Record]] = [
        [PartnerRecord(partner_name(n), email=address(n), status="active", company=_company(n))] for n in range(count)
    ]
    on.services.take(PROGRAM, rows, source="test", news=False)
    on.partners = count


def _running(on: Stage) -> int:
    query = sa.select(sa.func.count()).select_from(runs).where(runs.c.state.in_(("open", "running")))
    return int(on.scalar(query))


def _end_window(on: Stage) -> None:
    """Has all that compete do so in the window that has ended last: a day is long to wait for."""
    d = deliveries.c
    midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    with on.database.write() as db:
        waiting = sa.update(deliveries).where(d.state == DeliveryState.PENDING, d.contest_at.is_not(None))
        db.execute(waiting.values(contest_at=midnight, due_at=midnight))


# --- what must hold ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    public_id: str
    partner: int
    campaign: str
    round: int
    state: str
    reason: str | None


def _rows(on: Stage) -> list[_Row]:
    d = deliveries.c
    query = sa.select(d.public_id, d.recipient, d.campaign, d.occasion, d.state, d.reason)
    with on.database.read() as db:
        found = db.execute(query).all()
    slots = {slot: number for number, slot in enumerate(sorted({row.occasion for row in found}))}
    return [
        _Row(id_, int(recipient.removeprefix("partner:Partner")), campaign, slots[occasion], state, reason)
        for id_, recipient, campaign, occasion, state, reason in found
    ]


def _none_lost(on: Stage, rows: list[_Row]) -> list[str]:
    """Who competed has won and been sent, or has lost, and it says to what."""
    wanted = ROUNDS * len(CAMPAIGNS) * on.partners
    odd = [row for row in rows if row.state not in _WON and (row.state, row.reason) != ("skipped", "frequency_cap")]
    return [
        *([f"{wanted} were to compete, {len(rows)} have"] if len(rows) != wanted else []),
        *([f"{len(odd)} ended otherwise: {odd[0].state}, {odd[0].reason}"] if odd else []),
    ]


def _none_over(on: Stage, rows: list[_Row]) -> list[str]:
    """What the provider was handed, counted by whose it is: all of it lies within one week."""
    whose = {row.public_id: row.partner for row in rows}
    sent = Counter(kept.custom_args["engage_delivery"] for kept in read_log(on.site.mailbox_folder))
    partners, companies = Counter[int](), Counter[str]()
    for id_, times in sent.items():
        partners[whose[id_]] += times
        if company := _company(whose[id_]):
            companies[company] += times
    return [
        *(f"{n} mails to {partner_name(p)}" for p, n in partners.items() if n > PER_PARTNER),
        *(f"{n} mails to {company}" for company, n in companies.items() if n > PER_COMPANY),
        *(f"{id_} was sent {times} times" for id_, times in sent.items() if times > 1),
    ]


def _the_same_won(on: Stage, rows: list[_Row]) -> list[str]:
    """Those have won who would have, had nobody been killed.

    A mail that is dead because its workers were killed three times gives its room back: whoever shares it is left out.
    """
    won = {(row.round, row.partner, row.campaign) for row in rows if row.state in _WON}
    freed = {_company(row.partner) or row.partner for row in rows if row.state == DeliveryState.DEAD}
    wrong = [one for one in won ^ _deserving(on.partners) if (_company(one[1]) or one[1]) not in freed]
    return [f"{len(wrong)} have won or lost who would not have, such as {sorted(wrong)[0]}"] if wrong else []


def _deserving(partners: int) -> set[tuple[int, int, str]]:
    """Who wins in which round: six for each who is alone, twelve for each company, the highest in rank first."""
    found = set()
    for n in range(partners):
        if _company(n) is None:
            found |= {(0, n, name) for name in CAMPAIGNS} | {(1, n, name) for name in CAMPAIGNS[:2]}
        else:
            found |= {(0, n, name) for name in CAMPAIGNS[: 3 if n % 10 < COLLEAGUES + 2 else 2]}
    return found
