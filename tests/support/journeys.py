"""A small campaign with steps to walk through, and short emails for them."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from engage.domain.messages import Message
from engage.pipeline.shelf import Shelf
from engage.store.tables import enrollments
from tests.support.engage import Engage

TRIAL = "trial"
_KEYS = {
    "campaign": TRIAL,
    "state": "live",
    "topic": "tips",
    "for": "partner",
    "when": '{every: "day 09:00"}',
    "again": "each slot",
}


def write_trial(engage: Engage, steps: str, emails: Collection[str] = "abcdef", **keys: str | None) -> Path:
    """Writes the campaign, its emails `a` to `f` with the subjects A to F, and the alert `z`; returns its file.

    `keys` are written otherwise than in _KEYS (`for_` for `for`); None leaves one out.
    """
    settings = engage.services.settings
    said = {**_KEYS, **{name.rstrip("_"): value for name, value in keys.items()}}
    lines = [f"{key}: {value}" for key, value in said.items() if value is not None]
    file = settings.campaigns_dir / "trial.yaml"
    file.write_text("\n".join([*lines, f"steps: [{steps}]"]) + "\n")
    for name in emails:
        write_email(engage, name, name.upper())
    alert = settings.templates_dir / "alerts" / "z.md"
    alert.write_text('---\nsubject: "Z"\nfrom: program\n---\nCall {{ partner.name }}.\n')
    rereads(engage)
    return file


def write_email(engage: Engage, name: str, subject: str) -> None:
    text = (
        f'---\nsubject: "{subject}"\npreview: "{subject}"\nfrom: program\n---\nHello {{{{ partner.greeting_name }}}}.\n'
    )
    (engage.services.settings.templates_dir / f"{name}.md").write_text(text)


def rereads(engage: Engage) -> None:
    """Has the files read again, as a process does that begins."""
    settings = engage.services.settings
    engage.services.shelf = Shelf(engage.services.database, settings.campaigns_dir, settings.templates_dir)


def subjects(mails: Collection[Message]) -> list[str]:
    return [mail.subject for mail in mails]


def standings(engage: Engage) -> list[tuple[str, str | None, datetime | None]]:
    """(state, step, due_at) of each enrollment in the trial, in the order of entering."""
    e = enrollments.c
    query = sa.select(e.state, e.step, e.due_at).where(e.campaign == TRIAL).order_by(e.id)
    with engage.services.database.read() as db:
        return [tuple(row) for row in db.execute(query)]


def states(engage: Engage) -> list[str]:
    return [state for state, _, _ in standings(engage)]


def why(engage: Engage) -> list[str | None]:
    """Why each enrollment in the trial ended."""
    e = enrollments.c
    with engage.services.database.read() as db:
        return list(db.execute(sa.select(e.why).where(e.campaign == TRIAL).order_by(e.id)).scalars())
