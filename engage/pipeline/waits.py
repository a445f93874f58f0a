"""When waits are over: after a time, at a time of day where the partner is, or at an instant of a promotion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AtStep, Promotion, WaitStep
from engage.domain.journeys import Path
from engage.domain.promotions import at_of, caught_up
from engage.facts import Scope
from engage.pipeline.entries import Entry
from engage.slots import current_slot, next_slot
from engage.store.journeys import LastMail, last_mails
from engage.store.people import zones_of
from engage.store.promotions import frozen_terms

UNDER_WAY_AGAIN = timedelta(minutes=15)
"""A wait that follows a mail which has not gone out yet is looked at again so much later."""

STILL_ON_TIME = timedelta(hours=1)
"""A time of day that was passed longer ago was missed: the next one is waited for, and never `at once`."""


_NO_MAIL = LastMail(under_way=False, sent_at=None)


class Waiting(Protocol):
    """One who stands at a wait, or comes to it now."""

    @property
    def enrollment_id(self) -> int: ...
    @property
    def partner_id(self) -> int | None: ...
    @property
    def reached_at(self) -> datetime: ...
    @property
    def standing(self) -> bool: ...
    @property
    def entry(self) -> Entry: ...
    @property
    def path(self) -> Path: ...
    @property
    def at(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Waits:
    """What the end of waits depends on, of many at once."""

    scope: Scope
    zones: Mapping[int, str | None] = field(default_factory=dict)
    mails: Mapping[int, LastMail] = field(default_factory=dict)
    terms: Mapping[int, Promotion] = field(default_factory=dict)

    @classmethod
    def load(cls, db: Connection, scope: Scope, those: Sequence[Waiting]) -> "Waits":
        zones = zones_of(db, {one.partner_id for one in those if one.partner_id is not None})
        mails = last_mails(db, [one.enrollment_id for one in those if one.standing])
        return cls(scope, zones, mails, _terms(db, scope, those))

    def caught_up(self, one: Waiting, now: datetime) -> str | None:
        """The step at which to go on: where a promotion's `at` has passed, what stands before it is left out."""
        terms = self.terms.get(one.enrollment_id)
        return one.at if terms is None else caught_up(one.path, one.at, terms, self.scope.program.zone, now)

    def over(self, one: Waiting, step: WaitStep | AtStep, now: datetime) -> datetime | None:
        """None: the wait is over. Otherwise when to look again.

        A wait begins when the step is reached, or when the mail before it really went out, if that was later.
        """
        if isinstance(step, AtStep):
            at = at_of(step, self.terms[one.enrollment_id], self.scope.program.zone)
            return at if at > now else None
        mail = self.mails.get(one.enrollment_id, _NO_MAIL)
        began = max(one.reached_at, mail.sent_at or one.reached_at)
        due = began + step.lasting if step.lasting is not None else self._until(one, step.until or "", began, now)
        if due is not None and due > now:
            return due
        return now + UNDER_WAY_AGAIN if mail.under_way else None

    def _until(self, one: Waiting, cron: str, began: datetime, now: datetime) -> datetime | None:
        """By the zone in which the partner is now, not by the one in which they came to the step."""
        zone = self.zones.get(one.partner_id or 0) or self.scope.program.zone
        first = _next(cron, zone, began)
        if first > now:
            return first
        latest = current_slot(cron, zone, now).at
        return None if now - latest <= STILL_ON_TIME else _next(cron, zone, now)


@lru_cache(maxsize=1024)
def _next(cron: str, zone: str, after: datetime) -> datetime:
    """Of a chunk many wait for the same: those who come to a step come to it at one instant."""
    return next_slot(cron, zone, after).at


def _terms(db: Connection, scope: Scope, those: Sequence[Waiting]) -> dict[int, Promotion]:
    """The promotion that each was told of, or, before that, the one that stands in the campaign, by enrollment."""
    by_campaign: dict[str, list[Waiting]] = {}
    for one in those:
        if one.entry.campaign.promotion is not None:
            by_campaign.setdefault(one.entry.campaign.name, []).append(one)
    terms: dict[int, Promotion] = {}
    for name, group in by_campaign.items():
        told = frozen_terms(db, scope.program_id, name, {one.partner_id for one in group if one.partner_id is not None})
        for one in group:
            promotion = told.get(one.partner_id or 0) or one.entry.campaign.promotion
            assert promotion is not None, "only campaigns with a promotion are in the group"
            terms[one.enrollment_id] = promotion
    return terms
