"""The library: the programmes, campaigns and templates that run, with the ids under which the store knows them."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy.engine import Connection

from engage.authoring import parse_version
from engage.content import Templates
from engage.domain.campaigns import Campaign, CampaignState, EditionTrigger, EventTrigger, ScheduleTrigger
from engage.domain.errors import AuthoringError, InputError, Problem
from engage.domain.programs import Program
from engage.facts import Scope
from engage.store.programs import sources_of_versions

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Library:
    """One consistent reading of all authored files. `problems` are those of newer files that did not pass lint."""

    programs: dict[str, Program]
    program_ids: dict[str, int]
    campaigns: dict[tuple[str, str], Campaign]
    version_ids: dict[tuple[str, str], int]
    templates: Templates
    problems: tuple[Problem, ...] = ()
    _older: dict[int, Campaign | None] = field(default_factory=dict, compare=False)

    def with_paused(self, keys: Collection[tuple[int, str]]) -> "Library":
        """This reading, with those of these (program id, campaign) that are live paused."""
        found = (self.get(*key) for key in keys)
        paused = {
            (one.program, one.name): replace(one, state=CampaignState.PAUSED)
            for one in found
            if one is not None and one.state is CampaignState.LIVE
        }
        return replace(self, campaigns=self.campaigns | paused) if paused else self

    def scope(self, program_id: int) -> Scope | None:
        """The programme with this id; None if its file no longer names it."""
        for key, id_ in self.program_ids.items():
            if id_ == program_id:
                return Scope(self.programs[key], program_id)
        return None

    def scopes(self) -> dict[str, Scope]:
        """Each programme by its key."""
        return {key: Scope(program, self.program_ids[key]) for key, program in self.programs.items()}

    def scope_of(self, campaign: Campaign) -> Scope:
        return Scope(self.programs[campaign.program], self.program_ids[campaign.program])

    def version_of(self, campaign: Campaign) -> int:
        return self.version_ids[campaign.program, campaign.name]

    def version_names(self, program: str) -> dict[str, int]:
        """The stored version of each campaign of the programme, by the campaign's name."""
        return {name: id_ for (key, name), id_ in self.version_ids.items() if key == program}

    def versions(self, db: Connection, ids: Collection[int]) -> dict[int, Campaign]:
        """The campaigns as these stored versions say them; one whose steps cannot be read any more is left out."""
        current = {id_: self.campaigns[name] for name, id_ in self.version_ids.items() if id_ in ids}
        unknown = set(ids) - current.keys() - self._older.keys()
        for id_, source, path, program in sources_of_versions(db, unknown) if unknown else ():
            try:
                self._older[id_] = parse_version(source, path, self.programs, program)
            except AuthoringError as error:
                log.error("version_unreadable", version=id_, problem=str(error))
                self._older[id_] = None
        older = {id_: self._older.get(id_) for id_ in set(ids) - current.keys()}
        return current | {id_: campaign for id_, campaign in older.items() if campaign is not None}

    def get(self, program_id: int, name: str) -> Campaign | None:
        scope = self.scope(program_id)
        return self.campaigns.get((scope.program.key, name)) if scope else None

    def find(self, name: str) -> Campaign:
        """The campaign with this name in any programme, or in the one of `program/name`.

        An inherited one has to be asked for with its programme. Raises InputError if there is none or several.
        """
        found = [campaign for (program, key), campaign in self.campaigns.items() if name in (key, f"{program}/{key}")]
        having = {campaign.program for campaign in found}
        found = [campaign for campaign in found if not having & {*self.programs[campaign.program].ancestors}]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{campaign.program}/{campaign.name}" for campaign in found)
            raise InputError(f"several programmes have a campaign '{name}'", f"name one of {names}")
        names = ", ".join(sorted({name for _, name in self.campaigns})) or "none"
        broken = "; some files do not pass lint, see: engage lint" if self.problems else ""
        raise InputError(f"there is no campaign '{name}'", f"known are: {names}{broken}")

    def on_events(self, program: str) -> list[Campaign]:
        return [c for (key, _), c in self.campaigns.items() if key == program and isinstance(c.trigger, EventTrigger)]

    def telling_of(self, campaign: Campaign) -> Campaign | None:
        """The campaign that tells our marketing of editions of this one that are missing."""
        others = (c for (key, _), c in self.campaigns.items() if key == campaign.program)
        return next((c for c in others if c.trigger == EditionTrigger(campaign.name)), None)

    def on_schedules(self) -> list[Campaign]:
        return [c for c in self.campaigns.values() if isinstance(c.trigger, ScheduleTrigger)]
