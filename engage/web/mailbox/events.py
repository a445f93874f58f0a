"""What SendGrid would report of a message, event by event. Pure: the same message and recipe make the same events.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import base64
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from engage.web.mailbox.summary import Summary

Event = dict[str, Any]

_BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile"
_SEEN: Event = {"ip": "192.0.2.10", "useragent": _BROWSER}
_LINK = "https://example.com/portal"

# SendGrid's name, the seconds after the message was taken, and what only this event has
_KINDS: dict[str, tuple[str, int, Event]] = {
    "processed": ("processed", 0, {}),
    "deferred": ("deferred", 1, {"response": "451 4.3.2 try again later", "attempt": "1"}),
    "dropped": ("dropped", 1, {"reason": "Bounced Address", "status": "5.0.0"}),
    "delivered": ("delivered", 2, {"response": "250 2.0.0 OK", "tls": 1, "ip": "192.0.2.1"}),
    "bounce": ("bounce", 2, {"type": "bounce", "reason": "550 5.1.1 no such mailbox", "status": "5.1.1"}),
    "blocked": ("bounce", 2, {"type": "blocked", "reason": "452 4.2.2 the mailbox is full", "status": "4.2.2"}),
    "machine_open": ("open", 3, _SEEN | {"sg_machine_open": True}),
    "scanner_click": ("click", 3, _SEEN | {"url": _LINK}),  # so soon after delivery that no human made it
    "open": ("open", 60, _SEEN | {"sg_machine_open": False}),
    "click": ("click", 70, _SEEN | {"url": _LINK, "url_offset": {"index": 0, "type": "html"}}),
    "spamreport": ("spamreport", 90, {}),
    "unsubscribe": ("unsubscribe", 90, {}),
    "group_unsubscribe": ("group_unsubscribe", 90, _SEEN | {"url": "https://example.com/leave", "asm_group_id": 101}),
    "group_resubscribe": ("group_resubscribe", 95, _SEEN | {"url": "https://example.com/stay", "asm_group_id": 101}),
}


def _kind(said: str) -> str:
    if said not in _KINDS:
        raise ValueError(f"there is no event '{said}'; there are {', '.join(_KINDS)}")
    return said


class Planned(BaseModel):
    """One event that a share of the messages meets; `fields` replace or add to what it would say."""

    model_config = ConfigDict(extra="forbid")

    event: Annotated[str, AfterValidator(_kind)]
    share: Annotated[float, Field(gt=0, le=1)] = 1
    fields: Event = {}


Plan = list[Annotated[Planned, BeforeValidator(lambda said: {"event": said} if isinstance(said, str) else said)]]


def events_of(messages: Iterable[Summary], plan: Sequence[Planned], seed: int = 0) -> Iterator[Event]:
    """The events of each message, to each of its recipients, in the order of the plan."""
    chance = random.Random(seed)
    for message in messages:
        for number, address in enumerate(message.to.split(", ")):
            for planned in plan:
                if planned.share == 1 or chance.random() < planned.share:
                    yield _event(message, number, address, planned)


def _event(message: Summary, number: int, address: str, planned: Planned) -> Event:
    name, after, more = _KINDS[planned.event]
    taken = int(datetime.fromisoformat(message.received_at).timestamp())
    event: Event = {
        "email": address,
        "timestamp": taken + after,
        "smtp-id": f"<{message.id}@mailbox.invalid>",
        "event": name,
        "sg_event_id": event_id(f"{message.id} {number} {planned.event}"),
        "sg_message_id": message_id_to(message, number),
    }
    if message.campaign:
        event["category"] = [message.campaign]
    # SendGrid lays custom arguments beside its own fields, which win
    return {**message.custom_args, **event, **more, **planned.fields}


def message_id_to(message: Summary, number: int) -> str:
    """What SendGrid calls a message to one of its recipients: the id that it answered, and where it handled it."""
    return f"{message.id}.recvd-mailbox-1.{number}"


def event_id(of: str) -> str:
    """What SendGrid calls an event: opaque, and the same for the same text."""
    return base64.urlsafe_b64encode(random.Random(of).randbytes(16)).decode().rstrip("=")
