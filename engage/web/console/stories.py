"""Success stories and newsletter editions: what may be told, for how long, what lacks, and which month is written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Response
from sqlalchemy.engine import Connection

from engage.authoring.implied import editions_of
from engage.content.library import month_of_edition
from engage.content.stories import PARTIES, Story
from engage.domain.accounts import Permission
from engage.domain.campaigns import Campaign, CampaignState, texts_of
from engage.domain.journeys import path_of
from engage.facts import Scope
from engage.pipeline.editions import TOLD_AHEAD, Edition, current_and_next
from engage.pipeline.library import Library
from engage.pipeline.telling import StoryState, story_states
from engage.store.people import partners_known_as
from engage.store.runs import Run, last_run
from engage.web.console.doors import HOME, Allowed, Visit
from engage.web.console.partners import partner_path
from engage.web.console.shell import show

STORIES = f"{HOME}/stories"
EDITIONS = f"{STORIES}/editions"
SOON = timedelta(days=30)
"""A consent that ends within so long is to be asked for again."""

router = APIRouter()

Looking = Annotated[Visit, Depends(Allowed(Permission.SEE_CAMPAIGNS))]


@dataclass(frozen=True, slots=True)
class StoryShown:
    """A story as it stands. `partner_page`: where its partner's page is, "" where there is none to be seen."""

    state: StoryState
    story: Story
    partner_page: str
    locales: tuple[str, ...]

    @property
    def soon(self) -> bool:
        left = self.state.days_left
        return left is not None and left <= SOON.days


@router.get(STORIES, include_in_schema=False)
def stories(visit: Looking) -> Response:
    """Every story that the user's programs tell, those that may not be told first."""
    library, scopes = visit.services.library(), visit.scopes()
    today = _today(visit, scopes)
    told = _emails_of(library, scopes)
    with visit.services.database.read() as db:
        shown = [
            StoryShown(state, story, _page_of(db, visit, scopes, story), tuple(sorted(filter(None, story.told))))
            for state in story_states(library.templates, today)
            if (story := library.templates.stories[state.name])
            if visit.user.program_ids is None or set(state.emails) & told
        ]
    shown.sort(key=lambda one: (not one.state.lacks, not one.soon, one.state.name))
    return show(visit, "stories.html", stories=shown, parties=PARTIES)


def _page_of(db: Connection, visit: Visit, scopes: Mapping[str, Scope], story: Story) -> str:
    if not visit.may(Permission.SEE_PARTNERS):
        return ""
    known = (key for key, scope in scopes.items() if dict(partners_known_as(db, scope.program_id, story.partner)))
    key = next(known, None)
    return partner_path(key, story.partner) if key else ""


def _emails_of(library: Library, scopes: Collection[str]) -> set[str]:
    """Every email that a campaign of these programs sends."""
    found: set[str] = set()
    for (key, _), campaign in library.campaigns.items():
        if key in scopes:
            lineage = library.programs[key].lineage
            for step in path_of(campaign.steps).mails():
                for text in texts_of(step):
                    found.update(library.templates.emails(text, lineage))
    return found


@dataclass(frozen=True, slots=True)
class Written:
    """An edition that is there. `story` is what it tells, if anything; `lacks` why that may not be told then."""

    email: str
    month: date
    locales: tuple[str, ...]
    story: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Newsletter:
    """A campaign with editions: what it sends next, what is written, and what its last run came to."""

    campaign: Campaign
    coming: tuple[Edition, ...]
    late: bool
    written: tuple[Written, ...]
    last_run: Run | None


@router.get(EDITIONS, include_in_schema=False)
def editions(visit: Looking) -> Response:
    """Each campaign that sends another email each month."""
    library, scopes = visit.services.library(), visit.scopes()
    with visit.services.database.read() as db:
        shown = [
            _newsletter(visit, db, library, scopes[key], campaign)
            for (key, _), campaign in sorted(library.campaigns.items())
            if key in scopes and any(editions_of(campaign))
        ]
    return show(visit, "editions.html", newsletters=shown, many=len(scopes) > 1, ahead=TOLD_AHEAD.days)


def _newsletter(visit: Visit, db: Connection, library: Library, scope: Scope, campaign: Campaign) -> Newsletter:
    coming = tuple(current_and_next(library, campaign, visit.now))
    late = any(not one.there and visit.now < one.at <= visit.now + TOLD_AHEAD for one in coming)
    names = dict.fromkeys(
        name for text in editions_of(campaign) for name in library.templates.emails(text, scope.program.lineage)
    )
    written = tuple(_written(library, name) for name in reversed(names))
    live = campaign.state is CampaignState.LIVE
    run = last_run(db, scope.program_id, campaign.name, visit.now)
    return Newsletter(campaign, coming, live and late, written, run)


def _written(library: Library, name: str) -> Written:
    month = month_of_edition(name)
    assert month is not None, "an edition has a month"
    files = [one for one in library.templates if one.name == name]
    told = next((one.story for one in files if one.story), "")
    story = library.templates.stories.get(told)
    lacks = () if not told else story.lacks(month) if story else ("there is no such story",)
    return Written(name, month, tuple(one.locale for one in files if one.locale), told, lacks)


def _today(visit: Visit, scopes: Mapping[str, Scope]) -> date:
    """The day where the user's programs are; of several, the first to see it."""
    zones = {scope.program.zone for scope in scopes.values()} or {"UTC"}
    return max(visit.now.astimezone(ZoneInfo(zone)).date() for zone in zones)
