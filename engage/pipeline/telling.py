"""Which emails tell which success story, and whether they may.

A story that may not be told is a mistake of every email that names it. Whatever lint was told, no mail ever shows one
on a day on which partner and customer do not both agree, or that nobody has approved: then `story` is empty.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engage.authoring.reader import did_you_mean
from engage.content import Templates
from engage.content.library import month_of_edition
from engage.domain.errors import Problem
from engage.domain.programs import Program


def story_problems(templates: Templates, today: date | None) -> Iterator[Problem]:
    """What is wrong with the stories that emails name, at the line where they do.

    An edition is asked about the first day of its month, and not at all once that is over. `today` None: an old consent
    is no mistake, for it was none when the email was written.
    """
    for template in templates:
        if not template.story:
            continue
        story = templates.stories.get(template.story)
        if story is None:
            hint = (
                f"write email_templates/stories/{template.story}.md; {did_you_mean(template.story, templates.stories)}"
            )
            yield template.of_story(f"there is no story '{template.story}'", hint)
            continue
        month = month_of_edition(template.name)
        if month and today and today >= (month + timedelta(days=31)).replace(day=1):
            continue
        for why in story.lacks(max(today, month or today) if today else None):
            hint = f"ask them, and write it in email_templates/{story.path}; or take the story out"
            yield template.of_story(f"the story '{story.name}' may not be told: {why}", hint)


def story_context(
    templates: Templates, name: str, program: Program, locale: str, now: datetime
) -> Mapping[str, Any] | None:
    """`story` as an email in this locale can tell it now; None if it may not."""
    story = templates.stories.get(name)
    if story is None or story.lacks(now.astimezone(ZoneInfo(program.zone)).date()):
        return None
    return story.context(locale)


@dataclass(frozen=True, slots=True)
class StoryState:
    """A story as it stands on a day. `days_left`: until the first consent ends; None without both. `emails` tell it."""

    name: str
    title: str
    partner: str
    customer: str
    lacks: tuple[str, ...]
    until: date | None
    days_left: int | None
    emails: tuple[str, ...]


def story_states(templates: Templates, today: date) -> list[StoryState]:
    """Every story by name."""
    found = []
    for name, story in sorted(templates.stories.items()):
        left = (story.until - today).days if story.until else None
        emails = tuple(sorted({one.name for one in templates if one.story == name}))
        title = story.told[""].title
        lacks = story.lacks(today)
        found.append(StoryState(name, title, story.partner_name, story.customer, lacks, story.until, left, emails))
    return found
