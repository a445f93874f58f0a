"""Texts that speak of somebody: found, and mended or deleted, where a row may speak of several people."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.holdings import MENTIONING
from engage.store.tables import audit_entries, feedback, idempotent_answers, links, source_rejects, webhooks

_SHORTEST_WORD, _SHORTEST_NUMBER = 3, 6
"""Of external ids: `16` stands in too many texts in which it means something else."""

INSTEAD = "(forgotten)"
BLANK_ENTRY = {"before": None, "after": None, "why": INSTEAD}
"""What is left of an entry of the audit log that spoke of somebody: other words in it may name them, too."""


@dataclass(frozen=True, slots=True)
class Words:
    """What names somebody in a text: addresses, and external ids that mean nothing else."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str], emails: Iterable[str]) -> "Words":
        telling = [name for name in names if len(name) >= (_SHORTEST_NUMBER if name.isdigit() else _SHORTEST_WORD)]
        plain = {*telling, *emails}
        written = {form for word in plain for form in (word, quote(word, safe=""), json.dumps(word)[1:-1])}
        return cls(tuple(sorted(written, key=lambda word: (-len(word), word))))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Whole words only: `p-1` does not stand in `p-16`, nor an address within another."""
        either = "|".join(map(re.escape, self.words))
        return re.compile(rf"(?<![\w.+-])(?:{either})(?![\w-]|\.\w)", re.IGNORECASE)


def mentioning(db: Connection, table: sa.Table, words: Words) -> list[dict[str, Any]]:
    """The rows of one of MENTIONING that speak of them. Reads the whole table: it is kept short."""
    if not words.words:
        return []
    columns = [table.c[name] for name in MENTIONING[table]]
    texts = [sa.func.lower(sa.cast(column, sa.Text)) for column in columns]
    likely = sa.or_(*(text.contains(word.lower(), autoescape=True) for text in texts for word in words.words))
    pattern = words.pattern
    rows = (dict(row) for row in db.execute(sa.select(table).where(likely).order_by(table.c.id)).mappings())
    return [row for row in rows if any(pattern.search(_text(row[column.name])) for column in columns)]


def erase_mentions(db: Connection, words: Words, reported: sa.ColumnElement[bool]) -> None:
    """Takes them out of every text; what is of use only as a whole is deleted. `reported`: the feedback of theirs."""
    if not words.words:
        return
    f, pattern = feedback.c, words.pattern
    links_of = db.execute(sa.select(f.id, f.url).where(reported, f.url.is_not(None))).all()
    telling = [row.id for row in links_of if pattern.search(row.url)]
    db.execute(sa.update(feedback).where(f.id.in_(telling)).values(url=None))
    for table in (idempotent_answers, source_rejects, links):
        ids = [row["id"] for row in mentioning(db, table, words)]
        db.execute(sa.delete(table).where(table.c.id.in_(ids)))
    for row in mentioning(db, webhooks, words):  # which speak of others, too
        body = pattern.sub(INSTEAD, row["body"])
        db.execute(sa.update(webhooks).where(webhooks.c.id == row["id"]).values(body=body))
    for row in mentioning(db, audit_entries, words):  # who did it, and when, stays
        blank = BLANK_ENTRY | {"object": pattern.sub(INSTEAD, row["object"])}
        db.execute(sa.update(audit_entries).where(audit_entries.c.id == row["id"]).values(blank))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
