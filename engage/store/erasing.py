"""Erases what is held of a partner, and leaves what counts: that somebody entered, was mailed, referred and won.

What is left bears a pseudonym that only the owner of the secret key can make again. Set-based, in the caller's
transaction, which holds the locks of the partner and of their addresses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.coaching import AlertState
from engage.domain.decisions import Reason
from engage.domain.deliveries import By, DeliveryState, require_legal
from engage.domain.journeys import JourneyState
from engage.domain.keys import link_prefix, login_prefix, registered_key
from engage.store import tables as t
from engage.store.holdings import Whose, of_partner
from engage.store.mentions import BLANK_ENTRY

FORGOTTEN = "forgotten"
"""The reason of mails and journeys that ended because their partner was erased."""

_DELETED = (
    t.kept_messages,
    t.confirmations,
    t.rhythms,
    t.pauses,
    t.languages,
    t.partner_attributes,
    t.suppressions,
    t.address_refusals,
)

_BLANKS: Mapping[sa.Table, Mapping[str, Any]] = {
    t.partner_versions: {"region": None, "locale": None},
    t.referrals: dict.fromkeys(("lead_company", "lead_name", "lead_contact", "note", "loss_reason", "involvement")),
    t.rewards: {"label": None},
    t.help_requests: {"ask": ""},
    t.enrollments: {"why": None},
    t.decisions: {"values": {}},
    t.deliveries: {"provider_id": None},
    t.attempts: {"subject": "", "detail": None},
    t.feedback: {"raw": {}, "reason": None},
    t.consent_changes: {"source": None},
    t.coaching_alerts: {"evidence": [], "note": None},
}
"""What is emptied, of rows that stay because they count."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How much of what was still to come was ended."""

    mails: int
    journeys: int


def going_out(db: Connection, who: Whose) -> bool:
    """Whether a mail to them, or about them, is being handed over at this moment."""
    d = t.deliveries.c
    return bool(
        db.execute(sa.select(sa.exists().where(d.partner_id.in_(who.ids), d.state == DeliveryState.SENDING))).scalar()
    )


def end_all(db: Connection, who: Whose, now: datetime) -> Ended:
    """Cancels what is due to them or about them; ends their journeys, and alerts that nobody settled."""
    states = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.RETRY)
    for state in states:
        require_legal(By.ERASURE, state, DeliveryState.CANCELLED)
    d, e, c, alerts = t.deliveries.c, t.enrollments.c, t.episodes.c, t.coaching_alerts.c
    db.execute(sa.delete(t.coaching_alerts).where(alerts.partner_id.in_(who.ids), alerts.state != AlertState.RESOLVED))
    cancelled = {"state": DeliveryState.CANCELLED, "reason": FORGOTTEN, "settled_at": now}
    mails = sa.update(t.deliveries).where(d.partner_id.in_(who.ids), d.state.in_(states))
    stopped = {"state": JourneyState.STOPPED, "ended_at": now, "step": None, "reached_at": None, "due_at": None}
    journeys = sa.update(t.enrollments).where(e.partner_id.in_(who.ids), e.state == JourneyState.ACTIVE)
    db.execute(sa.update(t.episodes).where(of_partner(who)[t.episodes], c.closed_at.is_(None)).values(closed_at=now))
    return Ended(
        mails=db.execute(mails.values(**cancelled, lease=None, lease_until=None)).rowcount,
        journeys=db.execute(journeys.values(**stopped)).rowcount,
    )


def erase(db: Connection, who: Whose, pseudonyms: Mapping[str, str], now: datetime) -> None:
    """Erases all that says who they are. `pseudonyms` has what stands instead of each of their names."""
    theirs = of_partner(who)
    for table in _DELETED:
        db.execute(sa.delete(table).where(theirs[table]))
    for table, blanks in _BLANKS.items():
        db.execute(sa.update(table).where(theirs[table]).values(blanks))
    _keep_only_noes_that_concern_others(db, who)
    _keep_only_our_reasons(db, theirs[t.deliveries])
    for name, instead in pseudonyms.items():
        _rename(db, who, name, instead)
    _leave(db, who, now)
    blank = dict.fromkeys(("email", "address_id", "first_name", "last_name", "phone", "region", "locale", "zone"))
    db.execute(sa.update(t.partners).where(theirs[t.partners]).values(**blank, attributes={}, status="inactive"))
    a = t.addresses.c
    gone = {a.email: sa.literal(f"{FORGOTTEN}:", sa.Text) + sa.cast(a.id, sa.Text)}
    db.execute(sa.update(t.addresses).where(a.id.in_(who.own)).values(gone))


