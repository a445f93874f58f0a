"""A partner's own page: what it shows of one partner, as of now. Nothing of anybody else, and no rewards before the
address was confirmed in the browser that asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.engine import Connection

from engage.content.wording import Wording, language_of, wording
from engage.content.words import Words
from engage.domain.programs import Program, StatusKind, address_for
from engage.domain.rungs import Rung, Standing, rungs
from engage.facts import Scope
from engage.pipeline.contexts import partner_contexts, tier_contexts
from engage.pipeline.sayings import YOUR_REFERRAL
from engage.store.partner_page import (
    OwnReferral,
    OwnReward,
    Totals,
    count_referrals,
    own_mails,
    own_referrals,
    own_rewards,
    reached,
    reward_totals,
    rewarded,
)

A_PAGE = 20
"""How many referrals are shown at a time."""
REWARDS = 50
MAILS = 8


@dataclass(frozen=True, slots=True)
class ShownReferral:
    """One referral. `status` and `next` are the program's words; `rungs` is empty for a status that it has no more."""

    company: str
    contact: str
    product: str
    salesperson: str
    submitted_at: datetime | None
    status: str
    kind: StatusKind | None
    since: datetime | None
    next: str
    rungs: tuple[Rung, ...]

    @property
    def open(self) -> bool:
        return self.kind not in (StatusKind.WON, StatusKind.LOST)

    @property
    def step(self) -> int:
        """Which rung it is on, counted from 1."""
        return next((place for place, rung in enumerate(self.rungs, 1) if rung.standing is Standing.NOW), 0)


class Stage(StrEnum):
    """How far a reward has come."""

    EXPECTED = "expected"
    EARNED = "earned"
    PAID = "paid"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class ShownReward:
    """One reward. `at`: when it was earned, paid or taken back, or is expected; `due_at`: when one that was earned is
    paid, if that is to come.
    """

    amount: int
    label: str
    company: str
    stage: Stage
    at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rewards:
    totals: Totals
    shown: tuple[ShownReward, ...]


@dataclass(frozen=True, slots=True)
class ShownMail:
    """`subject` is "" as long as the address is not confirmed: it may name an amount."""

    topic: str
    subject: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class PartnerPage:
    """All that the page shows. `rewards` is None until they may be seen; `page` of `pages` referrals is shown.

    `register_url` is where somebody joins who is only invited so far, "" for all others; they have no tier and no link
    to share yet.
    """

    name: str
    company: str
    register_url: str
    wording: Wording
    count: int
    page: int
    pages: int
    referrals: tuple[ShownReferral, ...]
    rewards: Rewards | None
    tier: Mapping[str, Any] | None
    mails: tuple[ShownMail, ...]
    share_url: str


def partner_page(
    db: Connection, scope: Scope, partner_id: int, page: int, words: Words, now: datetime, *, confirmed: bool
) -> PartnerPage:
    """The page of this partner; `page` counts from 1, and one that there is not is the nearest that there is.

    A fixed number of statements.
    """
    program = scope.program
    partner = partner_contexts(db, [partner_id])[partner_id]
    invited = partner["status"] == "invited"
    count = count_referrals(db, partner_id)
    pages = max((count + A_PAGE - 1) // A_PAGE, 1)
    page = min(max(page, 1), pages)
    found = own_referrals(db, partner_id, (page - 1) * A_PAGE, A_PAGE)
    ids = [one.id for one in found]
    ways = reached(db, ids)
    done = rewarded(db, ids, now) if confirmed else set(ids)  # whether there is a reward is not for everybody either
    spoken = partner["locale"] or program.locale
    locale = spoken if words.language == language_of(spoken) else program.locale  # dates in the language of the words
    return PartnerPage(
        name=partner["first_name"] or partner["company"],
        company=partner["company"],
        register_url=_own(program.brand.register_url, partner) if invited else "",
        wording=wording(locale, partner["zone"] or program.zone, program.currency, program.minor_digits),
        count=count,
        page=page,
        pages=pages,
        referrals=tuple(_referral(program, one, ways.get(one.id, {}), one.id in done, words) for one in found),
        rewards=_rewards(db, partner_id, words, now) if confirmed else None,
        tier=None if invited else tier_contexts(db, scope, [partner_id], now, words)[partner_id],
        mails=tuple(_mails(db, program, partner_id, words, confirmed)),
        share_url="" if invited else _own(program.brand.share_url, partner),
    )


def _own(url: str, partner: Mapping[str, Any]) -> str:
    return address_for(url, partner["external_id"]) or ""


def _referral(
    program: Program, one: OwnReferral, way: Mapping[str, datetime], done: bool, words: Words
) -> ShownReferral:
    """`done`: what comes after a win, a reward, has come or is not to be told."""
    first = program.ladder[0].key
    if one.submitted_at is not None and first not in way:
        way = {**way, first: one.submitted_at}
    status = next((status for status in program.ladder if status.key == one.status), None)
    return ShownReferral(
        company=one.lead_company or one.lead_name or words(YOUR_REFERRAL),
        contact=(one.lead_name or "") if one.lead_company else "",
        product=one.product or "",
        salesperson=one.salesperson or "",
        submitted_at=one.submitted_at,
        status=words(status.label) if status else one.status,
        kind=status.kind if status else None,
        since=one.status_at or way.get(one.status),
        next=words(status.next) if status and status.next and not (done and status.kind is StatusKind.WON) else "",
        rungs=tuple(rungs(program, one.status, way)),
    )


def _rewards(db: Connection, partner_id: int, words: Words, now: datetime) -> Rewards:
    shown = [_reward(one, words, now) for one in own_rewards(db, partner_id, REWARDS)]
    return Rewards(reward_totals(db, partner_id, now), tuple(shown))


def _reward(one: OwnReward, words: Words, now: datetime) -> ShownReward:
    stage, at = _stage(one, now)
    due_at = one.due_at if stage is Stage.EARNED and one.due_at is not None and one.due_at > now else None
    company = one.lead_company or one.lead_name or ""
    return ShownReward(one.amount, words(one.label) if one.label else "", company, stage, at, due_at)


def _stage(one: OwnReward, now: datetime) -> tuple[Stage, datetime | None]:
    if one.reversed_at is not None:
        return Stage.REVERSED, one.reversed_at
    if one.paid_at is not None and one.paid_at <= now:
        return Stage.PAID, one.paid_at
    if one.earned_at is not None and one.earned_at <= now:
        return Stage.EARNED, one.earned_at
    return Stage.EXPECTED, one.earned_at or one.expected_at


def _mails(db: Connection, program: Program, partner_id: int, words: Words, confirmed: bool) -> list[ShownMail]:
    topics = program.topics
    return [
        ShownMail(
            words(topics[one.topic].label) if one.topic in topics else program.brand.name,
            one.subject if confirmed else "",
            one.sent_at,
        )
        for one in own_mails(db, partner_id, MAILS)
    ]
