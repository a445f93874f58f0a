"""What stands against mailing an address or a partner, since when, and how it came: to be read by a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.errors import InputError
from engage.facts import Scope
from engage.store.consent import Change, Place, changes_of, words_said
from engage.store.languages import Language, languages_of
from engage.store.pauses import Pause, pauses_of
from engage.store.people import address_ids, partner_standings, partners_known_as
from engage.store.refusals import standing_refusals
from engage.store.rhythms import Wish, wishes_of
from engage.store.said import Said, said_by


@dataclass(frozen=True, slots=True)
class Shown:
    """`suppressions` by reason, `noted` the topics refused at the address before engage, `refused` the topics that
    each partner (by external id) is not mailed, `agreed` those that each said yes to; all with since when. `rhythms` is
    how often each wants which topic, `languages` what those chose who did, `pauses` the breaks from marketing mail that
    last; `settings` is all that was ever said of these three.
    """

    email: str | None
    suppressions: Mapping[str, datetime]
    noted: Mapping[str, datetime]
    refused: Mapping[str, Mapping[str, datetime]]
    agreed: Mapping[str, Mapping[str, datetime]]
    rhythms: Mapping[str, Sequence[Wish]]
    languages: Mapping[str, Language]
    pauses: Mapping[str, Pause]
    changes: tuple[Change, ...]
    settings: tuple[Said, ...]


def show_consent(db: Connection, scope: Scope, name: str, now: datetime) -> Shown:
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
    said = words_said(db, {id_: Place(scope.program_id, one.address_id) for id_, one in standings.items()})
    wishes = wishes_of(db, list(known.values()))
    spoken, breaks = languages_of(db, list(known.values())), pauses_of(db, list(known.values()))
    partners = sorted(known.items())
    return Shown(
        email=next(iter(ids), None),
        suppressions={reason: one.at for (_, reason, _), one in sorted(noes.items(), key=repr) if reason},
        noted={topic: one.at for (_, _, topic), one in sorted(noes.items(), key=repr) if topic},
        refused={external_id: said[id_].refused if id_ in said else {} for external_id, id_ in partners},
        agreed={external_id: said[id_].agreed if id_ in said else {} for external_id, id_ in partners},
        rhythms={external_id: tuple(wishes.get(id_, {}).values()) for external_id, id_ in partners},
        languages={external_id: spoken[id_] for external_id, id_ in partners if id_ in spoken},
        pauses={external_id: breaks[id_] for external_id, id_ in partners if id_ in breaks and breaks[id_].lasts(now)},
        changes=tuple(changes_of(db, scope.program_id, list(ids.values()), list(known.values()))),
        settings=tuple(said_by(db, list(known.values()))),
    )
