"""Who leads: the best partners of the last 30 days, named only where they agreed to it, and salespeople in a contest.

Staff stand under their names: a contest is among colleagues. Equals share a place, and nobody is put before another
whom the count does not put there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.content.words import Words
from engage.domain.campaigns import Campaign, Conversion
from engage.domain.conditions import Comparator, FactRef, Test
from engage.domain.facts import METRICS, Subject
from engage.domain.promotions import begins_at, is_over_at
from engage.domain.windows import Window, WindowKind
from engage.facts import Scope, audience, values
from engage.pipeline.contexts import partner_contexts
from engage.pipeline.sayings import FELLOW, IN_REGION
from engage.store.people import staff_members

LEADERS = 5
"""How many places the leaderboard has."""
KUDOS = 2
"""How many partners are named for one thing, where several share the first place."""
PLACES = 20
"""How many lines the standings of a contest have."""

STANDINGS = frozenset({"standings", "standing", "winners"})
"""What templates call them."""

_MONTH = timedelta(days=30)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Leading:
    """The best of a program's partners, without the words that stand for a name: see `labelled`."""

    leaders: list[dict[str, Any]]
    kudos: list[dict[str, Any]]


def leading(db: Connection, scope: Scope, now: datetime) -> Leading:
    """The top partners by wins of the last 30 days, and the best by referrals, by wins and by revenue."""
    window = Window(WindowKind.LAST, _MONTH)
    tops = {metric: _top(db, scope, metric, LEADERS if metric == "wins" else 1, window, now) for metric in METRICS}
    who = _who(db, scope, {id_ for top in tops.values() for id_ in top}, now)
    ranked = {what: _in_order([{"what": what, **top[id_], **who[id_]} for id_ in top]) for what, top in tops.items()}
    kudos = [row for rows in ranked.values() for row in [row for row in rows if row["place"] == 1][:KUDOS]]
    return Leading(ranked["wins"][:LEADERS], kudos)


def _in_order(rows: Collection[dict[str, Any]]) -> list[dict[str, Any]]:
    """By place; where several share one, names first, then regions."""
    return sorted(rows, key=lambda row: (row["place"], not row["name"], row["name"], not row["region"], row["region"]))


def labelled(ranked: Collection[Mapping[str, Any]], words: Words) -> list[dict[str, Any]]:
    """`leaders` or `kudos` as a mail in these words names them."""
    return [{**row, "label": row["name"] or _nameless(row["region"], words)} for row in ranked]


def _nameless(region: str, words: Words) -> str:
    return words(IN_REGION, region=region) if region else words(FELLOW)


def _top(
    db: Connection, scope: Scope, metric: str, places: int, window: Window, now: datetime
) -> dict[int, dict[str, Any]]:
    """Place and value of each partner on the first `places`."""
    rank, value = FactRef("rank", window=window, by=metric), FactRef(metric, window=window)
    test = Test(rank, Comparator.AT_MOST, places)
    ids = [member.subject_id for member in audience(scope, Subject.PARTNER, test, now).rows(db)]
    found = values(db, scope, Subject.PARTNER, [rank, value], now, ids) if ids else {}
    return {id_: {"place": facts[rank], "value": facts[value]} for id_, facts in found.items()}


def _who(db: Connection, scope: Scope, ids: Collection[int], now: datetime) -> dict[int, dict[str, str]]:
    """`name`, "" of those who have not agreed to be named, and `region`."""
    if not ids:
        return {}
    consent = FactRef("attribute", name=scope.program.named_with)
    agreed = values(db, scope, Subject.PARTNER, [consent], now, ids) if scope.program.named_with else {}
    return {
        id_: {
            "name": _name(partner) if id_ in agreed and agreed[id_][consent] is True else "",
            "region": partner["region"],
        }
        for id_, partner in partner_contexts(db, ids).items()
    }


def _name(partner: Mapping[str, Any]) -> str:
    """`First L., Company`, of what is known of it; "" without a first name."""
    first, last, company = partner["first_name"], partner["last_name"], partner["company"]
    person = f"{first} {last[0]}." if first and last else first
    return ", ".join(filter(None, (person, company))) if person else ""


_NOTHING = {"place": None, "value": 0, "wins": 0, "revenue": 0, "gap": None}
"""Where somebody stands who has nothing that counts."""


@dataclass(frozen=True, slots=True)
class Standings:
    """How salespeople stand: everybody who has something that counts, the best first, by their ids."""

    rows: Mapping[int, dict[str, Any]]

    def context(self, staff_id: int | None) -> dict[str, Any]:
        """`standings`, `standing` of this one, and `winners`: who shares the first place."""
        rows = list(self.rows.values())
        return {
            "standings": rows[:PLACES],
            "standing": self.rows.get(staff_id or 0, _NOTHING),
            "winners": [row for row in rows if row["place"] == 1],
        }


def standings(db: Connection, scope: Scope, campaign: Campaign, now: datetime) -> Standings:
    """In a contest since its first day, as of the full minute and no longer than it lasts; else in the last 30 days.

    Ranked by what the contest counts, referrals or wins; without one by wins. What the count says at the end stays the
    result, whatever becomes of a win later.
    """
    promotion, zone = campaign.promotion, scope.program.zone
    as_of, window, by = now, Window(WindowKind.LAST, _MONTH), "wins"
    if promotion is not None:
        begins = begins_at(promotion, zone)
        until = min(now.replace(second=0, microsecond=0), is_over_at(promotion, zone))
        if until <= begins:
            return Standings({})
        # what happens with the first midnight is in it, what happens with the last is not
        as_of, window = until - _INSTANT, Window(WindowKind.LAST, until - begins)
        by = "referrals" if promotion.counts is Conversion.REFERRAL else "wins"
    rank, value = FactRef("rank", window=window, by=by), FactRef(by, window=window)
    wins, revenue = FactRef("wins", window=window), FactRef("revenue", window=window)
    known = audience(scope, Subject.STAFF, Test(rank, Comparator.AT_LEAST, 1), as_of)
    ids = [member.subject_id for member in known.rows(db)]
    if not ids:
        return Standings({})
    found = values(db, scope, Subject.STAFF, list(dict.fromkeys([rank, value, wins, revenue])), as_of, ids)
    people = staff_members(db, set(ids))
    rows = {
        id_: {
            "place": facts[rank],
            "name": people[id_].name,
            "label": people[id_].name,
            "value": facts[value],
            "wins": facts[wins],
            "revenue": facts[revenue],
        }
        for id_, facts in found.items()
        if id_ in people
    }
    return Standings(_with_gaps(dict(sorted(rows.items(), key=lambda row: (row[1]["place"], row[1]["name"])))))


def _with_gaps(rows: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Each with how much is missing to the place above; None on the first."""
    levels = sorted({row["value"] for row in rows.values()}, reverse=True)
    above = dict(zip(levels[1:], levels, strict=False))
    for row in rows.values():
        row["gap"] = above[row["value"]] - row["value"] if row["value"] in above else None
    return rows
