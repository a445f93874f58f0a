"""What experiments ask of the store: the names that draws are made by, the words that were used, who entered in which
arm.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.domain.experiments import Arm
from engage.store.tables import aliases, campaign_versions, deliveries, enrollments, partners
from engage.store.upserts import BATCH, one_of

_UNUSED = (DeliveryState.SKIPPED, DeliveryState.CANCELLED, DeliveryState.DEAD)
"""The states of a delivery whose words its recipient never got, and will not get by it."""


def partner_names(db: Connection, ids: Collection[int]) -> dict[int, str]:
    """The external id of each of these partners."""
    p = partners.c
    found: dict[int, str] = {}
    for part in _parts(ids):
        found |= {id_: name for id_, name in db.execute(sa.select(p.id, p.external_id).where(one_of(db, p.id, part)))}
    return found


def other_names(db: Connection, ids: Collection[int]) -> dict[int, set[str]]:
    """The aliases of those of these partners who have any."""
    a = aliases.c
    found: dict[int, set[str]] = {}
    for part in _parts(ids):
        query = sa.select(a.target_id, a.external_id).where(a.kind == "partner", one_of(db, a.target_id, part))
        for id_, name in db.execute(query):
            found.setdefault(id_, set()).add(name)
    return found


def _parts(ids: Collection[int]) -> Iterator[list[int]]:
    ordered = sorted(set(ids))
    return (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))


def lock_steps(db: Connection, program_id: int, steps: Collection[tuple[str, str]]) -> None:
    """Until the transaction ends nobody else chooses words for these steps, (campaign, step).

    Without it two workers could give one partner the same words for two occasions. On SQLite the write transaction is
    the lock.
    """
    if db.dialect.name == "sqlite" or not steps:
        return
    names = [f"{program_id}\x1f{campaign}\x1f{step}" for campaign, step in sorted(steps)]
    each = sa.func.unnest(sa.literal(names, postgresql.ARRAY(sa.Text()))).table_valued(sa.column("name", sa.Text()))
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(each.c.name, 0)))).all()


def words_used(
    db: Connection, program_id: int, steps: Collection[tuple[str, str]], partner_ids: Collection[int]
) -> dict[tuple[int, str, str], set[str]]:
    """The templates that each partner has had, or is about to get, of these steps: by (partner, campaign, step)."""
    d = deliveries.c
    query = (
        sa.select(d.partner_id, d.campaign, d.step, d.template)
        .where(one_of(db, d.partner_id, partner_ids), d.program_id == program_id, d.state.not_in(_UNUSED))
        .where(d.campaign.in_({campaign for campaign, _ in steps}), d.step.in_({step for _, step in steps}))
    )
    found: dict[tuple[int, str, str], set[str]] = {}
    for partner_id, campaign, step, template in db.execute(query):
        found.setdefault((partner_id, campaign, step), set()).add(template)
    return found


def version_ids(db: Connection, program_id: int, campaign: str) -> list[int]:
    """Every version of a campaign that was ever seen."""
    c = campaign_versions.c
    return list(db.execute(sa.select(c.id).where(c.program_id == program_id, c.campaign == campaign)).scalars())


@dataclass(frozen=True, slots=True)
class Entered:
    """A partner's first entry into a campaign in a period. `moved`: the partner has been in another arm of it too."""

    partner_id: int
    entered_at: datetime
    arm: Arm
    moved: bool


def first_entries(
    db: Connection,
    program_id: int,
    campaign: str,
    since: datetime | None,
    until: datetime,
    versions: Collection[int] | None = None,
) -> list[Entered]:
    """The first entry of each partner after `since` (None: ever), included, and before `until`, in order of partner; of
    those into one of these versions of the campaign (None: any).

    Entries without an arm, drawn for nobody or of a journey that a merge has moved, are left out, and so are partners
    who were merged into others, and entries of companies and staff.
    """
    e, p = enrollments.c, partners.c
    within = [e.entered_at < until]
    if since is not None:
        within.append(e.entered_at >= since)
    if versions is not None:
        within.append(e.version_id.in_(versions))
    counts = sa.case((sa.and_(*within), 0), else_=1)
    # one pass over windows: joined to a subquery of their arms, entries would be compared each with each on SQLite
    first = sa.func.row_number().over(partition_by=e.partner_id, order_by=(counts, e.entered_at, e.id))
    arms = [bound(e.arm).over(partition_by=e.partner_id) for bound in (sa.func.min, sa.func.max)]
    columns = (e.partner_id, e.entered_at, e.arm, counts.label("outside"), first.label("nth"))
    drawn = sa.select(*columns, arms[0].label("lowest"), arms[1].label("highest")).where(
        e.program_id == program_id, e.campaign == campaign, e.partner_id.is_not(None), e.arm.is_not(None)
    )
    c = drawn.subquery("drawn").c
    query = (
        sa.select(c.partner_id, c.entered_at, c.arm, c.lowest != c.highest)
        .join(partners, p.id == c.partner_id)
        .where(c.nth == 1, c.outside == 0, p.merged_into_id.is_(None))
        .order_by(c.partner_id)
    )
    return [Entered(id_, at, Arm(arm), bool(moved)) for id_, at, arm, moved in db.execute(query)]
