"""Two partners with one address get one mail of a kind: looked at again when an address has changed in between."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DUE, DeliveryState
from engage.store.tables import deliveries, enrollments, occasions, partners
from engage.store.upserts import one_of


def sharing_an_address(db: Connection, ids: Collection[int]) -> set[int]:
    """Those of `ids` that another partner at the same address has, or is about to have: the same step of one slot.

    Asked of those whose partner has another address than when they were enrolled: the others were compared then.
    """
    if not ids:
        return set()
    mine, theirs = deliveries.c, deliveries.alias("theirs")
    entered, partner = enrollments.alias("entered"), partners.alias("partner")
    gone = (DeliveryState.SENDING, DeliveryState.ACCEPTED, DeliveryState.UNKNOWN)
    stayed = theirs.c.address_id == partner.c.address_id  # who has been there from the beginning comes first
    before = sa.and_(theirs.c.state.in_((DeliveryState.CLAIMED, *DUE)), sa.or_(stayed, theirs.c.id < mine.id))
    query = (
        sa.select(mine.id)
        .join(enrollments, enrollments.c.id == mine.enrollment_id)
        .join(occasions, sa.and_(occasions.c.id == enrollments.c.occasion_id, occasions.c.run_id.is_not(None)))
        .join(partners, partners.c.id == mine.partner_id)
        .join(entered, entered.c.occasion_id == enrollments.c.occasion_id)
        .join(theirs, sa.and_(theirs.c.enrollment_id == entered.c.id, theirs.c.step == mine.step))
        .join(partner, partner.c.id == theirs.c.partner_id)
        .where(one_of(db, mine.id, ids), theirs.c.id != mine.id, theirs.c.recipient.startswith("partner:"))
        .where(partners.c.address_id.in_((theirs.c.address_id, partner.c.address_id)))
        .where(sa.or_(theirs.c.state.in_(gone), before), theirs.c.held_out.is_(sa.false()))
    )
    return set(db.execute(query).scalars())
