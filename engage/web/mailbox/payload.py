"""The rules of SendGrid's v3 Mail Send, as far as a request can break them before any account is looked at. Pure.

Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors and .../mail-send/limitations.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

LARGEST_REQUEST = 30_000_000  # bytes, attachments included
_MOST_PERSONALIZATIONS = 1000
_MOST_RECIPIENTS = 1000
_MOST_CUSTOM_ARGS = 10_000  # bytes
_MOST_CATEGORIES = 10
_LONGEST_CATEGORY = 255
_OWN_HEADERS = {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
_OWN_HEADERS |= {"to", "from", "subject", "reply-to", "cc", "bcc"}
_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])\Z"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request; `field` as SendGrid names it, empty when it is about the whole."""

    message: str
    field: str = ""

    def as_json(self) -> dict[str, str | None]:
        """As in SendGrid's list of errors."""
        return {"message": self.message, "field": self.field or None, "help": None}


def faults(body: Any) -> list[Fault]:
    """Everything wrong with a decoded request; nothing when SendGrid would take it."""
    if not isinstance(body, dict):
        return [Fault("Bad Request")]
    return [
        *_personalization_faults(body),
        *_sender_faults(body),
        *_subject_faults(body),
        *_content_faults(body),
        *_label_faults(body),
        *_header_faults(body.get("headers"), "headers"),
    ]


def recipients(body: Any) -> list[str]:
    """The addresses that a request is to, as far as it can be read."""
    blocks = body.get("personalizations") if isinstance(body, dict) else None
    people = [
        person
        for block in (blocks if isinstance(blocks, list) else [])
        if isinstance(block, dict) and isinstance(block.get("to"), list)
        for person in block["to"]
    ]
    return [str(person.get("email", "")) for person in people if isinstance(person, dict)]


def _personalization_faults(body: dict[str, Any]) -> Iterator[Fault]:
    blocks = body.get("personalizations")
    if not isinstance(blocks, list) or not blocks:
        yield Fault(
            "The personalizations field is required and must have at least one personalization.", "personalizations"
        )
        return
    if len(blocks) > _MOST_PERSONALIZATIONS:
        yield Fault(f"There is a limit of {_MOST_PERSONALIZATIONS} personalizations per request.", "personalizations")
        return
    recipients = 0
    for index, block in enumerate(blocks):
        field = f"personalizations.{index}"
        if not isinstance(block, dict) or not isinstance(block.get("to"), list) or not block["to"]:
            yield Fault(
                "The to array is required for all personalization objects, and must have at least one email object "
                "with a valid email address.",
                f"{field}.to",
            )
            continue
        seen: set[str] = set()
        for kind in ("to", "cc", "bcc"):
            people = block.get(kind) or []
            recipients += len(people) if isinstance(people, list) else 0
            yield from _recipient_faults(people, f"{field}.{kind}", seen)
        yield from _custom_args_faults(block.get("custom_args"), f"{field}.custom_args")
        yield from _header_faults(block.get("headers"), f"{field}.headers")
    if recipients > _MOST_RECIPIENTS:
        yield Fault(
            f"There is a limit of {_MOST_RECIPIENTS} total recipients (to + cc + bcc) per request.", "personalizations"
        )


def _recipient_faults(people: Any, field: str, seen: set[str]) -> Iterator[Fault]:
    if not isinstance(people, list):
        yield Fault("This must be an array of email objects.", field)
        return
    for index, person in enumerate(people):
        yield from _mailbox_faults(person, f"{field}.{index}")
        email = str(person.get("email", "")).lower() if isinstance(person, dict) else ""
        if email in seen:
            yield Fault(
                "Each email address in the personalization block should be unique between to, cc, and bcc. "
                f"We found the first duplicate instance of [{email}] in the {field} field.",
                field.rpartition(".")[0],
            )
        seen.add(email)


def _mailbox_faults(mailbox: Any, field: str) -> Iterator[Fault]:
    email = mailbox.get("email") if isinstance(mailbox, dict) else None
    if not isinstance(email, str) or not _ADDRESS.match(email):
        yield Fault("Does not contain a valid address.", f"{field}.email")
    elif not isinstance(mailbox.get("name", ""), str):
        yield Fault("The name must be a string.", f"{field}.name")


