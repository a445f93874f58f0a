"""The keys of occasions, made of stable ids and ISO dates, in this one place. Rows depend on every format here."""

import re
import uuid
from datetime import UTC, date, datetime

_NAMESPACE = uuid.UUID("6f1c2c4e-3d0b-5d0c-9a43-2f6f0f1f9f10")


_EDITION = "edition:"
_SLOT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def slot_key(local: datetime) -> str:
    """A schedule's slot by its local date and time, never by the instant: `2026-11-02T09:00`."""
    return local.replace(tzinfo=None).isoformat(timespec="minutes")


def local_of(slot: str) -> datetime:
    """The local time, naive, of a `slot_key`."""
    return datetime.fromisoformat(slot)


def slot_of(key: str) -> str | None:
    """The slot by which somebody entered under this key; None where the key does not say."""
    slot = key.partition("|")[0]
    return slot if _SLOT.fullmatch(slot) else None


def month_of(slot: str) -> str:
    """The month of a slot's local date: `2026-12`."""
    return slot[:7]


def edition_key(email: str) -> str:
    """That an edition is not there in time: `edition:newsletter/2026-12`."""
    return f"{_EDITION}{email}"


def edition_of(key: str) -> str:
    """The email of an `edition_key`."""
    return key.removeprefix(_EDITION)


def run_key(slot: str) -> str:
    """The occasion that a slot of a schedule is."""
    return f"slot:{slot}"


def status_key(referral: str, sequence: int) -> str:
    """A status change by its referral and its place in the order of arrival."""
    return f"referral:{referral}:{sequence}"


def reward_key(reward: str, what: str) -> str:
    return f"reward:{reward}:{what}"


def change_key(referral: str, status: str, at: datetime) -> str:
    """A status change as sources tell it: the same referral, status and instant is the same change."""
    return f"change:{referral}:{status}:{_instant(at)}"


def help_key(referral: str, at: datetime) -> str:
    """A request for help with a referral: one an instant."""
    return f"help:{referral}:{_instant(at)}"


def noted_key(referral: str) -> str:
    """A referral that was told of by engage's own form."""
    return f"noted:{referral}"


def login_key(partner: str, at: datetime) -> str:
    return f"{login_prefix(partner)}{_instant(at)}"


def login_prefix(partner: str) -> str:
    """What the keys of all logins of a partner begin with."""
    return f"login:{partner}:"


def registered_key(partner: str) -> str:
    return f"registered:{partner}"


CODE = "code:"
"""What the keys of all codes begin with."""


def code_key(confirmation: str) -> str:
    """A code that is to be mailed, by the public id of the confirmation that it is for."""
    return f"{CODE}{confirmation}"


def link_key(partner: str, at: datetime) -> str:
    """A fresh link that a partner asked for."""
    return f"{link_prefix(partner)}{_instant(at)}"


def link_prefix(partner: str) -> str:
    """What the keys of all links that a partner asked for begin with."""
    return f"link:{partner}:"


FORGOTTEN = "forgotten:"
"""What the external id of a partner begins with who was erased."""


def forgotten_id(digest: str) -> str:
    """The external id that an erased partner has instead of their own, by its keyed hash."""
    return f"{FORGOTTEN}{digest[:24]}"


def is_forgotten(external_id: str) -> bool:
    """Whether the partner with this external id was erased."""
    return external_id.startswith(FORGOTTEN)


def is_to_forgotten(recipient: str) -> bool:
    """Whether a mail with this recipient was to a partner who was erased."""
    return recipient.startswith(f"partner:{FORGOTTEN}")


def episode_key(opened_slot: str) -> str:
    """An episode by the slot that opened it."""
    return f"episode:{opened_slot}"


def tier_key(tier: str, period: str) -> str:
    """A nudge towards a tier, by the tier and the period it is counted in, such as `tier:gold:2026-Q4`."""
    return f"tier:{tier}:{period}"


ONCE = "once"


def key_of(key: str, subject: str, external_id: str) -> str:
    """The key under which a subject other than a partner enters: `2026-11-02T09:00|referral:r-17`."""
    return f"{key}|{subject}:{external_id}"


def day_key(day: date) -> str:
    """A day's updates, by the partner's local date."""
    return f"day:{day.isoformat()}"


def day_of(key: str) -> date:
    """The day of a `day_key`."""
    return date.fromisoformat(key.removeprefix("day:"))


def public_id(*parts: str) -> str:
    """An opaque id that is the same for the same parts on every database: a UUIDv5 in hex."""
    return uuid.uuid5(_NAMESPACE, "\x1f".join(parts)).hex


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
