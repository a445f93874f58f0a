"""The link to the form for referrals by word of mouth: for a partner or a member of our staff, for 90 days.

It says who tells and lets nobody see more than their own, so it is not bound to an address as the partner's page is.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.facts import Scope
from engage.pipeline.library import Library
from engage.pipeline.page_links import day_number
from engage.signing import Signer
from engage.store.people import StaffMember, staff_members
from engage.store.visitors import Door, door_of

PURPOSE = "refer"
PATH = "/refer/"
"""Where the links lead, below the public address; the web application serves it."""
DAYS = 90
"""For how many days after the one it was made on a link takes referrals."""

PARTNER, STAFF = "partner", "staff"


@dataclass(frozen=True, slots=True)
class ReferLink:
    """What the token in a link to the form stands for: who tells, by opaque ids, and the day (UTC) it was made on."""

    who: str
    program_id: int
    id: int
    issued: int

    def token(self, signer: Signer) -> str:
        return signer.token(PURPOSE, [self.who, self.program_id, self.id, self.issued])


def refer_url(signer: Signer, public_url: str, who: str, program_id: int, id_: int, now: datetime) -> str:
    """The link to the form as a mail of this day has it. `who`: PARTNER or STAFF, with their row's id."""
    return f"{public_url}{PATH}{ReferLink(who, program_id, id_, day_number(now)).token(signer)}"


def read_refer_token(signer: Signer, token: str) -> ReferLink | None:
    """What a token says; None for anything that was not signed here for this purpose."""
    payload = signer.read(PURPOSE, token)
    if payload is None or len(payload) != 4:
        return None
    who, program_id, id_, issued = payload
    return ReferLink(str(who), int(program_id), int(id_), int(issued))


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells of a referral: exactly one of `partner` and `staff`. `expired`: their link takes no more."""

    scope: Scope
    partner: Door | None
    staff: StaffMember | None
    expired: bool


def teller(db: Connection, library: Library, link: ReferLink, now: datetime) -> Teller | None:
    """Whom a link means: of a partner who was merged into another, the survivor. None once they are gone."""
    scope = library.scope(link.program_id)
    if scope is None:
        return None
    expired = day_number(now) - link.issued > DAYS
    if link.who == STAFF:
        member = staff_members(db, [link.id]).get(link.id)
        return Teller(scope, None, member, expired) if member else None
    door = door_of(db, link.id)
    if door is None or door.program_id != link.program_id:
        return None
    return Teller(scope, door, None, expired)
