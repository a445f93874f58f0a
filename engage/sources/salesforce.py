"""Salesforce's outbound messages: who sent one, the rows of its notifications, and the answer it waits for. Pure.

Their shape: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_wsdl.htm
They are not signed. Salesforce says to check the organization's id; that is no secret, so the endpoint's path ends in
one: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_security.htm
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree  # see _message  # nosec B405

from engage.sources.pushing import PushedRow, storable

MOST_NOTIFICATIONS = 1000
"""In one message: Salesforce sends at most 100."""

ACKNOWLEDGEMENT = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)
"""What tells Salesforce that a message need not come again."""

_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_OF_AN_ID = 15  # what follows tells upper from lower case where that is lost


class Stranger(Exception):
    """The message is another organization's."""


def known_secret(secrets: Iterable[str], told: str) -> bool:
    """Whether the last part of a request's path is one of the secrets."""
    # all are compared, and as hashes: how long it takes tells neither which was right nor how long it is
    right = [hmac.compare_digest(_hash(secret), _hash(told)) for secret in secrets]
    return any(right)


def rows(body: bytes, organization: str) -> list[PushedRow]:
    """The notifications of a message of this organization, in their order.

    Raises Stranger, and ValueError that repeats nothing of the message. Of SessionId nothing is read: it would let
    whoever has it act in Salesforce.
    """
    message = _message(body)
    sent_by = (message.findtext(f"{_OUTBOUND}OrganizationId") or "").strip()
    if not hmac.compare_digest(sent_by[:_OF_AN_ID].encode(), organization[:_OF_AN_ID].encode()):
        raise Stranger
    notifications = message.findall(f"{_OUTBOUND}Notification")
    if not 0 < len(notifications) <= MOST_NOTIFICATIONS:
        raise ValueError(f"not between 1 and {MOST_NOTIFICATIONS:,} notifications")
    return [_row(notification) for notification in notifications]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _message(body: bytes) -> ElementTree.Element:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("this is not UTF-8") from None
    # Before it is parsed: entities that stand for others grow without end, and external ones are fetched.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document type has no place in a SOAP message")
    try:
        root = ElementTree.fromstring(text)  # without a document type there are no entities  # nosec B314
    except (ElementTree.ParseError, ValueError):
        raise ValueError("this is not XML") from None
    message = root.find(f"{_SOAP}Body/{_OUTBOUND}notifications")
    if root.tag != f"{_SOAP}Envelope" or message is None:
        raise ValueError("this is not an outbound message")
    return message


def _row(notification: ElementTree.Element) -> PushedRow:
    """The record's own fields, `sObject` (Opportunity) and `Notification`, its id."""
    id_ = (notification.findtext(f"{_OUTBOUND}Id") or "").strip()
    record = notification.find(f"{_OUTBOUND}sObject")
    if not id_ or record is None:
        raise ValueError("a notification without its id or its record")
    values: dict[str, Any] = {_local(field.tag): _value(field) for field in record}
    values |= {"sObject": record.get(_TYPE, "").rpartition(":")[2], "Notification": id_}
    thing = f"{values['sObject']} {values.get('Id') or id_}"[:200]
    return PushedRow(id_[:200], thing, thing, values)


def _value(field: ElementTree.Element) -> str | None:
    return None if field.get(_NIL) in ("true", "1") else storable((field.text or "").strip())


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
