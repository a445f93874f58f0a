"""SendGrid's formats: a message as the JSON of v3 Mail Send, and what an answer proves. Pure.

Sources: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send and its page of errors.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from engage.domain.gates import UNSAID_WAIT
from engage.domain.messages import Mailbox, Message, Outcome, SendResult
from engage.providers.addresses import wire_address, without_personal_data

# Ours is on: SendGrid's would rewrite the links and put its own unsubscribe line under the program's.
_TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
}

# What a status proves. Every other 4xx refuses the message itself, everything else proves nothing.
_OUTCOMES: dict[int, Outcome] = {
    202: Outcome.ACCEPTED,
    401: Outcome.RETRY,  # the key, not the message
    403: Outcome.RETRY,
    404: Outcome.RETRY,  # nobody there speaks v3: the host is wrong, not the message
    405: Outcome.RETRY,
    407: Outcome.RETRY,
    408: Outcome.RETRY,  # the request did not arrive whole
    425: Outcome.RETRY,
    429: Outcome.RETRY,
    503: Outcome.RETRY,
}
_REFUSED_CREDENTIALS = (401, 403)
_LONGEST_WAIT = timedelta(days=1)  # a wrong header must not park a message for good


def payload(message: Message) -> bytes:
    """The request's body. Raises ValueError when an address or a text has no form that can be sent."""
    body: dict[str, Any] = {
        "from": _mailbox(message.sender),
        "subject": message.subject,
        "personalizations": [{"to": [_mailbox(message.to)]}],
        # text/plain first: SendGrid refuses the other order.
        "content": [
            {"type": kind, "value": value}
            for kind, value in (("text/plain", message.text), ("text/html", message.html))
            if value
        ],
        "tracking_settings": _TRACKING,
    }
    if message.reply_to:
        body["reply_to"] = {"email": wire_address(message.reply_to)}
    if message.headers:
        body["headers"] = message.headers
    if message.custom_args:
        body["custom_args"] = message.custom_args
    if message.category:
        body["categories"] = [message.category]
    try:
        return orjson.dumps(body)  # 5 µs for 20 KB, json 100
    except orjson.JSONEncodeError as error:
        raise ValueError(f"the message has no form in JSON: {error}") from error


def outcome_of(status: int) -> Outcome:
    """What the status of an answer proves about the message."""
    if status in _OUTCOMES:
        return _OUTCOMES[status]
    return Outcome.DEAD if 400 <= status < 500 else Outcome.UNKNOWN


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, message: Message | None = None
) -> SendResult:
    """The result that an answer means. The status alone decides; the body, cut short or not, only explains."""
    outcome = outcome_of(status)
    if outcome is Outcome.ACCEPTED:
        was_last = headers.get("X-RateLimit-Remaining") == "0"
        wait_until = (retry_time(headers, now) or now + UNSAID_WAIT) if was_last else None
        return SendResult(outcome, provider_id=headers.get("X-Message-Id", ""), status=status, retry_at=wait_until)
    said = without_personal_data(_explanation(body), message)
    return SendResult(
        outcome,
        status=status,
        detail=f"{status} {said}".rstrip(),
        retry_at=retry_time(headers, now) if outcome is Outcome.RETRY else None,
        auth_failed=status in _REFUSED_CREDENTIALS,
    )


def retry_time(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the server asked to be asked again, at most a day away: `Retry-After` in seconds or as an HTTP date
    (RFC 9110, 10.2.3), else `X-RateLimit-Reset` in seconds since 1970. None when it said nothing that can be read.
    """
    wanted = _after(headers.get("Retry-After", ""), now) or _instant(headers.get("X-RateLimit-Reset", ""))
    if wanted is None:
        return None
    return min(max(wanted, now), now + _LONGEST_WAIT)


def scopes(body: bytes) -> list[str]:
    """What a key may do, from the answer of GET /v3/scopes; nothing when the answer is not SendGrid's."""
    try:
        return [str(scope) for scope in orjson.loads(body)["scopes"]]
    except (ValueError, LookupError, TypeError):
        return []


def _after(value: str, now: datetime) -> datetime | None:
    if value.isascii() and value.isdigit():
        return now + min(timedelta(seconds=int(value[:9])), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _instant(value: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _mailbox(mailbox: Mailbox) -> dict[str, str]:
    address = {"email": wire_address(mailbox.email)}
    if mailbox.name:
        address["name"] = mailbox.name
    return address


def _explanation(body: bytes) -> str:
    """`field: message` of each of SendGrid's errors; of any other body its beginning."""
    try:
        errors = orjson.loads(body)["errors"]
        return "; ".join(
            f"{error['field']}: {error['message']}" if error.get("field") else str(error["message"]) for error in errors
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return body[:500].decode("utf-8", "replace")
