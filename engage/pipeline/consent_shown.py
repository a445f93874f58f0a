"""What stands against mailing an address or a partner, since when, and how it came: to be read by a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.errors import InputError
from engage.facts import Scope
from engage.store.consent import Change, Place, changes_of, refused_topics
from engage.store.people import address_ids, partner_standings, partners_known_as
from engage.store.refusals import standing_refusals


@dataclass(frozen=True, slots=True)
class Shown:
    """`suppressions` by reason, `noted` the topics refused at the address before engage, `refused` the topics that
    each partner (by external id) is not mailed; all with since when.
    """

    email: str | None
    suppressions: Mapping[str, datetime]
    noted: Mapping[str, datetime]
    refused: Mapping[str, Mapping[str, datetime]]
    changes: tuple[Change, ...]


def show_consent(db: Connection, scope: Scope, name: str) -> Shown:
    """`name` is a partner's external id, or an address, whoever has it. Raises InputError for what is not known."""
    known = dict(partners_known_as(db, scope.program_id, name))
    standings = partner_standings(db, list(known.values()))
    email = next((one.email for one in standings.values()), None)
    ids = address_ids(db, [(email or name).lower()])
    if not known and not ids:
        raise InputError(
            f"engage has never heard of '{name}' in programme '{scope.program.key}'",
            "give a partner's external id or an email address",
        )
    noes = standing_refusals(db, scope.program_id, list(ids))
    topics = refused_topics(db, {id_: Place(scope.program_id, one.address_id) for id_, one in standings.items()})
    return Shown(
        email=next(iter(ids), None),
        suppressions={reason: one.at for (_, reason, _), one in sorted(noes.items(), key=repr) if reason},
        noted={topic: one.at for (_, _, topic), one in sorted(noes.items(), key=repr) if topic},
        refused={external_id: topics.get(id_, {}) for external_id, id_ in sorted(known.items())},
        changes=tuple(changes_of(db, scope.program_id, list(ids.values()), list(known.values()))),
    )
