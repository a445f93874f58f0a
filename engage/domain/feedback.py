"""What providers report of a mail, in one vocabulary, and the rules that follow from it. Pure.

Every rule reads a set of events and says the same whatever the order in which they came, and never takes back what it
said of fewer of them: events come late, twice and shuffled.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from engage.domain.consent import SuppressionReason
from engage.domain.deliveries import Reported


class FeedbackKind(StrEnum):
    """The one vocabulary of feedback, whoever the provider is."""

    PROCESSED = "processed"  # the provider is about to hand it to the recipient's server
    DEFERRED = "deferred"  # that server asked to be tried again later
    DELIVERED = "delivered"  # that server took it
    BOUNCED = "bounced"  # that server refused it: for good, or softly
    DROPPED = "dropped"  # the provider did not try
    COMPLAINED = "complained"  # the recipient reported it as spam
    UNSUBSCRIBED = "unsubscribed"  # the recipient wants no mail at all
    GROUP_UNSUBSCRIBED = "group_unsubscribed"  # the recipient left one group of mail
    GROUP_RESUBSCRIBED = "group_resubscribed"  # the recipient came back to it
    OPENED = "opened"
    CLICKED = "clicked"
    UNKNOWN = "unknown"  # a type that engage does not know; kept as it came


REPORTED = {
    FeedbackKind.PROCESSED: Reported.PROCESSED,
    FeedbackKind.DEFERRED: Reported.DEFERRED,
    FeedbackKind.DROPPED: Reported.DROPPED,
    FeedbackKind.DELIVERED: Reported.DELIVERED,
    FeedbackKind.BOUNCED: Reported.BOUNCED,
    FeedbackKind.COMPLAINED: Reported.COMPLAINED,
}
"""What an event of each kind reports of its delivery; the other kinds report what the recipient did."""


@dataclass(frozen=True, slots=True)
class FeedbackEvent:
    """One event as a provider told of it.

    `natural_key` is the same for the same event, whatever id it comes with. `email` is what it names as the address,
    in lower case, or empty. `delivery` is the public id of ours that the event bears, `attempt` the number of the
    attempt, `provider_id` the provider's own id of the message; empty or None where it bears none. `suppresses` is
    what follows for the address at once, `group` the provider's id of the group that was left or joined. `machine`
    says that the event itself shows that no human made it.
    """

    kind: FeedbackKind
    occurred_at: datetime
    natural_key: str
    email: str
    raw: dict[str, Any]
    delivery: str = ""
    attempt: int | None = None
    provider_id: str = ""
    soft: bool = False
    machine: bool = False
    suppresses: SuppressionReason | None = None
    group: int | None = None
    url: str | None = None
    reason: str | None = None


# --- which opens and clicks no human made -----------------------------------------------------------------------------

_NO_HUMAN = re.compile(
    r"bot/|bot;|slackbot|crawler|spider|scanner|safelinks|barracuda|mimecast|proofpoint|skypeuripreview|bingpreview|headless"
    r"|phantomjs|python-requests|python-urllib|python-httpx|aiohttp|go-http-client|java/|okhttp|apache-httpclient|libwww"
    r"|curl/|wget/|node-fetch|axios/|facebookexternalhit|whatsapp/|urlscan|virustotal|trendmicro|trend micro|fireeye"
    r"|cloudmark|sophos|zscaler|symantec|google-safety"
)
"""Agents of mail scanners, link checkers and programs. Not GoogleImageProxy: behind it a human opens."""

_PROXY_OF_ALL = "mozilla/5.0"
"""All that Apple's mail privacy says of itself, which opens every mail, and no browser says no more."""


@lru_cache(maxsize=4096)
def no_human(agent: str) -> bool:
    """Whether somebody who calls themselves so is a program; of who says nothing, nothing is known."""
    agent = agent.strip().lower()
    return agent == _PROXY_OF_ALL or _NO_HUMAN.search(agent) is not None


NEAR_DELIVERY = timedelta(seconds=5)
"""A click so near to the delivery is a scanner's: no human opens, reads and clicks in that time."""

SEVERAL_LINKS = timedelta(seconds=2)
"""Clicks on different links of one mail within this time are a scanner's, which follows them all."""


@dataclass(frozen=True, slots=True)
class Click:
    id: int
    at: datetime
    url: str | None


def machine_clicks(clicks: Iterable[Click], delivered: Sequence[datetime]) -> set[int]:
    """The ids of those clicks on one mail that no human made, by the times at which it was delivered."""
    found: set[int] = set()
    recent: deque[Click] = deque()
    for click in sorted(clicks, key=lambda one: one.at):
        if any(abs(click.at - at) <= NEAR_DELIVERY for at in delivered):
            found.add(click.id)
        while recent and click.at - recent[0].at > SEVERAL_LINKS:
            recent.popleft()
        others = {one.id for one in recent if one.url != click.url}
        if others:
            found |= others | {click.id}
        recent.append(click)
    return found


# --- when soft bounces suppress ---------------------------------------------------------------------------------------

SOFT_BOUNCES = 5
SOFT_BOUNCE_WINDOW = timedelta(days=30)


def review_since(bounces: Iterable[tuple[datetime, object]]) -> datetime | None:
    """When so many different mails had bounced softly within the window for the first time; None if never.

    `bounces` are (when, which mail). What was delivered in between does not count against it: an address that takes
    one mail in two is to be looked at too.
    """
    window: deque[tuple[datetime, object]] = deque()
    mails: Counter[object] = Counter()
    for at, mail in sorted(bounces, key=lambda bounce: bounce[0]):
        window.append((at, mail))
        mails[mail] += 1
        while at - window[0][0] >= SOFT_BOUNCE_WINDOW:
            _, gone = window.popleft()
            mails[gone] -= 1
            if not mails[gone]:
                del mails[gone]
        if len(mails) >= SOFT_BOUNCES:
            return at
    return None


# --- when complaints pause a topic ------------------------------------------------------------------------------------

COMPLAINTS_PER_THOUSAND = 1


def too_many_complaints(complained: int, accepted: int) -> bool:
    """Whether more than 0.1 % of the mails were reported as spam."""
    return complained * 1000 > accepted * COMPLAINTS_PER_THOUSAND
