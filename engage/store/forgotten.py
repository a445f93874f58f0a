"""Who was erased, as keyed hashes: enough to know them again when a source tells of them, and for nothing else."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.consent import SuppressionReason
from engage.domain.keys import forgotten_id
from engage.signing import Signer
from engage.store.consent import lifted, recorded
from engage.store.people import ensure_addresses
from engage.store.tables import consent_changes, forgotten, suppressions
from engage.store.upserts import BATCH, insert_many, one_of

_PURPOSE = "forgotten"
_ADDRESS, _PARTNER = "address", "partner"


def any_forgotten(db: Connection) -> bool:
    """Whether anybody ever was: else nobody need be looked for."""
    return bool(db.execute(sa.select(sa.exists().where(forgotten.c.id.is_not(None)))).scalar())


def pseudonym(signer: Signer, program: str, external_id: str) -> str:
    """The external id that a partner of the program (by its key) has once they are erased."""
    return forgotten_id(_digests(signer, _of_partner(program, external_id))[0])


def known_partners(db: Connection, signer: Signer, program: str, names: Iterable[str]) -> dict[str, str]:
    """Those of these external ids whose partner was erased, each with the one that they have instead."""
    texts = {name: _of_partner(program, name) for name in names}
    return {name: forgotten_id(digest) for name, digest in _known(db, signer, _PARTNER, texts).items()}


def known_addresses(db: Connection, signer: Signer, emails: Iterable[str]) -> set[str]:
    """Those of these (lowercased) addresses that were erased."""
    return set(_known(db, signer, _ADDRESS, {email: _of_address(email) for email in emails}))


def remember(
    db: Connection,
    signer: Signer,
    program: tuple[int, str],
    names: Iterable[str],
    emails: Iterable[str],
    now: datetime,
) -> None:
    """Keeps what it takes to know them again. `program`: its id and key."""
    program_id, key = program
    rows: list[tuple[int | None, str, str]] = [
        (program_id, _PARTNER, _digests(signer, _of_partner(key, name))[0]) for name in names
    ]
    rows += [(None, _ADDRESS, _digests(signer, _of_address(email))[0]) for email in emails]
    named = [{"program_id": id_, "kind": kind, "hash": digest, "forgotten_at": now} for id_, kind, digest in rows]
    insert_many(db, forgotten, named, or_ignore=True)


def forgotten_since(db: Connection, signer: Signer, program: str, external_id: str) -> datetime | None:
    """When the partner with this external id was erased; None if they were not."""
    f = forgotten.c
    digests = _digests(signer, _of_partner(program, external_id))
    found: datetime | None = db.execute(
        sa.select(f.forgotten_at).where(f.kind == _PARTNER, f.hash.in_(digests))
    ).scalar()
    return found


def keep_suppressed(db: Connection, program_id: int, emails: Iterable[str], now: datetime, source: str) -> None:
    """Suppresses these addresses, unless they are already or somebody has lifted just that."""
    ids = ensure_addresses(db, emails)
    if not ids:
        return
    reason, s = SuppressionReason.FORGOTTEN, suppressions.c
    there = set(
        db.execute(
            sa.select(s.address_id).where(one_of(db, s.address_id, list(ids.values())), s.reason == reason)
        ).scalars()
    )
    there |= {address_id for address_id, what in lifted(db, list(ids.values())) if what == reason}
    new = sorted(set(ids.values()) - there)
    insert_many(db, suppressions, [{"address_id": id_, "reason": reason, "created_at": now} for id_ in new])
    how = f"erased: {reason}"
    insert_many(db, consent_changes, [recorded(program_id, id_, None, now, how, source) for id_ in new])


def _known(db: Connection, signer: Signer, kind: str, texts: Mapping[str, str]) -> dict[str, str]:
    """The digest by which each of these is known, by its name."""
    named = {digest: name for name, text in texts.items() for digest in _digests(signer, text)}
    digests, found = sorted(named), dict[str, str]()
    for start in range(0, len(digests), BATCH):
        part = one_of(db, forgotten.c.hash, digests[start : start + BATCH])
        query = sa.select(forgotten.c.hash).where(forgotten.c.kind == kind, part)
        found.update((named[digest], digest) for digest in db.execute(query).scalars())
    return found


def _of_partner(program: str, external_id: str) -> str:
    return f"{_PARTNER}\n{program}\n{external_id}"


def _of_address(email: str) -> str:
    return f"{_ADDRESS}\n{email.lower()}"


def _digests(signer: Signer, text: str) -> tuple[str, ...]:
    return tuple(secret.hex() for secret in signer.secrets(_PURPOSE, text))
