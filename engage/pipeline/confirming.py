"""Confirming an address once in a browser: six digits mailed to the partner, typed in the browser that asked for them.

Whoever was forwarded a mail has its link, and neither the partner's mailbox nor their browser: rewards stay unseen.
A code is good for 15 minutes and 5 tries, and a partner is mailed few of them. It follows from the public id
of its confirmation and the secret key, and is stored nowhere.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.keys import code_key
from engage.pipeline.page_links import Visit, day_number
from engage.signing import Signer
from engage.store.people import lock_recipients
from engage.store.wanted import (
    begin_confirmation,
    finish_confirmation,
    last_open,
    last_wanted,
    next_instant,
    note_wanted,
    take_try,
    times_wanted,
)

PURPOSE = "browser"
DIGITS = 6
GOOD_FOR = timedelta(minutes=15)
TRIES = 5
CODES = ((3, timedelta(hours=1)), (10, timedelta(days=1)))
"""How many codes a partner is mailed in how long at the most, whatever browsers ask."""
KEPT_DAYS = 180
"""For how many days a browser need not confirm the address again."""

_CODE = "code"  # a purpose of its own: nobody is ever handed what is signed for it
_AGAIN = timedelta(seconds=30)
"""Asked again sooner, the same code stands: a button pressed twice is one mail."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the token in a browser's cookie says: whose address it confirmed, which, in which browser, on which day."""

    partner_id: int
    address_id: int
    browser: str
    issued: int

    def token(self, signer: Signer) -> str:
        return signer.token(PURPOSE, [self.partner_id, self.address_id, self.browser, self.issued])

    def holds(self, visit: Visit, browser: str, now: datetime) -> bool:
        """Whether it lets this browser see the visit's rewards: another address voids it, and so does time."""
        fresh = 0 <= day_number(now) - self.issued <= KEPT_DAYS
        mine = (self.partner_id, self.address_id) == (visit.partner.partner_id, visit.partner.address_id)
        return fresh and mine and hmac.compare_digest(self.browser.encode(), browser.encode())


def read_browser_token(signer: Signer, token: str) -> Confirmed | None:
    """What a token says; None for anything that was not signed here for this purpose."""
    payload = signer.read(PURPOSE, token)
    if payload is None or len(payload) != 4:
        return None
    partner_id, address_id, browser, issued = payload
    return Confirmed(int(partner_id), int(address_id), str(browser), int(issued))


class Asked(StrEnum):
    MAILED = "mailed"  # an event says so; a worker mails the code
    TOO_OFTEN = "too often"


def ask_for_code(db: Connection, visit: Visit, browser: str, now: datetime) -> tuple[Asked, list[int]]:
    """Has a code mailed to the partner for this browser (its hash); with the events to be matched.

    Not twice within half a minute: the code that stands is good.
    """
    partner = visit.partner
    if partner.address_id is None:
        return Asked.MAILED, []  # said like this to everybody; there is nobody to mail
    lock_recipients(db, [partner.partner_id], ())
    last = last_open(db, partner.partner_id, partner.address_id, browser, now, TRIES)
    if last is not None and now - last < _AGAIN:
        return Asked.MAILED, []
    kind = EventKind.CODE_WANTED
    if any(times_wanted(db, partner.partner_id, kind, now - length) >= most for most, length in CODES):
        return Asked.TOO_OFTEN, []
    public_id = secrets.token_hex(16)
    at = next_instant(last_wanted(db, partner.partner_id, kind), now)
    begin_confirmation(
        db, partner.program_id, partner.partner_id, partner.address_id, public_id, browser, now, now + GOOD_FOR
    )
    event = note_wanted(db, partner.program_id, partner.partner_id, kind, code_key(public_id), at)
    return Asked.MAILED, [event]


def code_is_open(db: Connection, visit: Visit, browser: str, now: datetime) -> bool:
    """Whether this browser has asked for a code that it may still type."""
    partner = visit.partner
    if partner.address_id is None:
        return False
    return last_open(db, partner.partner_id, partner.address_id, browser, now, TRIES) is not None


class Typed(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    NONE_OPEN = "none open"  # never asked for in this browser, too late, or tried too often


def type_code(db: Connection, signer: Signer, visit: Visit, browser: str, typed: str, now: datetime) -> Typed:
    """Takes one try at the codes that this browser has asked for; spaces and the like are not looked at."""
    partner = visit.partner
    if partner.address_id is None:
        return Typed.NONE_OPEN
    codes = take_try(db, partner.partner_id, partner.address_id, browser, now, TRIES)
    digits = "".join(character for character in typed if character in "0123456789")
    right = [id_ for public_id, id_ in sorted(codes.items()) if _is_code(signer, public_id, digits)]
    if right:
        finish_confirmation(db, right[0], now)
        return Typed.RIGHT
    return Typed.WRONG if code_is_open(db, visit, browser, now) else Typed.NONE_OPEN


def code_for(signer: Signer, confirmation: str) -> str:
    """The six digits of a confirmation, by its public id: those of the key that signs now."""
    signed = hashlib.sha256(signer.token(_CODE, [confirmation]).encode()).digest()
    return f"{int.from_bytes(signed[:8], 'big') % 10**DIGITS:0{DIGITS}}"


def _is_code(signer: Signer, confirmation: str, digits: str) -> bool:
    return hmac.compare_digest(code_for(signer, confirmation).encode(), digits.encode())
