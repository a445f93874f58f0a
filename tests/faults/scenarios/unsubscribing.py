"""Partners unsubscribe at the very moment at which their newsletter is being sent."""

import random
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from engage.domain.deliveries import DUE, DeliveryState
from engage.pipeline.consent import UnsubscribeLink
from engage.store.tables import deliveries, partners
from tests.faults.feeding import open_newsletter
from tests.faults.stage import Measured, Stage, Where, stage

TRIALS = 250  # for each database
_PAUSE = 0.3  # seconds that the provider takes for a batch of 28: clicks can keep up
_AROUND = 40  # so many mails before or after a partner's own turn the click may come
_CLICKERS = 6

_NOTING = {
    "sqlite": (
        "CREATE TABLE noted (number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT, partner_id INTEGER)",
        "CREATE TRIGGER note_sending AFTER INSERT ON attempts BEGIN INSERT INTO noted (what, partner_id) "
        "SELECT 'sending', partner_id FROM deliveries WHERE id = NEW.delivery_id; END",
        "CREATE TRIGGER note_refusal AFTER INSERT ON subscriptions WHEN NOT NEW.subscribed "
        "BEGIN INSERT INTO noted (what, partner_id) VALUES ('unsubscribe', NEW.partner_id); END",
    ),
    "postgresql": (
        "CREATE TABLE noted (xid xid8 DEFAULT pg_current_xact_id(), what text, partner_id bigint)",
        "CREATE FUNCTION note_sending() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO noted (what, partner_id) SELECT 'sending', partner_id "
        "FROM deliveries WHERE id = NEW.delivery_id; RETURN NULL; END $$",
        "CREATE FUNCTION note_refusal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO noted (what, partner_id) VALUES ('unsubscribe', NEW.partner_id); RETURN NULL; END $$",
        "CREATE TRIGGER note_sending AFTER INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION note_sending()",
        "CREATE TRIGGER note_refusal AFTER INSERT ON subscriptions FOR EACH ROW WHEN (NOT NEW.subscribed) "
        "EXECUTE FUNCTION note_refusal()",
    ),
}
"""Triggers that note both commits beside what engage writes.

SQLite's writers come one after the other, so that the number tells the order of commits. PostgreSQL tells it itself, by
the time of a transaction's commit.
"""


def run(where: Where, database: str) -> Measured:
    """No request goes out whose `sending` commit follows the unsubscribe's. The click is that of the mail's header."""
    trials = where.scaled(TRIALS, 20)
    with stage(where, database) as on:
        on.has_partners(trials)
        with on.database.write() as db:
            for statement in _NOTING[db.dialect.name]:
                db.exec_driver_sql(statement)
        links = _links(on)
        on.mailbox.post("/mailbox/faults", {"delay_before": _PAUSE, "times": 1_000_000})
        on.crew.scheduler()
        for _ in range(2):
            on.crew.worker()
        open_newsletter(on.services, 0)
        on.newsletters = 1
        _click_meanwhile(on, links)
        on.settle()
        found = on.ledger()
        sent, refused = _commits(on)
    after = [id_ for id_ in sent if id_ in refused and sent[id_] > refused[id_]]
    breaches = [f"{len(after)} were sent to after they had unsubscribed: partners {after[:3]}"] if after else []
    if len(refused) != trials:
        breaches.append(f"{trials} partners unsubscribed, {len(refused)} of them are noted")
    cancelled = found.states[DeliveryState.CANCELLED]
    counted = f"{trials} partners clicked while it went out: {len(sent)} mails had gone, {cancelled} were cancelled"
    figures = {"trials": trials, "sent_before": len(sent), "sent_after": len(after), **found.figures()}
    return Measured(f"{counted}; {found.counted()}", [*found.breaches, *breaches], figures)


def _links(on: Stage) -> dict[int, str]:
    """The unsubscribe link of each partner, by id, as it is in the newsletter's header."""
    c, services = partners.c, on.services
    with on.database.read() as db:
        rows = db.execute(sa.select(c.id, c.program_id, c.address_id)).all()
    tokens = {
        row.id: UnsubscribeLink(row.program_id, row.id, row.address_id, "tips").token(services.signer) for row in rows
    }
    return {id_: f"{on.web.url}/unsubscribe/{token}" for id_, token in tokens.items()}


def _click_meanwhile(on: Stage, links: dict[int, str]) -> None:
    """Each partner clicks at about the time at which it is their turn to be sent to."""
    d = deliveries.c
    on.wait_for(lambda: on.scalar(sa.select(sa.func.count(d.id))) == len(links), "the newsletter has not been enrolled")
    with on.database.read() as db:
        turns = list(db.execute(sa.select(d.partner_id).order_by(d.id)).scalars())
    chance = random.Random(9)
    clicks = sorted(enumerate(turns), key=lambda turn: turn[0] + chance.uniform(-_AROUND, _AROUND))
    begun = sa.select(sa.func.count(d.id)).where(d.state.not_in((*DUE, DeliveryState.CLAIMED)))

    def click(partner_id: int) -> None:
        request = urllib.request.Request(links[partner_id], b"List-Unsubscribe=One-Click", method="POST")
        with urllib.request.urlopen(request, timeout=60):
            pass

    with ThreadPoolExecutor(_CLICKERS) as pool:
        for number, (_, partner_id) in enumerate(clicks):
            deadline = time.monotonic() + 30
            while number > on.scalar(begun) and time.monotonic() < deadline:
                time.sleep(0.005)
            pool.submit(click, partner_id)


def _commits(on: Stage) -> tuple[dict[int, float], dict[int, float]]:
    """When the last `sending` and the first unsubscribe of each partner were committed: comparable, of no unit."""
    order = "number" if on.database.is_sqlite else "extract(epoch FROM pg_xact_commit_timestamp(xid::xid))"
    with on.database.read() as db:
        rows = db.execute(sa.text(f"SELECT what, partner_id, {order} FROM noted")).all()
    sent: dict[int, float] = {}
    refused: dict[int, float] = {}
    for what, partner_id, at in rows:
        if what == "sending":
            sent[partner_id] = max(sent.get(partner_id, at), at)
        else:
            refused[partner_id] = min(refused.get(partner_id, at), at)
    return sent, refused
