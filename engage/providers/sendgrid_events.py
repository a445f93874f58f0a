"""SendGrid's events in engage's vocabulary. Pure, and proof against whatever stands in a request.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from engage.domain.consent import SuppressionReason
from engage.domain.feedback import FeedbackEvent, FeedbackKind, no_human

NAME = "sendgrid"

KINDS = {
    "processed": FeedbackKind.PROCESSED,
    "deferred": FeedbackKind.DEFERRED,
    "delivered": FeedbackKind.DELIVERED,
    "bounce": FeedbackKind.BOUNCED,
    "dropped": FeedbackKind.DROPPED,
    "spamreport": FeedbackKind.COMPLAINED,
    "unsubscribe": FeedbackKind.UNSUBSCRIBED,
    "group_unsubscribe": FeedbackKind.GROUP_UNSUBSCRIBED,
    "group_resubscribe": FeedbackKind.GROUP_RESUBSCRIBED,
    "open": FeedbackKind.OPENED,
    "click": FeedbackKind.CLICKED,
}
"""SendGrid's name of each type of event; every other is UNKNOWN."""

DROPPED_FOR = {
    "bounced address": SuppressionReason.BOUNCE,
    "spam reporting address": SuppressionReason.COMPLAINT,
    "unsubscribed address": SuppressionReason.STOP_ALL,
    "invalid": SuppressionReason.INVALID,
}
"""What a reason of `dropped` says of the address. The others (content, quota) say nothing of it."""

_SUPPRESSES = {
    FeedbackKind.BOUNCED: SuppressionReason.BOUNCE,
    FeedbackKind.COMPLAINED: SuppressionReason.COMPLAINT,
    FeedbackKind.UNSUBSCRIBED: SuppressionReason.STOP_ALL,
}

_SAME = (
    *("engage_attempt", "event", "timestamp", "url", "reason", "response", "status", "type", "attempt"),
    *("asm_group_id", "useragent", "ip", "sg_machine_open"),
)
"""What tells two events about one mail and address apart. Not `sg_event_id`: a webhook sent again may change it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NESTED = (dict, list)
_DEEPEST = 8  # SendGrid's own events nest once
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what no database takes as text


@dataclass(frozen=True, slots=True)
class Read:
    """The events of one request that could be read, and why the others could not, without personal data."""

    events: tuple[FeedbackEvent, ...]
    problems: tuple[str, ...] = ()


def read_events(body: str) -> Read:
    """The events of one request. Never raises: each that cannot be read is a problem, which says where it stood."""
    try:
        found, clean = _json(body)
    except (ValueError, RecursionError) as error:
        return Read((), (f"the body is no JSON: {type(error).__name__}",))
    if not isinstance(found, list):
        return Read((), ("the body is no list of events",))
    events, problems = [], []
    for index, raw in enumerate(found):
        try:
            events.append(_event(_storable(raw, clean)))
        except ValueError as error:
            problems.append(f"event {index}: {error}")
    return Read(tuple(events), tuple(problems))


def _storable(raw: Any, clean: bool) -> dict[str, Any]:
    """The event as any database can keep it. Raises ValueError for what is no object or nested beyond reason."""
    if not isinstance(raw, dict):
        raise ValueError("is no object")
    for value in raw.values():
        if type(value) in _NESTED and not _shallow(value, _DEEPEST):
            raise ValueError("is nested too deeply")
    return raw if clean else {_cleaned(key): _cleaned(value) for key, value in raw.items()}


def _event(raw: dict[str, Any]) -> FeedbackEvent:
    """Raises ValueError for what is no event. An optional field of the wrong type counts as missing; `raw` keeps it."""
    name = raw.get("event")
    if not isinstance(name, str):
        raise ValueError("has no type")
    occurred_at = _instant(raw.get("timestamp"))
    kind = KINDS.get(name, FeedbackKind.UNKNOWN)
    email, delivery = _text(raw, "email").strip().lower(), _text(raw, "engage_delivery")
    sent_as = _text(raw, "sg_message_id") or _text(raw, "smtp-id")
    group = raw.get("asm_group_id")
    soft = kind is FeedbackKind.BOUNCED and not _for_good(raw)
    return FeedbackEvent(
        kind=kind,
        occurred_at=occurred_at,
        natural_key=_natural_key(delivery or sent_as, email, raw),
        email=email,
        raw=raw,
        delivery=delivery,
        attempt=_number(_text(raw, "engage_attempt")),
        provider_id=_text(raw, "sg_message_id").partition(".")[0],
        soft=soft,
        machine=_of_machine(kind, raw),
        suppresses=None if soft else _suppresses(kind, raw),
        group=group if isinstance(group, int) and not isinstance(group, bool) else None,
        url=_text(raw, "url") or None,
        reason=_text(raw, "reason") or _text(raw, "response") or None,
    )


def _natural_key(mail: str, email: str, raw: dict[str, Any]) -> str:
    told = [mail, email, *map(raw.get, _SAME)]
    try:
        text = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)  # in a tenth of json's time
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        text = json.dumps(told, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()


def _instant(value: Any) -> datetime:
    # above all no bool, which is an int
    if type(value) is not int and type(value) is not float:
        raise ValueError("has no time")
    try:
        return _EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise ValueError("has a time that is none") from None


def _for_good(raw: dict[str, Any]) -> bool:
    """Whether a bounce says that the address takes no mail at all. `blocked` and the like say so of one mail only."""
    kind = _text(raw, "type")
    return kind == "bounce" if kind else _text(raw, "status").startswith("5")


def _suppresses(kind: FeedbackKind, raw: dict[str, Any]) -> SuppressionReason | None:
    if kind is FeedbackKind.DROPPED:
        reason = DROPPED_FOR.get(_text(raw, "reason").strip().lower())
        # of mail that belongs to a group it may be the group that was left, and not everything
        return None if reason is SuppressionReason.STOP_ALL and "asm_group_id" in raw else reason
    return _SUPPRESSES.get(kind)


def _of_machine(kind: FeedbackKind, raw: dict[str, Any]) -> bool:
    if kind is not FeedbackKind.OPENED and kind is not FeedbackKind.CLICKED:
        return False
    return raw.get("sg_machine_open") is True or no_human(_text(raw, "useragent"))


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


# --- JSON that any database can keep ----------------------------------------------------------------------------------


def _json(body: str) -> tuple[Any, bool]:
    """What the body says, and whether every text in it can be kept as it is."""
    try:
        return orjson.loads(body), "\\u0000" not in body
    except ValueError:  # also for half a surrogate or a number without end in one event of many
        return json.loads(body, parse_float=_finite, parse_constant=_finite), False


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _shallow(value: Any, levels: int) -> bool:
    if type(value) not in _NESTED:
        return True
    inner = value.values() if type(value) is dict else value
    return levels > 0 and all(type(one) not in _NESTED or _shallow(one, levels - 1) for one in inner)


def _cleaned(value: Any) -> Any:
    """The same with a replacement character for each one that is no text."""
    if isinstance(value, str):
        return _NO_TEXT.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(one) for key, one in value.items()}
    return [_cleaned(one) for one in value] if isinstance(value, list) else value