def _sender_faults(body: dict[str, Any]) -> Iterator[Fault]:
    if not isinstance(body.get("from"), dict) or not body["from"].get("email"):
        yield Fault(
            "The from object must be provided for every email send. It is an object that requires the email "
            "parameter, but may also contain a name parameter.",
            "from.email",
        )
    else:
        yield from _mailbox_faults(body["from"], "from")
    if "reply_to" in body:
        yield from _mailbox_faults(body["reply_to"], "reply_to")


def _subject_faults(body: dict[str, Any]) -> Iterator[Fault]:
    blocks = body.get("personalizations")
    own = [block.get("subject") for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    for subject in (body.get("subject"), *own):
        if subject is not None and not isinstance(subject, str):
            yield Fault("The subject must be a string.", "subject")
            return
    if not body.get("subject") and not body.get("template_id") and not (own and all(own)):
        yield Fault(
            "The subject is required. You can get around this requirement if you use a template with a subject "
            "defined or if every personalization has a subject defined.",
            "subject",
        )


def _content_faults(body: dict[str, Any]) -> Iterator[Fault]:
    content = body.get("content")
    if not isinstance(content, list) or not content:
        if not body.get("template_id"):
            yield Fault(
                "Unless a valid template_id is provided, the content parameter is required. There must be at least "
                "one defined content block.",
                "content",
            )
        return
    kinds: list[str] = []
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        value = part.get("value") if isinstance(part, dict) else None
        if not isinstance(kind, str) or not kind or "\n" in kind:
            yield Fault("The type parameter is required and must be a MIME type.", f"content.{index}.type")
            continue
        if not isinstance(value, str) or not value:
            yield Fault(
                "The content value must be a string at least one character in length.", f"content.{index}.value"
            )
        kinds.append(kind)
    rank = {"text/plain": 0, "text/html": 1}
    order = [rank.get(kind, 2) for kind in kinds]
    if order != sorted(order):
        yield Fault(
            "If present, text/plain must be first, followed by text/html, followed by any other content.", "content"
        )
    if any(kinds.count(kind) > 1 for kind in rank):
        yield Fault("If present, text/plain and text/html may only be provided once.", "content")


def _label_faults(body: dict[str, Any]) -> Iterator[Fault]:
    yield from _custom_args_faults(body.get("custom_args"), "custom_args")
    categories = body.get("categories")
    if categories is None:
        return
    if not isinstance(categories, list) or not all(isinstance(name, str) for name in categories):
        yield Fault("The categories must be an array of strings.", "categories")
        return
    if len(categories) > _MOST_CATEGORIES:
        yield Fault(f"You cannot have more than {_MOST_CATEGORIES} categories per request.", "categories")
    if len(set(categories)) < len(categories):
        yield Fault("Categories must be unique.", "categories")
    for index, name in enumerate(categories):
        if len(name) > _LONGEST_CATEGORY:
            yield Fault(f"A category may have at most {_LONGEST_CATEGORY} characters.", f"categories.{index}")


def _custom_args_faults(args: Any, field: str) -> Iterator[Fault]:
    if args is None:
        return
    if not isinstance(args, dict) or not all(isinstance(value, str) for value in args.values()):
        yield Fault("The values of custom_args must be strings.", field)
    elif len(orjson.dumps(args)) > _MOST_CUSTOM_ARGS:
        yield Fault(f"The custom_args may not exceed {_MOST_CUSTOM_ARGS} bytes.", field)


def _header_faults(headers: Any, field: str) -> Iterator[Fault]:
    if headers is None:
        return
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        yield Fault("The headers must be an object of strings.", field)
        return
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            yield Fault(f"The header {name} may not be given: it is a reserved header.", f"{field}.{name}")
        elif not name.isascii() or any(c in name for c in " \r\n:") or "\n" in value or "\r" in value:
            yield Fault("A header must be one line, and its name ASCII without spaces.", f"{field}.{name}")
