"""Languages: in which of its program's locales a partner wants to read. The latest word holds, as of any instant."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.last_words import last_words, move_words, say
from engage.store.tables import languages, partners


@dataclass(frozen=True, slots=True)
class Language:
    """The locale that a partner chose, since when, and how they said so."""

    locale: str
    since: datetime
    how: str


def languages_of(db: Connection, partner_ids: Collection[int]) -> dict[int, Language]:
    """What each of these partners chose; who chose nothing is left out. One statement."""
    rows = last_words(db, languages, partner_ids)
    return {id_: Language(row.locale, row.changed_at, row.how) for id_, row in rows.items()}


def locale_spoken() -> sa.ColumnElement[Any]:
    """The locale of a partner, in a statement over `partners`: what they chose goes before what sources say."""
    c = languages.c
    chosen = sa.select(c.locale).where(c.partner_id == partners.c.id).order_by(c.changed_at.desc(), c.id.desc())
    return sa.func.coalesce(chosen.limit(1).correlate(partners).scalar_subquery(), partners.c.locale)


def change_language(
    db: Connection, program_id: int, partner_id: int, locale: str, now: datetime, how: str, source: str
) -> bool:
    """Stores the language that a partner chose; False if nothing changes. The partner is locked by the caller."""
    stands = languages_of(db, [partner_id]).get(partner_id)
    if stands is not None and stands.locale == locale:
        return False
    say(db, languages, program_id, partner_id, {"locale": locale}, now, how, source)
    return True


def move_languages(db: Connection, merged: int, survivor: int) -> None:
    """A partner who was merged into another chose for that one: of both the later word holds."""
    move_words(db, languages, merged, survivor)
