"""Learns which links of partners' mails are clicked, and whether mails are opened.

Promise: a link of ours leads to an address that stood in a mail, kept by its id, and nowhere else. Links that are
signed, a partner's own link and the plain text stay as they are, as does mail to staff. What is seen of a click is kept
in the vocabulary of providers, by the same rules of what no human did.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from sqlalchemy.engine import Connection

from engage.content.hrefs import hrefs, with_hrefs
from engage.content.sandbox import printable
from engage.domain.feedback import NEAR_DELIVERY, FeedbackEvent, FeedbackKind, no_human
from engage.domain.messages import Message
from engage.domain.programs import Program, address_for
from engage.pipeline.absorb import take
from engage.pipeline.compose import SIGNED_PATHS, Composed
from engage.pipeline.library import Library
from engage.signing import Signer
from engage.store.database import Database
from engage.store.deliveries import Claimed
from engage.store.links import Followed, Link, followed_link, keep_links, link_ids, opened_mail

CLICK_PATH, OPEN_PATH = "/c/", "/o/"
"""Where tracked links lead, and the picture of a mail that tells of opens, below the public address."""

_CLICK, _OPEN = "click", "open"
_FOLLOWED = re.compile(r"https?://[!-~]+")
"""Addresses that stand in a header as they are: of any other nothing is learned, but it leads where it leads."""

_KNOWN_AT_ONCE = 20_000
_LONGEST_AGENT = 200


class Tracker:
    """Leads links of composed mails over engage. `public_url` is where engage is reached."""

    def __init__(self, signer: Signer, public_url: str) -> None:
        self._signer = signer
        self._public_url = public_url
        self._ids: dict[Link, int] = {}

    def track(
        self, database: Database, library: Library, composed: Sequence[Composed], now: datetime
    ) -> list[Composed]:
        """The same mails with links and pictures of ours, as their programs wish; new addresses are stored."""
        followed = {one.claimed.id: self._followed(library, one) for one in composed}
        ids = self._ids_of(database, {link for links in followed.values() for link in links}, now)
        return [self._tracked(library, one, {link: ids[link] for link in followed[one.claimed.id]}) for one in composed]

    def _followed(self, library: Library, one: Composed) -> set[Link]:
        """The links of a mail that are led over engage."""
        program = _program_of(library, one.claimed)
        if one.message is None or program is None or not program.tracking.clicks:
            return set()
        kept = tuple(self._public_url + path for path in SIGNED_PATHS)
        own = address_for(program.brand.share_url, one.claimed.recipient.removeprefix("partner:"))
        kept += (own,) if own else ()  # which the partner passes on: who clicks it is somebody else
        found = {url for url in hrefs(one.message.html) if _FOLLOWED.fullmatch(url) and not url.startswith(kept)}
        return {(one.claimed.program_id, url) for url in found}

    def _ids_of(self, database: Database, wanted: Collection[Link], now: datetime) -> dict[Link, int]:
        """Most mails have links that many have: only what is new to this process is looked up, or stored."""
        known = self._ids
        found = {link: known[link] for link in wanted if link in known}
        if missing := [link for link in wanted if link not in found]:
            with database.read() as db:
                found |= link_ids(db, missing)
        if missing := [link for link in missing if link not in found]:
            with database.write() as db:
                found |= keep_links(db, missing, now)
        # replaced as a whole: other threads may be reading
        self._ids = (known if len(known) < _KNOWN_AT_ONCE else {}) | found
        return found

    def _tracked(self, library: Library, one: Composed, ids: dict[Link, int]) -> Composed:
        program = _program_of(library, one.claimed)
        if one.message is None or program is None:
            return one
        message = one.message
        if ids:
            message = replace(message, html=with_hrefs(message.html, lambda url: self._href(one.claimed, url, ids)))
        if program.tracking.opens:
            message = self._with_picture(message, one.claimed)
        return one if message is one.message else replace(one, message=message)

    def _href(self, mail: Claimed, url: str, ids: dict[Link, int]) -> str:
        id_ = ids.get((mail.program_id, url))
        return url if id_ is None else self._public_url + CLICK_PATH + self._signer.token(_CLICK, [id_, mail.id])

    def _with_picture(self, message: Message, mail: Claimed) -> Message:
        """At the end of the mail, where a program that cuts long mails short does not show what was not read."""
        source = self._public_url + OPEN_PATH + self._signer.token(_OPEN, [mail.id])
        picture = f'<img src="{source}" width="1" height="1" alt="" style="display:block;border:0">'
        before, end, after = message.html.rpartition("</body>")
        return replace(message, html=before + picture + end + after if end else message.html + picture)


def _program_of(library: Library, mail: Claimed) -> Program | None:
    """The program whose wish counts; None of mail to staff, of which nothing is learned."""
    scope = library.scope(mail.program_id) if mail.recipient.startswith("partner:") else None
    return scope.program if scope else None


# --- what is seen -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody followed a link of a mail, or let its picture be shown. `by_machine`: the request itself says so."""

    mail: Followed
    at: datetime
    agent: str
    by_machine: bool = False


def read_click(db: Connection, signer: Signer, token: str) -> Followed | None:
    """Where a link leads; None for one that was never made here, or whose mail is no longer known."""
    match signer.read(_CLICK, token):
        case [int(link_id), int(delivery_id)]:
            return followed_link(db, link_id, delivery_id)
    return None


def read_open(db: Connection, signer: Signer, token: str) -> Followed | None:
    """Whose picture it is; None for one that was never made here, or whose mail is no longer known."""
    match signer.read(_OPEN, token):
        case [int(delivery_id)]:
            return opened_mail(db, delivery_id)
    return None


def record(db: Connection, library: Library, seen: Seen, now: datetime) -> None:
    """Keeps what was seen, once; nothing of a program that does not wish to know (any more)."""
    scope = library.scope(seen.mail.program_id)
    tracking = scope.program.tracking if scope else None
    if tracking and (tracking.clicks if seen.mail.url else tracking.opens):
        take(db, library, [_event(seen)], now)


def _event(seen: Seen) -> FeedbackEvent:
    """As a provider would tell of it, without the address it came from: who reads the mail is known."""
    mail, agent = seen.mail, printable(seen.agent).strip()[:_LONGEST_AGENT]
    kind = FeedbackKind.CLICKED if mail.url else FeedbackKind.OPENED
    machine = seen.by_machine or not agent or no_human(agent)
    if kind is FeedbackKind.CLICKED and mail.settled_at is not None:
        machine = machine or abs(seen.at - mail.settled_at) <= NEAR_DELIVERY
    told = [mail.delivery, kind, mail.url, int(seen.at.timestamp()), agent, machine]
    return FeedbackEvent(
        kind=kind,
        occurred_at=seen.at,
        natural_key=hashlib.sha256(orjson.dumps(["engage", *told])).hexdigest(),
        email="",
        raw={"seen_by": "engage", "useragent": agent},
        delivery=mail.delivery,
        machine=machine,
        url=mail.url or None,
    )
