"""Which emails are not there in which of their program's locales."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engage.content import Templates
from engage.content.wording import language_of
from engage.domain.campaigns import Campaign, CampaignState, goes_to_staff, texts_of
from engage.domain.journeys import path_of
from engage.domain.programs import Program


@dataclass(frozen=True, slots=True)
class Untranslated:
    """An email that partners of the locales in `missing` read in another language; `campaigns` send it."""

    program: str
    email: str
    missing: tuple[str, ...]
    campaigns: tuple[str, ...]


def untranslated(
    programs: Mapping[str, Program], campaigns: Iterable[Campaign], templates: Templates
) -> list[Untranslated]:
    """By program and email, in order. Neither campaigns that have ended nor mails to colleagues count."""
    senders: dict[tuple[str, str], set[str]] = {}
    for campaign in campaigns:
        for step in path_of(campaign.steps).mails() if campaign.state is not CampaignState.ENDED else ():
            for text in texts_of(step) if not goes_to_staff(campaign, step) else ():
                for email in templates.emails(text, programs[campaign.program].lineage):
                    senders.setdefault((campaign.program, email), set()).add(campaign.name)
    found = []
    for (key, email), names in sorted(senders.items()):
        program = programs[key]
        missing = tuple(one for one in program.locales if not _speaks(templates, email, one, program))
        if missing and email in templates:
            found.append(Untranslated(key, email, missing, tuple(sorted(names))))
    return found


def _speaks(templates: Templates, email: str, locale: str, program: Program) -> bool:
    """Whether a recipient of this locale reads the email in their language."""
    found = templates.find(email, locale, program.locale)
    return found is not None and language_of(found.locale or program.locale) == language_of(locale)
