"""A message as composed for one recipient, and what a provider answered."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address of one person or sender."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One email, ready to hand to a provider.

    `id` is the delivery's opaque public id. `headers` are extra headers (List-Unsubscribe and the like).
    `custom_args` carry opaque ids only, never personal data; `category` is the campaign's name; `locale` that of the
    email that it was made from.
    """

    id: str
    sender: Mailbox
    to: Mailbox
    subject: str
    html: str
    text: str
    reply_to: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    custom_args: dict[str, str] = field(default_factory=dict)
    category: str = ""
    locale: str = ""


class Outcome(StrEnum):
    """What is known after a message was handed over."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # proven unsent: refused, DNS, TLS, pool timeout, 429, 503
    DEAD = "dead"  # a permanent 4xx: the message itself is refused
    UNKNOWN = "unknown"  # a timeout, a reset, any other 5xx: it may have been sent


@dataclass(frozen=True, slots=True)
class SendResult:
    """`provider_id` is the provider's own id of the message; `status` the HTTP or SMTP code, if any came.

    `detail` says in one line what happened, without personal data. `retry_at` is when the provider asked to be
    asked again; of an accepted one, before which it wants no other. `auth_failed` says that the provider refused the
    credentials: nothing else will pass either.
    """

    outcome: Outcome
    provider_id: str = ""
    status: int | None = None
    detail: str = ""
    retry_at: datetime | None = None
    auth_failed: bool = False
