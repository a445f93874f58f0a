"""What a mapping says: which files to read, and how one source row becomes records."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engage.domain.facts import Feed
from engage.domain.programs import Program
from engage.domain.records import (
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
from engage.sources.expressions import Row
from engage.sources.values import Field, Value

_NO = frozenset(("", "false"))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record: the fields a mapping may give it, by what they hold, and the feed that it brings news of."""

    make: Callable[..., Record]
    required: tuple[str, ...]
    texts: tuple[str, ...] = ()
    instants: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    truths: tuple[str, ...] = ()
    attributes: bool = False
    feed: Feed | None = None

    @property
    def optional(self) -> tuple[str, ...]:
        named = (*self.texts, *self.instants, *self.amounts, *self.truths)
        return tuple(name for name in named if name not in self.required)


def _status(referral: str, status: str, partner: str | None = None, at: datetime | None = None) -> ReferralRecord:
    return ReferralRecord(referral, partner, status=status, status_at=at)


def _referral(partner: str | None = None, **fields: Any) -> ReferralRecord:
    return ReferralRecord(partner=partner, **fields)


KINDS: dict[str, Kind] = {
    "company": Kind(
        CompanyRecord, ("external_id",), ("external_id", "name", "parent", "contact", "manager"), attributes=True
    ),
    "staff": Kind(StaffRecord, ("external_id",), ("external_id", "name", "email", "role", "region", "manager")),
    "partner": Kind(
        PartnerRecord,
        ("external_id",),
        (
            *("external_id", "email", "first_name", "last_name", "phone", "company", "owner", "recruited_by"),
            *("region", "locale", "zone", "status"),
        ),
        ("joined_at",),
        attributes=True,
    ),
    "referral": Kind(
        _referral,
        ("external_id", "partner"),
        (
            *("external_id", "partner", "lead_company", "lead_name", "lead_contact", "note", "method", "product"),
            *("salesperson", "status", "loss_reason", "involvement"),
        ),
        ("submitted_at", "status_at"),
        ("amount",),
        ("reversal_pending",),
        feed=Feed.REFERRALS,
    ),
    "status": Kind(_status, ("referral", "status"), ("referral", "partner", "status"), ("at",), feed=Feed.REFERRALS),
    "login": Kind(LoginRecord, ("partner", "at"), ("partner",), ("at",), feed=Feed.LOGINS),
    "reward": Kind(
        RewardRecord,
        ("external_id", "partner", "amount"),
        ("external_id", "partner", "referral", "label", "stage"),
        ("expected_at", "earned_at", "due_at", "paid_at", "reversed_at"),
        ("amount",),
        feed=Feed.REWARDS,
    ),
    "help": Kind(HelpRecord, ("referral", "at", "ask"), ("referral", "by", "ask"), ("at",)),
    "alias": Kind(AliasRecord, ("kind", "external_id", "of"), ("kind", "external_id", "of")),
}
"""The records that a mapping may make of a row. A `status` is one change of a referral that other rows describe."""


@dataclass(frozen=True, slots=True)
class RecordMapping:
    """How a row becomes one record. `condition`: the record is made only if its text is not empty and not false."""

    kind: str
    fields: tuple[Field, ...]
    attributes: tuple[Field, ...] = ()
    condition: Value | None = None

    def read(self, row: Row) -> Record | None:
        """The record of this row, or None if its condition does not hold. Raises ValueError with what is wrong."""
        if self.condition is not None and self.condition.read(row).casefold() in _NO:
            return None
        values: dict[str, Any] = {}
        for field in self.fields:
            if (value := field.read(row)) is not None:
                values[field.name] = value
        if self.attributes:
            read = {field.name: field.read(row) for field in self.attributes}
            values["attributes"] = {name: value for name, value in read.items() if value is not None}
        # Intake has better words for what is missing: it knows what else there is.
        return KINDS[self.kind].make(**dict.fromkeys(KINDS[self.kind].required, "") | values)


@dataclass(frozen=True, slots=True)
class NamedColumn:
    """A column that a mapping names, and where it does."""

    name: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class RowMapping:
    """How each row of a file or query becomes records. `columns` are those that it cannot do without."""

    records: tuple[RecordMapping, ...]
    columns: tuple[NamedColumn, ...]

    def read(self, row: Row) -> list[Record]:
        """The records of a row. Raises ValueError with what is wrong."""
        return [record for mapped in self.records if (record := mapped.read(row)) is not None]

    @property
    def feeds(self) -> frozenset[Feed]:
        """The feeds that a live reading of such rows is heard on."""
        feeds = (KINDS[mapped.kind].feed for mapped in self.records)
        return frozenset(feed for feed in feeds if feed is not None)


@dataclass(frozen=True, slots=True)
class FileMapping(RowMapping):
    """One file: `file` is relative to the imported folder. It is CSV, or JSON Lines when it is named so."""

    file: str
    encoding: str
    delimiter: str

    @property
    def json_lines(self) -> bool:
        return self.file.lower().endswith((".jsonl", ".ndjson"))


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """A whole mapping.yaml, for one program. `path` is the file's own, for problems that show up while reading."""

    path: str
    program: Program
    files: tuple[FileMapping, ...]

    @property
    def feeds(self) -> frozenset[Feed]:
        """The feeds that a live import of this mapping is heard on."""
        return frozenset(feed for file in self.files for feed in file.feeds)
