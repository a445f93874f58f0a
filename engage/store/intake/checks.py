"""What is wrong with a record in itself, and its clean form. Knows the program, not the database."""

import math
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import fields
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from email_validator import EmailNotValidError, validate_email

from engage.domain.conditions import Scalar
from engage.domain.programs import METHODS, PARTNER_STATUSES, Program
from engage.domain.records import (
    ALIAS_KINDS,
    AliasRecord,
    CompanyRecord,
    HelpRecord,
    LoginRecord,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
)

MAX_KEY = 200
"""Characters of an external id: PostgreSQL cannot index long ones, and no source has them."""

_MAX_AMOUNT = 10**15
"""In minor units. Facts add amounts up, in integers of 64 bits: thousands of the largest must fit."""
_KEYS = frozenset(
    (
        *("external_id", "of", "parent", "contact", "manager", "company", "owner", "recruited_by"),
        *("partner", "salesperson", "referral", "by"),
    )
)
_NAMES = {
    AliasRecord: "alias",
    CompanyRecord: "company",
    StaffRecord: "staff",
    PartnerRecord: "partner",
    ReferralRecord: "referral",
    RewardRecord: "reward",
    LoginRecord: "login",
    HelpRecord: "help",
}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _NAMES}

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Refused(Exception):
    """A row cannot be taken; the text says why, in plain words. `field`: in which of a record's, if in one."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


def clean(record: AnyRecord, program: Program) -> AnyRecord:
    """The record with its values in their one form: texts without blanks around, empty ones as None. Raises Refused."""
    values = {name: getattr(record, name) for name in _FIELDS[type(record)]}
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = _clean(name, value)
    if "external_id" in values and values["external_id"] is None:
        raise Refused(f"{_NAMES[type(record)]} has no external id", "external_id")
    if isinstance(record, RewardRecord | LoginRecord) and values["partner"] is None:
        raise Refused("partner is missing", "partner")
    match record:
        case AliasRecord():
            _one_of(values, "kind", ALIAS_KINDS, "a kind that has aliases")
            if values["kind"] is None or values["of"] is None:
                raise Refused("alias does not say of whom: give kind and of")
            if values["of"] == values["external_id"]:
                raise Refused(f"'{values['of']}' cannot be an alias of itself")
        case PartnerRecord():
            _check(values, "email", normal_email)
            _check(values, "zone", _zone)
            _check(values, "locale", _locale)
            _one_of(values, "status", PARTNER_STATUSES, "a partner's status")
        case HelpRecord():
            for name in ("referral", "ask"):
                if values[name] is None:
                    raise Refused(f"{name} is missing", name)
        case StaffRecord():
            _check(values, "email", normal_email)
        case ReferralRecord():
            _one_of(values, "method", METHODS, "a referral method")
            ladder = [status.key for status in program.ladder]
            _one_of(values, "status", ladder, f"on the ladder of program '{program.key}'")
        case _:
            pass
    if isinstance(record, CompanyRecord | PartnerRecord):
        values["attributes"] = _attributes(values["attributes"])
    if isinstance(record, ReferralRecord | RewardRecord) and abs(values["amount"] or 0) > _MAX_AMOUNT:
        raise Refused("amount is too large: more than 1,000,000,000,000,000 minor units, such as cents", "amount")
    return type(record)(**values)


@lru_cache(maxsize=4096)
def normal_email(text: str) -> str:
    """The address with its domain in lower case; raises ValueError with what is wrong."""
    try:
        # as strict as providers are: what they would refuse each time is better refused once
        return validate_email(
            text, check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        ).normalized
    except EmailNotValidError as error:
        raise ValueError(f"email '{text}' is not valid: {error}") from None


@lru_cache(maxsize=1024)
def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"zone '{text}' is not an IANA zone such as Europe/Berlin") from None
    return text


@lru_cache(maxsize=1024)
def _locale(text: str) -> str:
    try:
        return str(Locale.parse(text.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"locale '{text}' is not known; write one such as en or de_AT") from None


def _clean(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if "\0" in text or not (text.isascii() or _encodable(text)):
        raise Refused(f"{name.replace('_', ' ')} holds a character that cannot be stored", name)
    if name in _KEYS and not text.isprintable() and any(unicodedata.category(c) == "Cc" for c in text):
        raise Refused(f"{name.replace('_', ' ')} holds a character that cannot be shown: {text[:MAX_KEY]!r}", name)
    if name in _KEYS and len(text) > MAX_KEY:
        raise Refused(f"{name.replace('_', ' ')} is longer than {MAX_KEY} characters", name)
    return text or None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a pair of surrogates, as broken JSON has them
        return False
    return True


def _check(values: dict[str, Any], name: str, normal: Callable[[str], str]) -> None:
    if values[name] is not None:
        try:
            values[name] = normal(values[name])
        except ValueError as error:
            raise Refused(str(error), name) from None


def _one_of(values: dict[str, Any], name: str, known: Iterable[str], what: str) -> None:
    if values[name] is not None and values[name] not in known:
        raise Refused(f"{name} '{values[name]}' is not {what}; known are {', '.join(known)}", name)


def _attributes(attributes: dict[str, Scalar]) -> dict[str, Scalar]:
    """The attributes as JSON can hold them: numbers are ints or floats."""
    plain: dict[str, Scalar] = {}
    for name, value in attributes.items():
        if len(name) > MAX_KEY or "\0" in name or not _encodable(name):
            raise Refused("attributes have a name that cannot be stored", "attributes")
        kept = _clean(name, value)
        if isinstance(kept, Decimal):
            kept = int(kept) if kept == kept.to_integral_value() and abs(kept) < 2**53 else float(kept)
        if isinstance(kept, int | float) and not math.isfinite(float(kept)):
            raise Refused(f"{name} is too large to be stored", "attributes")
        if kept is not None:
            plain[name] = kept
    return plain
