"""What mails and pages say besides the texts of emails: what of it nobody has translated, and translations of nothing.

A text of layouts, blocks, contexts and pages is English; one of program.yaml and of campaigns is in the program's
language.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from engage.authoring.words import texts_replaced
from engage.content import Templates
from engage.content.wording import METRIC_WORDS, language_of
from engage.content.words import SOURCE_LANGUAGE, Translation
from engage.domain.campaigns import AskStep, Campaign, CampaignKey, CampaignState
from engage.domain.errors import Problem
from engage.domain.journeys import every_step
from engage.domain.programs import Program
from engage.pipeline.sayings import IN_MAILS, ON_PAGES

_ALIKE = 0.85
"""From how much likeness on one text is probably meant to be another."""
_LOOK = "engage translations shows those that are not translated"


@dataclass(frozen=True, slots=True)
class Unworded:
    """A text that partners of the locales in `missing` read in another language."""

    program: str
    text: str
    missing: tuple[str, ...]


def unworded(
    programs: Mapping[str, Program], campaigns: Mapping[CampaignKey, Campaign], templates: Templates
) -> list[Unworded]:
    """By program, in the order of the alphabet. Campaigns that have ended do not count."""
    found = []
    for program in programs.values():
        going = [c for c in campaigns.values() if c.program == program.key and c.state is not CampaignState.ENDED]
        texts = dict.fromkeys(_of_frame(templates), SOURCE_LANGUAGE)
        texts |= dict.fromkeys(_of(program, going), language_of(program.locale))
        texts = {program.words.get(text, text): language for text, language in texts.items()}
        lacking = {
            locale: set(templates.lexicon.lacking(locale, (t for t in texts if texts[t] != language_of(locale))))
            for locale in program.locales
        }
        for text in sorted(set().union(*lacking.values())):
            missing = tuple(locale for locale, those in lacking.items() if text in those)
            found.append(Unworded(program.key, text, missing))
    return found


def misspelt(
    programs: Mapping[str, Program],
    campaigns: Mapping[CampaignKey, Campaign],
    templates: Templates,
    program_sources: Mapping[str, str],
) -> list[Problem]:
    """Texts on the left that nothing says: of a program's own words each, of a translation one that is much like a text
    which is said and has none. That is misspelt, or it is what the text was before somebody changed it.

    `program_sources` are the files of programs by path, program.yaml first.
    """
    if not templates.says:  # no frame could be read, and that is reported
        return []
    plain = _plain(programs, campaigns, templates)
    return [
        Problem(key.file, key.line, key.column, f"nothing says '{key.text}'", _meant(key.text, plain) or _LOOK)
        for key in texts_replaced(program_sources)
        if key.text not in plain
    ] + [
        Problem(one.file, one.line, one.column, f"nothing says '{one.text}'", meant)
        for one, meant in _of_nothing(programs, campaigns, templates)
        if meant
    ]


def left_over(
    programs: Mapping[str, Program], campaigns: Mapping[CampaignKey, Campaign], templates: Templates
) -> Iterator[Problem]:
    """A hint for each file of words with translations of what nothing says any more: they do no harm."""
    over: dict[str, list[Translation]] = {}
    for one, meant in _of_nothing(programs, campaigns, templates) if templates.says else ():
        if not meant:
            over.setdefault(one.file, []).append(one)
    for file, those in over.items():
        many = f"{len(those)} texts stand" if len(those) > 1 else "1 text stands"
        message = f"{many} here that nothing says, such as '{those[0].text}'"
        yield Problem(file, those[0].line, those[0].column, message, "take out what is of no use any more")


def _of_nothing(
    programs: Mapping[str, Program], campaigns: Mapping[CampaignKey, Campaign], templates: Templates
) -> Iterator[tuple[Translation, str]]:
    """Each translation of a text that nothing says, with the hint at one that is said and has none."""
    said = _plain(programs, campaigns, templates)
    said |= set(chain.from_iterable(program.words.values() for program in programs.values()))
    for entries in templates.lexicon.files.values():
        missing = said - {one.text for one in entries}
        for one in entries:
            if one.text not in said:
                yield one, _meant(one.text, missing)


def _meant(text: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(text, known, n=1, cutoff=_ALIKE)
    return f"did you mean '{near[0]}'?" if near else ""


def _plain(
    programs: Mapping[str, Program], campaigns: Mapping[CampaignKey, Campaign], templates: Templates
) -> set[str]:
    """Everything that is said, before programs say it in other words."""
    own = (_of(program, campaigns.values()) for program in programs.values())
    return {*_of_frame(templates), *chain.from_iterable(own)}


def _of_frame(templates: Templates) -> Iterator[str]:
    """What no author of campaigns has written."""
    yield from templates.says
    yield from IN_MAILS
    yield from ON_PAGES
    yield from chain.from_iterable(METRIC_WORDS.values())


def _of(program: Program, campaigns: Iterable[Campaign]) -> Iterator[str]:
    """What a program's file and campaigns say to partners."""
    for status in program.ladder:
        yield from filter(None, (status.label, status.next))
    for tier in program.tiers.steps if program.tiers else ():
        yield from (tier.label, tier.benefit)
    for topic in program.topics.values():
        yield from filter(None, (topic.label, topic.description, topic.frequency))
    for campaign in campaigns:
        for step in every_step(campaign.steps):
            yield from (answer.label for answer in step.answers) if isinstance(step, AskStep) else ()
        if campaign.promotion is not None and campaign.promotion.paid_when:
            yield campaign.promotion.paid_when
