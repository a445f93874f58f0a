"""What a list shows of a message, and where a message has its parts. Pure."""

import html
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

_PREVIEW = 160
_PUBLIC = ("id", "received_at", "to", "subject", "campaign", "headers", "custom_args")
_NOT_SHOWN = re.compile(r"<(style|script|title)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Summary:
    """One message without its body.

    `to` has the addresses joined by ", "; `headers` are as a recipient would see them; `custom_args` are the sender's
    own marks, as webhooks would bring them back.
    """

    id: str
    received_at: str  # ISO 8601, UTC, microseconds
    sender: str
    to: str
    subject: str
    campaign: str
    preview: str
    headers: dict[str, str]
    custom_args: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: dict[str, Any], message_id: str, now: datetime) -> Self:
        """The summary of a request that has passed `payload.faults`."""
        first = body["personalizations"][0]
        people = [person for block in body["personalizations"] for person in block["to"]]
        subject = first.get("subject") or body.get("subject", "")
        headers = {"From": _written(body["from"]), "To": ", ".join(map(_written, people)), "Subject": subject}
        if "reply_to" in body:
            headers["Reply-To"] = _written(body["reply_to"])
        headers |= {**(body.get("headers") or {}), **(first.get("headers") or {})}
        custom_args = {**(body.get("custom_args") or {}), **(first.get("custom_args") or {})}
        return cls(
            id=message_id,
            received_at=now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            sender=body["from"].get("name") or body["from"]["email"],
            to=", ".join(person["email"] for person in people),
            subject=subject,
            campaign=_campaign(body, custom_args),
            preview=_preview(body),
            headers=headers,
            custom_args=custom_args,
        )

    def fields(self) -> dict[str, Any]:
        """Everything, to be kept."""
        return {name: getattr(self, name) for name in self.__slots__}

    def public(self) -> dict[str, Any]:
        """As in /mailbox/messages.json."""
        return {name: getattr(self, name) for name in _PUBLIC}


def part(body: dict[str, Any], kind: str) -> str:
    """The content of MIME type `kind`; empty when there is none."""
    return next((str(content["value"]) for content in body.get("content", []) if content["type"] == kind), "")


def _campaign(body: dict[str, Any], custom_args: dict[str, str]) -> str:
    categories = body.get("categories") or [""]
    return str(categories[0] or custom_args.get("campaign", ""))


def _preview(body: dict[str, Any]) -> str:
    text = part(body, "text/plain")[: 4 * _PREVIEW]
    if not text:
        text = html.unescape(_NOT_SHOWN.sub(" ", part(body, "text/html")[:20_000]))
    return " ".join(text.split())[:_PREVIEW]


def _written(mailbox: dict[str, str]) -> str:
    return f"{mailbox['name']} <{mailbox['email']}>" if mailbox.get("name") else mailbox["email"]