def _keep_only_noes_that_concern_others(db: Connection, who: Whose) -> None:
    """A no that was said at an address holds for whoever else has it."""
    s = t.subscriptions.c
    alone = sa.or_(s.subscribed, s.address_id.in_(who.own))
    db.execute(sa.delete(t.subscriptions).where(of_partner(who)[t.subscriptions], alone))


def _keep_only_our_reasons(db: Connection, theirs: sa.ColumnElement[bool]) -> None:
    """What a provider or an operator wrote goes: it may name them."""
    ours = [*map(str, Reason), "unsubscribed", "suppressed", FORGOTTEN]
    reason = t.deliveries.c.reason
    db.execute(sa.update(t.deliveries).where(theirs, reason.not_in(ours)).values(reason=None))


def _rename(db: Connection, who: Whose, name: str, instead: str) -> None:
    d, e, a, p = t.deliveries.c, t.events.c, t.aliases.c, t.partners.c
    to_them = sa.update(t.deliveries).where(d.partner_id.in_(who.ids), d.recipient == f"partner:{name}")
    db.execute(to_them.values(recipient=f"partner:{instead}"))
    mine = d.partner_id.in_(who.ids)
    db.execute(_with_end(t.deliveries, d.occasion, mine, f"|{name}", f"|{instead}"))  # an alert about them
    for old, new in ((login_prefix(name), login_prefix(instead)), (link_prefix(name), link_prefix(instead))):
        begins = sa.func.substr(e.key, 1, len(old)) == old
        renamed = sa.literal(new, sa.Text) + sa.func.substr(e.key, len(old) + 1)
        db.execute(sa.update(t.events).where(e.partner_id.in_(who.ids), begins).values(key=renamed))
    registered = sa.update(t.events).where(e.partner_id.in_(who.ids), e.key == registered_key(name))
    db.execute(registered.values(key=registered_key(instead)))
    other = sa.and_(a.kind == "partner", a.target_id.in_(who.ids), a.external_id == name)
    db.execute(sa.update(t.aliases).where(other).values(external_id=instead))
    db.execute(sa.update(t.partners).where(p.id.in_(who.ids), p.external_id == name).values(external_id=instead))
    log = t.audit_entries.c
    about = sa.update(t.audit_entries).where(log.program_id == who.program_id, log.object == f"partner:{name}")
    db.execute(about.values(BLANK_ENTRY | {"object": f"partner:{instead}"}))


def _with_end(table: sa.Table, column: sa.Column[str], which: sa.ColumnElement[bool], old: str, new: str) -> sa.Update:
    """Puts `new` where texts of these rows end with `old`."""
    start = sa.func.length(column) - len(old)
    renamed = sa.func.substr(column, 1, start) + sa.literal(new, sa.Text)
    return sa.update(table).where(which, column.endswith(old, autoescape=True)).values({column: renamed})


def _leave(db: Connection, who: Whose, now: datetime) -> None:
    """From now on they are no active partner; what they were before stays as facts have it."""
    v = t.partner_versions.c
    standing = sa.and_(v.partner_id == who.partner_id, v.valid_to.is_(None), v.status != "inactive")
    db.execute(sa.update(t.partner_versions).where(standing, v.valid_from >= now).values(status="inactive"))
    kept = (v.program_id, v.partner_id, v.owner_id, v.company_id)
    found = db.execute(sa.select(v.id, *kept).where(standing)).mappings().all()
    for row in found:
        db.execute(sa.update(t.partner_versions).where(v.id == row["id"]).values(valid_to=now))
        new = {column.name: row[column.name] for column in kept} | {"valid_from": now, "status": "inactive"}
        db.execute(sa.insert(t.partner_versions).values(new))
