"""What a promotion promises: the terms that a partner was told first stay theirs, and their mails speak of those."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.content.words import Words
from engage.domain.campaigns import Campaign, Promotion
from engage.domain.facts import Subject
from engage.domain.promotions import begins_at, is_over_at
from engage.facts import Scope
from engage.pipeline.library import Library
from engage.store.deliveries import Claimed
from engage.store.goals import converted
from engage.store.promotions import freeze_terms, frozen_terms

_JUST_BEFORE = timedelta(microseconds=1)


def promise(db: Connection, library: Library, mails: Iterable[Claimed], now: datetime) -> None:
    """Freezes the terms that these mails, which begin to be sent now, tell for the first time.

    `library` is the one out of which they were composed.
    """
    told: dict[tuple[int, str], set[int]] = {}
    for one in mails:
        if one.partner_id is not None and one.recipient.startswith("partner:"):
            told.setdefault((one.program_id, one.campaign), set()).add(one.partner_id)
    for (program_id, name), partner_ids in told.items():
        campaign = library.get(program_id, name)
        if campaign is not None and campaign.promotion is not None:
            freeze_terms(db, program_id, name, campaign.promotion, partner_ids, now)


def promotion_contexts(
    db: Connection, scope: Scope, campaign: Campaign, partner_ids: Collection[int], now: datetime, words: Words
) -> dict[int, dict[str, Any]]:
    """`promotion`, by partner: its terms, and what the partner has earned by it so far.

    One statement for each set of terms that were told; empty for a campaign without a promotion.
    """
    if campaign.promotion is None:
        return {}
    told = frozen_terms(db, scope.program_id, campaign.name, partner_ids)
    by_terms: dict[Promotion, list[int]] = {}
    for partner_id in partner_ids:
        by_terms.setdefault(told.get(partner_id, campaign.promotion), []).append(partner_id)
    contexts: dict[int, dict[str, Any]] = {}
    for terms, ids in by_terms.items():
        counts = _counts(db, scope, terms, ids, now)
        contexts |= {id_: _context(terms, counts.get(id_, 0), words) for id_ in ids}
    return contexts


def contest_context(campaign: Campaign) -> dict[str, Any] | None:
    """`promotion` of a campaign for staff, as its file has it: None where there is no contest."""
    terms = campaign.promotion
    if terms is None or campaign.subject is not Subject.STAFF:
        return None
    return {"from": terms.first, "through": terms.last, "counts": terms.counts.value, "prize": terms.prize}


def _counts(
    db: Connection, scope: Scope, terms: Promotion, partner_ids: Collection[int], now: datetime
) -> Mapping[int, int]:
    zone = scope.program.zone
    since, end = begins_at(terms, zone) - _JUST_BEFORE, is_over_at(terms, zone)
    done = converted(db, terms.counts, dict.fromkeys(partner_ids, since), now)
    return {id_: sum(at < end for at, _ in those) for id_, those in done.items()}


def _context(terms: Promotion, count: int, words: Words) -> dict[str, Any]:
    return {
        "from": terms.first,
        "through": terms.last,
        "counts": terms.counts.value,
        "bonus": terms.bonus,
        "paid_when": words(terms.paid_when),
        "mine": {"count": count, "bonus": count * terms.bonus},
    }
