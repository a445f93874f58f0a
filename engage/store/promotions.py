"""The terms of promotions as partners were told them first."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import Conversion, Promotion
from engage.store.tables import promotion_terms
from engage.store.upserts import insert_many, one_of


def frozen_terms(db: Connection, program_id: int, campaign: str, partner_ids: Collection[int]) -> dict[int, Promotion]:
    """By partner, of those who have been told of the campaign's promotion."""
    if not partner_ids:
        return {}
    c = promotion_terms.c
    query = sa.select(c.partner_id, c.terms).where(c.program_id == program_id, c.campaign == campaign)
    rows = db.execute(query.where(one_of(db, c.partner_id, partner_ids)))
    return {partner_id: _promotion(terms) for partner_id, terms in rows}


def freeze_terms(
    db: Connection, program_id: int, campaign: str, promotion: Promotion, partner_ids: Collection[int], now: datetime
) -> None:
    """These partners are told of the promotion now; the terms of those who had been before stay theirs."""
    if partner_ids:
        common = {"program_id": program_id, "campaign": campaign, "terms": _terms(promotion), "frozen_at": now}
        rows = [{**common, "partner_id": partner_id} for partner_id in sorted(set(partner_ids))]
        insert_many(db, promotion_terms, rows, or_ignore=True)


def _terms(promotion: Promotion) -> dict[str, Any]:
    return {
        "first": promotion.first.isoformat(),
        "last": promotion.last.isoformat(),
        "counts": promotion.counts.value,
        "bonus": promotion.bonus,
        "paid_when": promotion.paid_when,
    }


def _promotion(terms: Mapping[str, Any]) -> Promotion:
    return Promotion(
        date.fromisoformat(terms["first"]),
        date.fromisoformat(terms["last"]),
        Conversion(terms["counts"]),
        terms["bonus"],
        terms["paid_when"],
    )
