"""What is held of a partner, handed out whole or erased everywhere, and how they are known again afterwards.

Promise: after `forget` no row says who they were: tests/pipeline/test_privacy.py looks into each column of each table.
What counts stays, under a pseudonym, so that reports say the same as before; and a source that tells of them again
brings back neither their name nor their address, and no mail.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import structlog
from sqlalchemy.engine import Connection

from engage.domain.accounts import Actor
from engage.domain.errors import InputError
from engage.domain.keys import is_forgotten
from engage.domain.records import (
    AliasRecord,
    CompanyRecord,
    LoginRecord,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
)
from engage.facts import Scope
from engage.signing import Signer
from engage.store.audit import note
from engage.store.erasing import end_all, erase, going_out
from engage.store.forgotten import (
    any_forgotten,
    forgotten_since,
    keep_suppressed,
    known_addresses,
    known_partners,
    pseudonym,
    remember,
)
from engage.store.holdings import MENTIONING, Whose, of_partner, rows_of, whose
from engage.store.intake import lock_intake
from engage.store.mentions import Words, erase_mentions, mentioning
from engage.store.people import lock_recipients, partners_known_as
from engage.store.refusals import address_key
from engage.store.tables import feedback

log = structlog.get_logger(__name__)

EXPORT_FORMAT = 1
"""Of the JSON that `export` makes; it is raised when a reader would have to change."""


class NobodyKnown(InputError):
    """There is no partner by this name."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` did. `instead` is the external id that is left; `addresses` were erased, `shared` stay, since
    somebody else has them too; `mails` that were due are cancelled, `journeys` are ended.
    """

    instead: str
    addresses: int
    shared: int
    mails: int
    journeys: int

    @property
    def in_words(self) -> str:
        """What was done, in sentences."""
        said = [f"Addresses erased: {self.addresses}; mails cancelled: {self.mails}; journeys ended: {self.journeys}."]
        if self.shared:
            said.append(f"Addresses that somebody else has too, and that stay: {self.shared}.")
        return " ".join(said)


def export_for(db: Connection, scope: Scope, name: str, actor: Actor, now: datetime) -> dict[str, Any]:
    """As `export`, and notes in the audit log who took it."""
    found = export(db, scope, name, now)
    note(db, actor, "partner.export", [f"partner:{found['partner']}"], now, program_id=scope.program_id)
    return found


def export(db: Connection, scope: Scope, name: str, now: datetime) -> dict[str, Any]:
    """All that is held of the partner with this external id, alias or address, as JSON values, by table.

    `mentions` has what speaks of several people and of them. Raises InputError.
    """
    who = _whose(db, scope, name)
    found = {table.name: _written(rows_of(db, table, which)) for table, which in of_partner(who).items()}
    words = Words.of(who.names, who.emails)
    mentions = {table.name: _written(mentioning(db, table, words)) for table in MENTIONING}
    return {
        "format": EXPORT_FORMAT,
        "program": scope.program.key,
        "partner": who.external_id,
        "as_of": _value(now),
        "held": {table: rows for table, rows in sorted(found.items()) if rows},
        "mentions": {table: rows for table, rows in sorted(mentions.items()) if rows},
    }


def forget(db: Connection, scope: Scope, signer: Signer, name: str, actor: Actor, why: str, now: datetime) -> Forgotten:
    """Erases the partner with this external id, alias or address, in the caller's transaction.

    What is due to them is cancelled. Raises InputError, such as while a mail to them is being handed over.
    """
    lock_intake(db, scope.program_id)  # nobody tells of them meanwhile, and no duplicate is merged
    since = forgotten_since(db, signer, scope.program.key, name)
    if since is not None:
        raise InputError(f"'{name}' was forgotten on {since:%Y-%m-%d}", "there is nothing left to erase")
    before = _whose(db, scope, name)
    lock_recipients(db, before.ids, before.address_ids)
    who = whose(db, scope.program_id, before.partner_id)
    if going_out(db, who):
        raise InputError(f"a mail to '{name}' is being handed over", "try again in a minute")
    instead = {one: pseudonym(signer, scope.program.key, one) for one in who.names}
    ended = end_all(db, who, now)
    erase(db, who, instead, now)
    erase_mentions(db, Words.of(who.names, who.emails), of_partner(who)[feedback])
    remember(db, signer, (scope.program_id, scope.program.key), who.names, who.emails, now)
    mine = instead[who.external_id]
    done = Forgotten(mine, len(who.own), len(who.address_ids) - len(who.own), ended.mails, ended.journeys)
    after = {"addresses": done.addresses, "mails_cancelled": done.mails, "journeys_ended": done.journeys}
    note(db, actor, "partner.forget", [f"partner:{mine}"], now, program_id=scope.program_id, after=after, why=why)
    log.info("partner_forgotten", partner=mine, mails=done.mails, journeys=done.journeys)
    return done


def recognized(
    db: Connection, scope: Scope, signer: Signer, rows: Sequence[Sequence[Record]], now: datetime, source: str
) -> Sequence[Sequence[Record]]:
    """The rows as intake may take them: whoever was erased bears their pseudonym and nothing else.

    Addresses that were erased and come back with somebody else are suppressed before they are stored. One statement
    while nobody was ever erased, three otherwise.
    """
    if not any_forgotten(db):
        return rows
    named = {name for row in rows for record in row for name in _partners_in(record)}
    known = known_partners(db, signer, scope.program.key, named)
    if known:
        rows = [[_unnamed(record, known) for record in row] for row in rows]
    emails = {key for row in rows for record in row if (key := _address_in(record))}
    keep_suppressed(db, scope.program_id, known_addresses(db, signer, emails), now, source)
    return rows


def _whose(db: Connection, scope: Scope, name: str) -> Whose:
    found = partners_known_as(db, scope.program_id, name)
    if len(found) > 1:
        names = ", ".join(external_id for external_id, _ in found)
        raise InputError(f"several partners have this address: {names}", "name one of them by their id")
    if not found or is_forgotten(found[0][0]):
        hint = "write the id as the source knows it, or their address"
        raise NobodyKnown(f"no partner of '{scope.program.key}' is known as '{name}'", hint)
    return whose(db, scope.program_id, found[0][1])


def _partners_in(record: Record) -> tuple[str, ...]:
    """The external ids of partners that a record names."""
    match record:
        case PartnerRecord(external_id=name, recruited_by=other):
            names: tuple[str | None, ...] = (name, other)
        case AliasRecord(kind="partner", external_id=name, of=other):
            names = (name, other)
        case ReferralRecord(partner=name) | LoginRecord(partner=name) | RewardRecord(partner=name):
            names = (name,)
        case CompanyRecord(contact=name):
            names = (name,)
        case _:
            names = ()
    return tuple(name for name in names if name is not None)


def _address_in(record: Record) -> str:
    try:
        return address_key(record.email) if isinstance(record, PartnerRecord) and record.email else ""
    except ValueError:  # which intake refuses, and says why
        return ""


def _unnamed(record: Record, known: dict[str, str]) -> Record:
    """The record with pseudonyms for the names, and without what says who an erased partner is."""
    match record:
        case PartnerRecord(external_id=name) if name in known:
            return PartnerRecord(known[name])
        case PartnerRecord(recruited_by=str(name)) if name in known:
            return replace(record, recruited_by=known[name])
        case AliasRecord(kind="partner", external_id=name, of=other):
            return replace(record, external_id=known.get(name, name), of=known.get(other, other))
        case CompanyRecord(contact=str(name)) if name in known:
            return replace(record, contact=None)
        case ReferralRecord(partner=str(name)) if name in known:
            said: dict[str, Any] = dict.fromkeys(
                ("lead_company", "lead_name", "lead_contact", "note", "loss_reason", "involvement")
            )
            return replace(record, partner=known[name], **said)
        case RewardRecord(partner=name) if name in known:
            return replace(record, partner=known[name], label=None)
        case LoginRecord(partner=name) if name in known:
            return replace(record, partner=known[name])
        case _:
            return record


def _written(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _value(value) for name, value in row.items()} for row in rows]


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
