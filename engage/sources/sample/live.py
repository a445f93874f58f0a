"""Invents what happens next in a programme, as a CRM would tell it: the demo's feed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.programs import CLOSED_KINDS, Program, StatusKind
from engage.domain.records import LoginRecord, Record, ReferralRecord, RewardRecord
from engage.sources.sample import names
from engage.sources.sample.telling import RETENTION
from engage.store.tables import partners, referrals

_LOSING = 0.15
_REWARD_PERCENT = 10


@dataclass(frozen=True, slots=True)
class _Open:
    external_id: str
    status: str
    amount: int | None
    partner: str


def live_changes(
    chance: Random, db: Connection, program: Program, program_id: int, now: datetime, count: int
) -> list[Sequence[Record]]:
    """`count` rows for intake: new referrals, logins, and mostly the next status of open referrals.

    Many at once go round all statuses in turn and lose none, so that each kind of good news is among them; a win
    brings its reward.
    """
    waiting = _open_referrals(db, program, program_id)
    active = _active_partners(db, program_id)
    rows: list[Sequence[Record]] = []
    turn = chance.randrange(1000) if count == 1 else 0
    for number in range(turn, turn + count if active else turn):
        partner = chance.choice(active)
        statuses = [status for status in waiting if waiting[status]]
        if number % 5 == 0 or not statuses:
            rows.append([_new_referral(chance, partner, now, len(rows))])
        elif number % 5 == 1:
            rows.append([LoginRecord(partner, now)])
        else:
            referral = chance.choice(waiting[statuses[number % len(statuses)]])
            waiting[referral.status].remove(referral)
            rows.append(_next(program, referral, now, loses=count == 1 and chance.random() < _LOSING))
    return rows


def _open_referrals(db: Connection, program: Program, program_id: int) -> dict[str, list[_Open]]:
    """The open referrals of active partners by status, in the ladder's order."""
    r, p = referrals.c, partners.c
    query = (
        sa.select(r.external_id, r.status, r.amount, p.external_id.label("partner"))
        .join(partners, p.id == r.partner_id)
        .where(r.program_id == program_id, p.status == "active")
        .order_by(r.external_id)
    )
    found: dict[str, list[_Open]] = {rung.key: [] for rung in program.ladder if rung.kind not in CLOSED_KINDS}
    for row in db.execute(query):
        if row.status in found:
            found[row.status].append(_Open(*row))
    return found


def _active_partners(db: Connection, program_id: int) -> list[str]:
    """Those who have referred somebody: who never has stays so, for whoever writes a campaign for them meanwhile."""
    p = partners.c
    refers = sa.exists().where(referrals.c.partner_id == p.id)
    query = sa.select(p.external_id).where(p.program_id == program_id, p.status == "active", refers)
    return list(db.execute(query.order_by(p.external_id)).scalars())


def _new_referral(chance: Random, partner: str, now: datetime, place: int) -> ReferralRecord:
    return ReferralRecord(
        external_id=f"r-{now:%Y%m%d%H%M%S%f}-{place}",
        partner=partner,
        lead_company=names.lead_company(chance),
        lead_name=names.lead_person(chance),
        method=chance.choice(names.METHODS),
        product=chance.choice(names.PRODUCTS),
        amount=names.amount(chance) * 100,
        submitted_at=now,
    )


def _next(program: Program, referral: _Open, now: datetime, *, loses: bool) -> list[Record]:
    """The referral's next rung, or its loss; with the reward when it is won."""
    status = (program.statuses_of(StatusKind.LOST) if loses else _ahead(program, referral.status))[0]
    rows: list[Record] = [
        ReferralRecord(
            external_id=referral.external_id,
            partner=referral.partner,
            status=status,
            status_at=now,
            loss_reason=names.LOSS_REASONS[0] if loses else None,
        )
    ]
    if program.status(status).kind is StatusKind.WON:
        rows += _reward(referral, now)
    return rows


def _reward(referral: _Open, now: datetime) -> list[Record]:
    """A quarter of the reward is earned with the win; the rest is promised for later."""
    whole = (referral.amount or 0) * _REWARD_PERCENT // 100
    named = (f"rw-{referral.external_id}", referral.partner, referral.external_id)
    first = _part(*named, "win", whole // 4, earned_at=now, due_at=now + timedelta(days=30))
    return [first, _part(*named, "retention", whole - whole // 4, expected_at=now + RETENTION)]


def _part(id_: str, partner: str, referral: str, stage: str, amount: int, **instants: datetime) -> RewardRecord:
    return RewardRecord(f"{id_}-{stage}", partner, amount, referral, names.REWARD, stage=stage, **instants)


def _ahead(program: Program, status: str) -> list[str]:
    """The rungs after this one on the way to a win; a reopened referral goes on at the first opportunity."""
    way = [rung for rung in program.ladder if rung.kind not in (StatusKind.LOST, StatusKind.REOPENED)]
    keys = [rung.key for rung in way]
    if status in keys:
        return keys[keys.index(status) + 1 :]
    return [rung.key for rung in way if rung.kind is StatusKind.OPPORTUNITY]
