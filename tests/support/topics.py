"""Topics as tests want them: the shipped program and campaigns with lines put in, and a correction to send."""

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from engage.domain.messages import Message
from engage.domain.programs import Rhythm
from engage.store import tables
from engage.store.deliveries import due
from engage.store.people import partners_known_as
from engage.store.rhythms import change_rhythm
from tests.support.engage import Engage

REOPENED = """\
campaign: referral-reopened
state: live
topic: referral-status
for: referral
when: {event: referral.status_changed, to: [reopened]}
steps:
  - send: status_updates/reopened
"""

REOPENED_MAIL = """\
---
subject: "{{ referral.lead_company }} is open again"
---
Hello {{ partner.greeting_name }}, **{{ referral.lead_company }}** is open again.
"""

GATHER = 'gather: {at: "17:00", send: status_updates/daily}'


def say(authored: tuple[Path, Path], *lines: str, topic: str = "referral-status") -> None:
    """Writes these lines at a topic of program.yaml."""
    file = authored[0] / "program.yaml"
    head = f"      {topic}:\n"
    source = file.read_text()
    assert source.count(head) == 1
    file.write_text(source.replace(head, head + "".join(f"        {line}\n" for line in lines)))


def say_of_program(authored: tuple[Path, Path], *lines: str) -> None:
    """Writes these lines at the program."""
    file = authored[0] / "program.yaml"
    head = "    locale: en_US\n"
    file.write_text(file.read_text().replace(head, head + "".join(f"    {line}\n" for line in lines)))


def add_correction(authored: tuple[Path, Path]) -> None:
    """A campaign that tells of referrals that are open again."""
    (authored[0] / "status_updates" / "reopened.yaml").write_text(REOPENED)
    (authored[1] / "status_updates" / "reopened.md").write_text(REOPENED_MAIL)


def wishes(engage: Engage, partner: str, rhythm: Rhythm, topic: str = "referral-status") -> None:
    """The partner wants the topic so often from now on."""
    with engage.services.database.write() as db:
        scope = next(iter(engage.services.library().scopes().values()))
        ((_, id_),) = partners_known_as(db, scope.program_id, partner)
        change_rhythm(db, scope.program_id, id_, topic, rhythm, engage.now, "test")


def wait(engage: Engage, **length: float) -> list[Message]:
    """What goes out now, and when so much time has passed."""
    at_once = engage.work()
    engage.now += timedelta(**length)
    with engage.services.database.read() as db:
        for id_, lane in due(db, engage.now, 1000):
            engage.queue.enqueue("deliver", [id_], lane)
    return [*at_once, *engage.work()]


def deliveries(engage: Engage) -> list[tuple[str, str, str | None]]:
    """(campaign, state, reason) of each delivery, in order."""
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        return [tuple(row) for row in db.execute(sa.select(d.campaign, d.state, d.reason).order_by(d.id))]


def told_by(engage: Engage, campaign: str) -> list[str]:
    """The campaigns of the occasions to which the mails of a campaign are linked."""
    d, n, link = tables.deliveries.c, tables.enrollments.c, tables.delivery_occasions.c
    query = (
        sa.select(n.campaign)
        .join(tables.delivery_occasions, link.enrollment_id == n.id)
        .join(tables.deliveries, d.id == link.delivery_id)
        .where(d.campaign == campaign)
        .order_by(n.id)
    )
    with engage.services.database.read() as db:
        return list(db.execute(query).scalars())
