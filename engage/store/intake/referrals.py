"""Referrals with their status changes, logins and rewards; the versions of a referral are folded from its events.

Told again is nothing new: the same referral, status and instant is one event. The same status with another date is an
event of its own, which corrects the date (see `domain.histories`) and is no news, because nothing changed for anybody.
A status without a date makes no event: told at first sight it has always held, later since it was observed. An undated
status that equals the current one, or the undated one told last, is nothing new.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.histories import Change, History, Version, doubted, fold, neighbours, opening_status
from engage.domain.keys import change_key, help_key, login_key, reward_key
from engage.domain.programs import Program, StatusKind
from engage.domain.records import HelpRecord, LoginRecord, ReferralRecord, RewardRecord
from engage.domain.windows import BEGINNING
from engage.store.intake.entities import Entity, Stock, parts
from engage.store.intake.events import Events, NewEvent, load_changes
from engage.store.intake.versions import Rows, load_rows, replace_rows, with_change
from engage.store.tables import help_requests, referral_versions

_REWARD_EVENTS = {
    EventKind.REWARD_EARNED: "earned",
    EventKind.REWARD_PAID: "paid",
    EventKind.REWARD_REVERSED: "reversed",
}


class Referrals:
    """What a batch does to referrals, logins and rewards. Each `take_…` says whether it changed anything."""

    def __init__(self, stock: Stock, events: Events, program: Program, observed_at: datetime, news: bool) -> None:
        self._stock = stock
        self._events = events
        self._program = program
        self._observed_at = observed_at
        self._news = news
        self._changes: dict[Entity, list[Change]] = {}
        self._folded: dict[Entity, tuple[Version, ...]] = {}
        self._asked: dict[tuple[Entity, datetime], tuple[Entity | None, str] | None] = {}  # None: stored already
        self._opening = opening_status(program)
        self._submits = bool(program.statuses_of(StatusKind.SUBMITTED))

    def load(self, db: Connection, external_ids: Iterable[str], helped: Iterable[str] = ()) -> None:
        """Reads the status changes of these referrals, whose rows are loaded already.

        And what was asked about those that are `helped` with.
        """
        known = {entity.row_id: entity for id_ in external_ids if (entity := self._stock.referrals.get(id_))}
        for id_, changes in load_changes(db, known).items():
            self._changes[known[id_]] = changes
        asked = {entity.row_id for name in helped if (entity := self._stock.referrals.get(name))}
        h = help_requests.c
        for part in parts(sorted(asked)):
            for id_, at in db.execute(sa.select(h.referral_id, h.asked_at).where(h.referral_id.in_(part))):
                self._asked[known[id_], at] = None

    def take_referral(self, record: ReferralRecord) -> bool:
        referral, new = self._stock.referrals.obtain(record.external_id)
        duplicate = self._stock.referrals.is_duplicates(record.external_id)
        learn = referral.fill if duplicate else referral.learn  # the referral's own record has the last word
        untold = not self._changes.get(referral) and referral.values["undated_status"] is None
        news = learn(
            partner_id=self._stock.partners.obtain(record.partner)[0] if record.partner else None,
            salesperson_id=self._stock.staff.obtain(record.salesperson)[0] if record.salesperson else None,
            lead_company=record.lead_company,
            lead_name=record.lead_name,
            lead_contact=record.lead_contact,
            note=record.note,
            method=record.method,
            product=record.product,
            amount=record.amount,
            submitted_at=record.submitted_at,
            loss_reason=record.loss_reason,
            involvement=record.involvement,
            reversal_pending=record.reversal_pending,
        )
        dated_opening = record.status == self._opening and record.status_at is not None
        if record.submitted_at is not None and self._submits and not dated_opening:
            news |= self._change(referral, self._opening, record.submitted_at)
        if record.status is not None and record.status_at is not None:
            news |= self._change(referral, record.status, record.status_at)
        elif record.status is not None and (untold or not duplicate):
            news |= self._tell_undated(referral, record.status, always=untold)
        return news or new

    def take_login(self, record: LoginRecord) -> bool:
        partner = self._stock.partners.obtain(record.partner)[0]
        key = login_key(partner.external_id, record.at)
        return self._events.add(NewEvent(EventKind.LOGGED_IN, key, record.at, self._news, partner=partner))

    def take_reward(self, record: RewardRecord) -> bool:
        reward, new = self._stock.rewards.obtain(record.external_id)
        partner = self._stock.partners.obtain(record.partner)[0]
        referral = self._stock.referrals.obtain(record.referral)[0] if record.referral else None
        news = reward.learn(
            partner_id=partner,
            referral_id=referral,
            label=record.label,
            amount=record.amount,
            earned_at=record.earned_at,
            due_at=record.due_at,
            paid_at=record.paid_at,
            reversed_at=record.reversed_at,
            stage=record.stage,
            expected_at=record.expected_at,
        )
        instants = (record.earned_at, record.paid_at, record.reversed_at)
        for (kind, what), at in zip(_REWARD_EVENTS.items(), instants, strict=True):
            if at is not None:
                key = reward_key(record.external_id, what)
                event = NewEvent(kind, key, at, self._news, partner=partner, referral=referral, reward=reward)
                news |= self._events.add(event)
        return news or new

    def take_help(self, record: HelpRecord) -> bool:
        referral = self._stock.referrals.obtain(record.referral)[0]
        by = self._stock.staff.obtain(record.by)[0] if record.by else None
        if (referral, record.at) in self._asked:
            return False
        self._asked[referral, record.at] = (by, record.ask)
        key, partner = help_key(referral.external_id, record.at), referral.values["partner_id"]
        event = NewEvent(EventKind.HELP_WANTED, key, record.at, self._news, partner=partner, referral=referral)
        return self._events.add(event)

    def settle(self) -> None:
        """Folds the changed referrals anew, once for all their rows. Comes before referrals are written."""
        for referral in self._stock.referrals.changed():
            self._folded[referral] = fold(self._history(referral), self._program)
            referral.values["status"] = self._folded[referral][-1].status

    def write_versions(self, db: Connection, program_id: int) -> None:
        """Brings the versions of the changed referrals up to date. Comes after referrals are written."""
        referrals = {referral.row_id: referral for referral in self._stock.referrals.changed()}
        before = load_rows(db, referral_versions, "referral_id", referrals)
        after: Rows = {
            id_: self._versions(program_id, referral, before.get(id_, [])) for id_, referral in referrals.items()
        }
        replace_rows(db, referral_versions, before, after)

    def write_help(self, db: Connection, program_id: int) -> None:
        """Inserts the new requests for help. Comes after referrals are written."""
        rows = [
            {
                "program_id": program_id,
                "referral_id": referral.row_id,
                "asked_at": at,
                "staff_id": new[0].row_id if new[0] else None,
                "ask": new[1],
            }
            for (referral, at), new in self._asked.items()
            if new is not None
        ]
        if rows:
            db.execute(sa.insert(help_requests), rows)

    def _change(self, referral: Entity, status: str, at: datetime) -> bool:
        key = change_key(referral.external_id, status, at)
        if any(known.status == status and known.at == at for known in self._changes.get(referral, ())):
            return False
        change = Change(status, at, referral.values["last_sequence"] + 1, self._observed_at)
        self._changes.setdefault(referral, []).append(change)
        referral.learn(last_sequence=change.sequence)
        before, behind = neighbours(self._history(referral), change, self._program)
        event = NewEvent(
            EventKind.STATUS_CHANGED,
            key,
            at,
            news=self._news and status not in (before, behind),
            partner=referral.values["partner_id"],
            referral=referral,
            sequence=change.sequence,
            from_status=before,
            to_status=status,
        )
        return self._events.add(event)

    def _tell_undated(self, referral: Entity, status: str, *, always: bool) -> bool:
        current = fold(self._history(referral), self._program)[-1].status
        told = referral.values["undated_status"]
        if status == told or (status == current and not always):
            return False
        referral.values["undated_since"] = None if always else self._observed_at
        return referral.learn(undated_status=status)

    def _history(self, referral: Entity) -> History:
        return History(
            changes=tuple(self._changes.get(referral, ())),
            submitted_at=referral.values["submitted_at"],
            undated_status=referral.values["undated_status"],
            undated_since=referral.values["undated_since"],
        )

    def _versions(self, program_id: int, referral: Entity, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # The current values stand in every version: amounts, methods, products and people are not versioned themselves.
        current = {
            "program_id": program_id,
            "referral_id": referral.row_id,
            "partner_id": referral.values["partner_id"].row_id,
            "submitted_at": referral.values["submitted_at"],
            "amount": referral.values["amount"],
            "method": referral.values["method"],
            "product": referral.values["product"],
            "salesperson_id": referral.values["salesperson_id"].row_id if referral.values["salesperson_id"] else None,
        }
        return [
            current
            | {
                "valid_from": version.valid_from,
                "valid_to": version.valid_to,
                "status": version.status,
                "kind": version.kind,
                "since": version.since,
                "qualified_at": version.qualified_at,
                "qualified": version.qualified,
                "in_doubt": in_doubt,
            }
            for version, in_doubt in doubted(self._folded[referral], self._doubts(referral, before))
        ]

    def _doubts(self, referral: Entity, before: list[dict[str, Any]]) -> list[tuple[datetime, bool]]:
        """From when on a reversal was pending or not; the versions that there are remember it."""
        known: list[tuple[datetime, bool]] = []
        for row in before:
            if not known or known[-1][1] != row["in_doubt"]:
                known.append((row["valid_from"] if known else BEGINNING, row["in_doubt"]))
        pending = bool(referral.values["reversal_pending"])
        return known if known and known[-1][1] == pending else with_change(known, pending, self._observed_at)
