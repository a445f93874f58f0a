"""Stop all: a partner wants no mail of any kind any more, and can take that back where they said it.

It is a suppression, and so holds in every program. Who has said it elsewhere, by phone or in SendGrid's lists, or has
reported a mail as spam, is mailed again only when an operator lifts that.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.consent import SuppressionReason
from engage.pipeline.library import Library
from engage.pipeline.preferences import HOW, Addressee, PreferencesLink, addressee, locked
from engage.store.consent import lift_suppressions, suppress, suppressed_by, suppressions_at
from engage.store.deliveries import cancel_pending
from engage.store.people import lock_recipients
from engage.store.refusals import partners_at

_STOP_ALL = SuppressionReason.STOP_ALL


@dataclass(frozen=True, slots=True)
class Silence:
    """Whether anything stops all mail to a partner; whether somebody wished it so; whether they themselves did and
    nothing else stands against it, so that they can take it back here.
    """

    stopped: bool
    wished: bool
    theirs: bool


def silence_of(db: Connection, who: Addressee) -> Silence:
    """What stands against any mail to them, where they are mailed now."""
    address_id = who.addresses[-1]
    reasons = suppressions_at(db, [address_id]).get(address_id, set())
    alone = reasons == {_STOP_ALL}
    theirs = alone and bool(suppressed_by(db, who.partner.partner_id, [address_id], _STOP_ALL, HOW))
    return Silence(bool(reasons), _STOP_ALL in reasons, theirs)


def stop_all(db: Connection, library: Library, link: PreferencesLink, now: datetime, source: str) -> bool:
    """Nothing is mailed any more to where the link was mailed to, nor to where the partner is mailed now.

    Cancels what is pending there, in every program. False if that stands already, or the link stands for nobody.
    """
    who = addressee(db, library, link.program_id, link.partner_id, link.address_id)
    if who is None:
        return False
    sharing = {row.id for row in partners_at(db, who.addresses)} | {who.partner.partner_id}
    lock_recipients(db, sharing, who.addresses)
    who = locked(db, library, link)  # they may have been given another address in this very moment
    if who is None:
        return False
    whose = (who.scope.program_id, who.partner.partner_id)
    stopped = [suppress(db, *whose, address_id, _STOP_ALL, now, HOW, source) for address_id in who.addresses]
    cancel_pending(db, sorted({row.id for row in partners_at(db, who.addresses)}), None, now, "suppressed")
    return any(stopped)


def start_again(db: Connection, library: Library, link: PreferencesLink, now: datetime, source: str) -> bool:
    """Takes back what the partner said with `stop_all`; topics stay as they chose them. False if nothing of it stands.

    Not what somebody else said, nor a bounce or a complaint.
    """
    who = locked(db, library, link)
    if who is None:
        return False
    lock_recipients(db, (), who.addresses)
    stopped = {id_ for id_, reasons in suppressions_at(db, who.addresses).items() if _STOP_ALL in reasons}
    mine = suppressed_by(db, who.partner.partner_id, stopped, _STOP_ALL, HOW) if stopped else set()
    for address_id in sorted(mine):
        whose = (who.scope.program_id, address_id)
        lift_suppressions(db, *whose, [_STOP_ALL], f"{HOW}, {source}", now, who.partner.partner_id)
    return bool(mine)
