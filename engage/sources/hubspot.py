"""HubSpot's webhooks: whether a request is HubSpot's own, and the rows that its events make. Pure.

Signature v3 is base64(HMAC-SHA256(client secret, method + URI + body + timestamp)), with a timestamp in milliseconds
that is at most five minutes old. Source:
https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
What an event holds:
https://developers.hubspot.com/docs/api-reference/2026-03/webhooks/guide
"""

import base64
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import orjson

from engage.sources.pushing import PushedRow, storable
from engage.sources.querying import row_hash

SIGNATURE_HEADER = "x-hubspot-signature-v3"
TIMESTAMP_HEADER = "x-hubspot-request-timestamp"

MAX_AGE = timedelta(minutes=5)
"""How far from now a request's timestamp may lie: older ones HubSpot says to refuse, later ones nobody sends."""

MOST_EVENTS = 1000
"""In one request: HubSpot sends at most 100."""

COLUMNS = (
    *("eventId", "subscriptionId", "portalId", "appId", "occurredAt", "subscriptionType", "objectId", "objectTypeId"),
    *("propertyName", "propertyValue", "changeSource", "sourceId", "changeFlag", "isSensitive"),
    *("primaryObjectId", "mergedObjectIds", "newObjectId", "numberOfPropertiesMoved"),
    *("associationType", "fromObjectId", "toObjectId", "associationRemoved", "isPrimaryAssociation"),
)
"""What HubSpot's documentation says that events may have. A mapping may name each, also where an event has it not."""

_OBJECTS = {"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-7": "product", "0-8": "line_item"}
_ATTEMPT = "attemptNumber"
_DECODED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""The encoded characters that HubSpot signs as what they stand for: no others."""


def recent(timestamp: str, now: datetime) -> bool:
    """Whether a request's timestamp is of these minutes."""
    if not re.fullmatch(r"[0-9]{1,15}", timestamp):
        return False
    return abs(int(timestamp) - now.timestamp() * 1000) <= MAX_AGE / timedelta(milliseconds=1)


def sign(secret: str, uri: str, body: bytes, timestamp: str) -> str:
    """The signature of a POST to `uri`, which is the whole address with its query."""
    decoded = _DECODED.sub(lambda found: unquote(found.group()), uri)
    signed = b"POST" + decoded.encode() + body + timestamp.encode()
    return base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()


def genuine(secrets: Iterable[str], uri: str, body: bytes, signature: str, timestamp: str, now: datetime) -> bool:
    """Whether whoever knows one of the secrets has sent this, just now."""
    told = signature.encode("utf-8", "surrogateescape")
    # all are computed: how long it takes does not tell which was right
    right = [hmac.compare_digest(sign(secret, uri, body, timestamp).encode(), told) for secret in secrets]
    return recent(timestamp, now) and any(right)


def rows(body: bytes) -> list[PushedRow]:
    """The events of a request, in the order in which they occurred. Raises ValueError that repeats nothing of it."""
    try:
        events = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ValueError("this is not JSON") from None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ValueError("this is not a list of events")
    if len(events) > MOST_EVENTS:
        raise ValueError(f"more than {MOST_EVENTS:,} events at once")
    try:
        found = [_row(event) for event in events]
    except RecursionError:
        raise ValueError("an event is nested too deep") from None
    return sorted(found, key=lambda row: str(row.values["occurredAt"] or ""))


def _row(event: Mapping[str, Any]) -> PushedRow:
    """The event's own fields; `object` (deal) and `event` (propertyChange), however their names are written; and the
    property that changed, under its own name.
    """
    told = {name: storable(value) for name, value in event.items() if name != _ATTEMPT}
    prefix, _, what = str(told.get("subscriptionType") or told.get("eventType") or "").partition(".")
    type_id = str(told.get("objectTypeId") or "")
    values: dict[str, Any] = dict.fromkeys(COLUMNS) | told
    values["occurredAt"] = _instant(told.get("occurredAt"))
    values |= {"object": _OBJECTS.get(type_id, type_id) if prefix == "object" else prefix, "event": what}
    if values["propertyName"]:
        values.setdefault(str(values["propertyName"]), values["propertyValue"])
    thing = f"{values['object']} {values['objectId']}"[:100]
    return PushedRow(row_hash(told), thing, f"{thing} {values['propertyName'] or what}"[:200], values)


def _instant(told: Any) -> Any:
    """Milliseconds since 1970 as a mapping reads instants; anything else as it is."""
    if not isinstance(told, int) or isinstance(told, bool):
        return told
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=told)).isoformat(timespec="milliseconds")
    except OverflowError:
        return told
