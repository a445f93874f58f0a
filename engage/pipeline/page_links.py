"""The link to a partner's own page: for a partner at an address, for 30 days.

A link outlives neither its days nor the address that it was mailed to: then the page says so, and a fresh one is mailed
to the address that the partner has now.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.facts import Scope
from engage.pipeline.library import Library
from engage.signing import Signer
from engage.store.visitors import Door, door_of

PURPOSE = "page"
PATH = "/p/"
"""Where the links lead, below the public address; the web application serves it."""
DAYS = 30
"""For how many days after the one it was made on a link leads to the page."""

_EPOCH = 719163  # date(1970, 1, 1).toordinal(): tokens count days from there


@dataclass(frozen=True, slots=True)
class PageLink:
    """What the token in the link to a partner's page stands for: opaque ids, and the day (UTC) that it was made on."""

    program_id: int
    partner_id: int
    address_id: int
    issued: int

    def token(self, signer: Signer) -> str:
        return signer.token(PURPOSE, [self.program_id, self.partner_id, self.address_id, self.issued])


def day_number(now: datetime) -> int:
    """The days since 1970 in UTC."""
    return now.date().toordinal() - _EPOCH


def page_url(
    signer: Signer, public_url: str, program_id: int, partner_id: int, address_id: int | None, now: datetime
) -> str | None:
    """The link to a partner's page as a mail of this day has it; None for a partner without an address."""
    if address_id is None:
        return None
    link = PageLink(program_id, partner_id, address_id, day_number(now))
    return f"{public_url}{PATH}{link.token(signer)}"


def read_page_token(signer: Signer, token: str) -> PageLink | None:
    """What a token says; None for anything that was not signed here for this purpose."""
    payload = signer.read(PURPOSE, token)
    if payload is None or len(payload) != 4:
        return None
    program_id, partner_id, address_id, issued = payload
    return PageLink(int(program_id), int(partner_id), int(address_id), int(issued))


@dataclass(frozen=True, slots=True)
class Visit:
    """Whose page a link leads to. `expired`: it shows nothing any more, and may be renewed."""

    scope: Scope
    partner: Door
    expired: bool

    @property
    def partner_id(self) -> int:
        return self.partner.partner_id


def visit(db: Connection, library: Library, link: PageLink, now: datetime) -> Visit | None:
    """Whom a link means: of somebody who was merged into another, the survivor. None once they or the program are gone.

    Nothing is said of who made the link: it was read from a token.
    """
    scope, door = library.scope(link.program_id), door_of(db, link.partner_id)
    if scope is None or door is None or door.program_id != link.program_id:
        return None
    old = day_number(now) - link.issued > DAYS
    elsewhere = link.address_id != door.address_id and not door.merged
    return Visit(scope, door, expired=old or elsewhere)
