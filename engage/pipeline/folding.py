"""Folding: a mail for which frequency caps left no room becomes a line of the partner's next newsletter.

The next newsletter is the next mail to the partner whose email names `folded`. Each is told of once: what a newsletter
tells of is taken in the transaction that begins to send it. A mail that would not go out any more, were there room, is
not told of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.domain.decisions import Skip
from engage.pipeline.library import Library
from engage.pipeline.recheck import look_again
from engage.store.caps import folded
from engage.store.deliveries import Claimed


@dataclass(frozen=True, slots=True)
class Line:
    """What a newsletter tells of a folded delivery. `taken`: an earlier attempt of the same newsletter has begun to."""

    delivery_id: int
    subject: str
    url: str
    taken: bool


def lines_for(
    db: Connection,
    library: Library,
    newsletters: Sequence[Claimed],
    headline: Callable[[Sequence[Claimed]], Mapping[int, tuple[str, str]]],
    now: datetime,
) -> dict[int, list[Line]]:
    """What each of these newsletters is to tell of, oldest first; `headline` has subject and link by delivery."""
    readers = {one.id: one.partner_id for one in newsletters if one.partner_id is not None}
    waiting = folded(db, readers) if readers else []
    if not waiting:
        return {}
    late = now + timedelta(days=1)  # it competed in time; that is not asked again
    looked = look_again(db, library, [replace(one, expires_at=late) for one, _ in waiting], now)
    still = [(one, into) for one, into in waiting if not isinstance(looked[one.id].decision, Skip)]
    heads = headline([one for one, _ in still])
    found: dict[int, list[Line]] = {}
    for newsletter, partner_id in readers.items():
        mine = ((one, into) for one, into in still if one.partner_id == partner_id and into in (None, newsletter))
        lines = [Line(one.id, *heads[one.id], taken=into is not None) for one, into in mine if one.id in heads]
        if lines:
            found[newsletter] = lines
    return found


def shown(lines: Sequence[Line]) -> list[dict[str, str]]:
    """`folded` for templates: what says the same is said once."""
    return [{"subject": subject, "url": url} for subject, url in dict.fromkeys((one.subject, one.url) for one in lines)]
