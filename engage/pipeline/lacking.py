"""Emails that are not there any more and that somebody inside a journey comes to next: they wait until there is one."""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, CampaignState, texts_of
from engage.domain.journeys import Path, path_of
from engage.domain.programs import Program
from engage.facts import Scope
from engage.pipeline.library import Library
from engage.store.journeys import inside


def lacking_next(library: Library, program: Program, path: Path, at: str) -> Iterator[str]:
    """The emails that are not there and that may be sent between the wait `at` and whatever is waited for after it."""
    for step in path.mails_next(at):
        for text in texts_of(step):
            if library.templates.own(text.template, program.lineage) not in library.templates:
                yield text.template


def _goes_on(campaign: Campaign | None) -> bool:
    return campaign is not None and campaign.state in (CampaignState.LIVE, CampaignState.PAUSED)


def lacking_emails(db: Connection, library: Library, scope: Scope) -> Counter[tuple[str, str]]:
    """How many wait before a missing email in each campaign: by (campaign, email)."""
    standing = [one for one in inside(db, scope.program_id) if _goes_on(library.get(scope.program_id, one.campaign))]
    versions = library.versions(db, {one.version_id for one in standing})
    found: Counter[tuple[str, str]] = Counter()
    for one in standing:
        version = versions.get(one.version_id)
        path = path_of(version.steps) if version is not None else None
        if path is not None and one.step in path.nodes:
            for email in set(lacking_next(library, scope.program, path, one.step)):
                found[one.campaign, email] += one.count
    return found
