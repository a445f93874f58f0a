"""What must hold when all has settled: what was fed in, the deliveries, and what the provider has on disk, agree.

What was fed in is computed by the harness, not read from engage; the provider's log is read from its file.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from engage.domain.deliveries import ENDS, DeliveryState
from engage.store.database import Database
from engage.store.tables import attempts, deliveries, enrollments, partners, referrals
from engage.web.mailbox import read_log
from tests.faults.feeding import Mail
from tests.faults.site import Site

MOST_UNKNOWN_A_KILL = 32
UNFINISHED = frozenset(DeliveryState) - {*ENDS, DeliveryState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery: its id at the provider, its state, and the mail that it is."""

    id: int
    public_id: str
    state: str
    mail: Mail


@dataclass(frozen=True, slots=True)
class Logged:
    """The provider's log: how often it has each delivery, and each mail whatever its delivery."""

    deliveries: Counter[str]
    mails: Counter[Mail]


@dataclass(slots=True)
class Ledger:
    """The three views side by side. `breaches` is empty when all is well."""

    eligible: Counter[Mail]
    rows: list[Row]
    log: Logged
    breaches: list[str] = field(default_factory=list)

    @property
    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.rows)

    @property
    def unknown(self) -> list[Row]:
        return [row for row in self.rows if row.state == DeliveryState.UNKNOWN]

    def counted(self) -> str:
        """One line for people: what became of how many."""
        order = [state for state in DeliveryState if self.states[state]]
        parts = " + ".join(f"{self.states[state]:,} {state}" for state in order)
        return f"{self.eligible.total():,} eligible = {parts or 'none'}"

    def figures(self) -> dict[str, int]:
        """For machines."""
        twice = sum(count - 1 for count in self.log.deliveries.values())
        return {"eligible": self.eligible.total(), "twice": twice, **self.states}


def read(site: Site, database: Database, eligible: Counter[Mail]) -> Ledger:
    """Reads the deliveries and the provider's log, and looks for breaches."""
    ledger = Ledger(eligible, rows(database), provider_log(site))
    ledger.breaches += breaches(ledger)
    return ledger


def breaches(ledger: Ledger) -> list[str]:
    """What must hold and does not, in words."""
    return [*_kept(ledger), *_sent_once(ledger)]


def provider_log(site: Site) -> Logged:
    """What the mailbox of the installation has on disk."""
    ids: Counter[str] = Counter()
    mails: Counter[Mail] = Counter()
    for kept in read_log(site.mailbox_folder):
        ids[kept.custom_args["engage_delivery"]] += 1
        mails[kept.to, kept.subject] += 1
    return Logged(ids, mails)


def rows(database: Database) -> list[Row]:
    """Every delivery, in order."""
    d, r, p = deliveries.c, referrals.c, partners.c
    query = (
        sa.select(d.id, d.public_id, d.state, p.email, p.first_name, r.lead_company)
        .join(partners, p.id == d.partner_id)
        .join(enrollments, enrollments.c.id == d.enrollment_id)
        .outerjoin(referrals, r.id == enrollments.c.referral_id)
        .order_by(d.id)
    )
    with database.read() as db:
        return [
            Row(id_, public_id, state, (email, f"{lead} signed" if lead else f"Tips for {name}"))
            for id_, public_id, state, email, name, lead in db.execute(query)
        ]


def unfinished(database: Database) -> int:
    """How many deliveries have not come to an end; unknown is one."""
    d = deliveries.c
    with database.read() as db:
        query = sa.select(sa.func.count()).where(d.state.in_(UNFINISHED))
        return int(db.execute(query).scalar_one())


def total(database: Database) -> int:
    """How many deliveries there are."""
    with database.read() as db:
        return int(db.execute(sa.select(sa.func.count()).select_from(deliveries)).scalar_one())


def ids_in(database: Database, *states: str) -> set[int]:
    """The ids of the deliveries in these states."""
    d = deliveries.c
    with database.read() as db:
        return set(db.execute(sa.select(d.id).where(d.state.in_(states))).scalars())


def leases(database: Database) -> dict[int, tuple[str, str | None]]:
    """The state and the lease of each delivery."""
    d = deliveries.c
    with database.read() as db:
        return {id_: (state, lease) for id_, state, lease in db.execute(sa.select(d.id, d.state, d.lease))}


def started(database: Database, ids: Collection[int]) -> dict[int, tuple[str, datetime]]:
    """The lease and the beginning of the last attempt of each of these deliveries."""
    a = attempts.c
    with database.read() as db:
        found = db.execute(sa.select(a.delivery_id, a.lease, a.started_at).order_by(a.number))
        return {id_: (lease, at) for id_, lease, at in found if id_ in ids}


def _kept(ledger: Ledger) -> list[str]:
    """eligible = accepted + unknown + dead + suppressed + skipped + cancelled + expired + held"""
    have = Counter(row.mail for row in ledger.rows)
    open_ = sum(ledger.states[state] for state in UNFINISHED)
    return [
        *_some(ledger.eligible - have, "lost: no delivery for"),
        *_some(have - ledger.eligible, "nobody fed in"),
        *([f"{open_} deliveries have not come to an end"] if open_ else []),
    ]


def _sent_once(ledger: Ledger) -> list[str]:
    """Each message at most once in the provider's log, each accepted one exactly once, no other one that ended."""
    by_state: dict[str, list[str]] = defaultdict(list)
    for row in ledger.rows:
        by_state[row.state].append(row.public_id)
    sent = ledger.log.deliveries
    accepted = Counter(dict.fromkeys(by_state[DeliveryState.ACCEPTED], 1))
    never = {id_ for state in ENDS if state is not DeliveryState.ACCEPTED for id_ in by_state[state]}
    strangers = sent.keys() - {row.public_id for row in ledger.rows}
    return [
        *_some(Counter({id_: count - 1 for id_, count in sent.items() if count > 1}), "sent twice:"),
        *_some(ledger.log.mails - ledger.eligible, "sent more often than fed in:"),
        *_some(accepted - sent, "accepted, and the provider does not have it:"),
        *_some(Counter(never & sent.keys()), "the provider has it, and it ended otherwise:"),
        *_some(Counter(strangers), "the provider has it, and there is no delivery:"),
    ]


def _some(found: Counter[str] | Counter[Mail], what: str) -> list[str]:
    if not found:
        return []
    shown = ", ".join(map(str, list(found)[:3]))
    return [f"{found.total()} {what} {shown}{' …' if len(found) > 3 else ''}"]
