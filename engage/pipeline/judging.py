"""Reads all authored files and judges them together: campaigns against templates and templates against campaigns."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from engage.authoring import Node, load_campaigns, parse_campaign, parse_fact_ref, parse_programs
from engage.authoring.implied import edition_campaign, editions_of, implied_campaigns
from engage.authoring.inheritance import inherited
from engage.authoring.program_files import PROGRAM_FILE, is_program_file
from engage.authoring.reader import did_you_mean
from engage.content import Templates, load_templates
from engage.content.stories import is_story
from engage.domain.campaigns import (
    AskStep,
    Campaign,
    CampaignKey,
    EditionTrigger,
    EventKind,
    EventTrigger,
    GatherTrigger,
    Implied,
    MailStep,
    goes_to_staff,
    texts_of,
)
from engage.domain.conditions import FactRef
from engage.domain.errors import AuthoringError, InputError, Problem
from engage.domain.journeys import path_of
from engage.domain.programs import Program
from engage.pipeline.saying import misspelt
from engage.pipeline.telling import story_problems

_UNJUDGED = "facts cannot be judged"  # without a program.yaml, whose own problem is reported


@dataclass(frozen=True, slots=True)
class Judged:
    """What the folders say. A campaign or email with a problem is in `problems` only.

    `sources` has every file that was read without one, by the path that problems name it by.
    """

    programs: dict[str, Program]
    campaigns: dict[CampaignKey, Campaign]
    templates: Templates
    problems: tuple[Problem, ...]
    sources: dict[str, str]


def judge(
    campaigns_dir: Path, templates_dir: Path, good: Mapping[str, str] | None = None, today: date | None = None
) -> Judged:
    """Reads and judges both folders.

    `good` has, by path, the last version of each file that passed: it stands in for a file that is broken now. Without
    it a broken file is left out. A folder of templates that is not there is one problem. With `today` a story to which
    somebody does not agree any more is a problem of the emails that tell it.
    """
    good = good or {}
    authored = load_campaigns(campaigns_dir)
    problems = set(authored.problems)
    program_path = f"{campaigns_dir.name}/{PROGRAM_FILE}"
    program_sources = authored.program_sources or {path: text for path, text in good.items() if is_program_file(path)}
    programs = authored.programs or _programs(program_sources, program_path)
    _, unfit = inherited(authored.campaigns, programs)
    problems |= set(unfit)
    broken = {problem.file for problem in problems} if authored.programs else set(good)
    campaigns = {key: campaign for key, campaign in authored.campaigns.items() if campaign.path not in broken}
    campaigns |= _stand_ins(broken, good, programs, f"{campaigns_dir.name}/", campaigns)
    campaigns |= inherited(campaigns, programs)[0]
    templates, found = _templates(templates_dir, programs, good)
    problems |= {problem for problem in found if problem.message != _UNJUDGED}
    campaigns |= _implied(programs, program_path) | _of_editions(campaigns, programs)
    if templates_dir.is_dir():
        written = _written(templates, found, f"{templates_dir.name}/")
        problems |= set(_misfits(campaigns.values(), templates, programs, written))
        problems |= set(story_problems(templates, today))  # such an email goes out without its story
    if not problems:  # what stands in a file with problems would count as not said
        problems |= set(misspelt(programs, campaigns, templates, program_sources))
    faulty = {problem.file for problem in problems}
    campaigns, templates = _replace_misfits(campaigns, templates, programs, templates_dir, good)
    files = (campaign for campaign in campaigns.values() if not isinstance(campaign.trigger, Implied))
    sources = {campaign.path: campaign.source for campaign in files if campaign.path not in faulty}
    root = f"{templates_dir.name}/"
    sources |= {root + path: text for path, text in templates.sources.items() if root + path not in faulty}
    sources |= {path: text for path, text in program_sources.items() if path not in faulty}
    programs = {key: _gathering(program, campaigns) for key, program in programs.items()}
    return Judged(programs, campaigns, templates, tuple(sorted(problems)), sources)


def _programs(sources: Mapping[str, str], path: str) -> dict[str, Program]:
    """The programs of the files by path; `path` is that of program.yaml."""
    further = {other: text for other, text in sources.items() if other != path}
    try:
        return parse_programs(sources[path], path, further) if path in sources else {}
    except AuthoringError:  # an older engage judged it good
        return {}


def _stand_ins(
    broken: Iterable[str],
    good: Mapping[str, str],
    programs: Mapping[str, Program],
    root: str,
    there: Mapping[CampaignKey, object],
) -> dict[CampaignKey, Campaign]:
    """The last good versions of broken campaign files, unless another file has taken the name."""
    found: dict[CampaignKey, Campaign] = {}
    for path in sorted(broken):
        if path.startswith(root) and path.endswith(".yaml") and not is_program_file(path) and path in good:
            try:
                campaign = parse_campaign(good[path], path, programs)
            except AuthoringError:
                continue
            if campaign.key not in there:
                found[campaign.key] = campaign
    return found


def _templates(
    directory: Path, programs: Mapping[str, Program], good: Mapping[str, str]
) -> tuple[Templates, tuple[Problem, ...]]:
    parse = _fact_parser(programs)
    root = f"{directory.name}/"
    try:
        templates, problems = load_templates(directory, parse)
        broken = {problem.file for problem in problems}
    except InputError as error:  # no such folder: all of it is broken
        templates, problems = Templates({}, {}), (Problem(directory.name, 1, 1, error.message, error.hint),)
        broken = {path for path in good if path.startswith(root)}
    # Not of stories: an older one may have a consent that has been taken back.
    names = (path.removeprefix(root) for path in broken if path in good)
    older = {name: good[root + name] for name in names if not is_story(name)}
    if older:
        templates, _ = Templates.from_sources({**templates.sources, **older}, parse, root)
    return templates, problems


def _written(templates: Templates, problems: Iterable[Problem], root: str) -> set[str]:
    """The emails that have a file, be it a broken one: what is wrong with it is said there, and not at its campaign."""
    broken = {p.file.removeprefix(root).partition(".")[0] for p in problems if p.file.startswith(root)}
    return broken | {path.removesuffix(".md") for path in templates.sources}


def _implied(programs: Mapping[str, Program], path: str) -> dict[CampaignKey, Campaign]:
    """The daily mails of topics."""
    return {c.key: c for program in programs.values() for c in implied_campaigns(program, path)}


def _of_editions(
    campaigns: Mapping[CampaignKey, Campaign], programs: Mapping[str, Program]
) -> dict[CampaignKey, Campaign]:
    """What tells our marketing of editions that are missing."""
    found = (edition_campaign(campaign, programs[campaign.program]) for campaign in campaigns.values())
    return {c.key: c for c in found if c is not None}


def _gathering(program: Program, campaigns: Mapping[CampaignKey, Campaign]) -> Program:
    """The program without `gather` where its email cannot be sent: then updates go out at once."""
    lacking = {c.topic for c in implied_campaigns(program) if c.key not in campaigns}
    topics = {key: replace(topic, gather=None) if key in lacking else topic for key, topic in program.topics.items()}
    return replace(program, topics=topics) if lacking else program


def _misfits(
    campaigns: Iterable[Campaign],
    templates: Templates,
    programs: Mapping[str, Program],
    written: Collection[str] = (),
) -> list[Problem]:
    """Campaigns that name an email which is not there, unless it is among `written`, and emails that speak of what
    their campaign does not know, or advertise where they may not."""
    problems: list[Problem] = []
    for campaign in campaigns:
        lineage = programs[campaign.program].lineage
        for step in path_of(campaign.steps).mails():
            for text in texts_of(step):
                emails = templates.emails(text, lineage)
                versions = [template for template in templates if template.name in emails]
                if not versions and text.template not in written and not text.edition:
                    message = f"there is no email '{text.template}'"
                    hint = f"write email_templates/{text.template}.md; {did_you_mean(text.template, templates.names)}"
                    problems.append(Problem(campaign.path, text.place.line, text.place.column, message, hint))
                audience = "staff" if goes_to_staff(campaign, step) else "partner"
                also = occasional(campaign, step)
                problems += [p for version in versions for p in version.lint(campaign.subject, audience, also)]
                if audience == "partner" and programs[campaign.program].topics[campaign.topic].transactional:
                    problems += [p for version in versions for p in version.promoting(campaign.name)]
    return problems


def occasional(campaign: Campaign, step: MailStep) -> tuple[str, ...]:
    """What only emails of such a step or campaign know."""
    answers = ("answers",) if isinstance(step, AskStep) else ()
    promotion = ("promotion",) if campaign.promotion is not None else ()
    updates = ("updates",) if isinstance(campaign.trigger, GatherTrigger) else ()
    edition = ("edition",) if isinstance(campaign.trigger, EditionTrigger) else ()
    event = campaign.trigger.event if isinstance(campaign.trigger, EventTrigger) else None
    wanted = ("help",) if event is EventKind.HELP_WANTED else ()
    noted = ("noted",) if event is EventKind.NOTED else ()
    code = ("code",) if event is EventKind.CODE_WANTED else ()
    return (*answers, *promotion, *updates, *edition, *wanted, *noted, *code)


def _replace_misfits(
    campaigns: dict[CampaignKey, Campaign],
    templates: Templates,
    programs: Mapping[str, Program],
    directory: Path,
    good: Mapping[str, str],
) -> tuple[dict[CampaignKey, Campaign], Templates]:
    """Puts the last good version in the place of each file that does not fit the others; without one, leaves it out.

    An email that is gone and that a campaign still sends is there as it was last, too.
    """
    faulty = {problem.file for problem in _misfits(campaigns.values(), templates, programs)}
    if not faulty:
        return campaigns, templates
    root = f"{directory.name}/"
    gone = _gone(campaigns.values(), templates, programs)
    emails = {path.removeprefix(root): text for path, text in good.items() if path.startswith(root)}
    older = {path: text for path, text in emails.items() if root + path in faulty or path.partition(".")[0] in gone}
    templates, _ = Templates.from_sources({**templates.sources, **older}, _fact_parser(programs), root)
    kept = {key: campaign for key, campaign in campaigns.items() if campaign.path not in faulty}
    folder = next((c.path.split("/")[0] for c in campaigns.values()), "")
    kept |= _stand_ins({c.path for c in campaigns.values()} & faulty, good, programs, f"{folder}/", kept)
    kept |= inherited(kept, programs)[0]
    kept |= _of_editions(kept, programs)
    still = {problem.file for problem in _misfits(kept.values(), templates, programs)}
    fit = {
        key: campaign
        for key, campaign in kept.items()
        if campaign.path not in still
        and not any(
            _file_of(templates, root, text.template, programs[campaign.program].lineage) in still
            for step in path_of(campaign.steps).mails()
            for text in texts_of(step)
            if not text.edition
        )
    }
    return fit, templates.without(_broken_editions(fit.values(), templates, programs, root, still))


def _broken_editions(
    campaigns: Iterable[Campaign], templates: Templates, programs: Mapping[str, Program], root: str, broken: set[str]
) -> set[str]:
    """The files of editions that do not fit: they are missing, and the campaign goes on with the others."""
    sent = {
        email
        for campaign in campaigns
        for text in editions_of(campaign)
        for email in templates.emails(text, programs[campaign.program].lineage)
    }
    return {one.path for one in templates if one.name in sent and root + one.path in broken}


def _gone(campaigns: Iterable[Campaign], templates: Templates, programs: Mapping[str, Program]) -> set[str]:
    """The names that emails would have which are sent and are not there."""
    found: set[str] = set()
    for campaign in campaigns:
        lineage = programs[campaign.program].lineage
        texts = (text for step in path_of(campaign.steps).mails() for text in texts_of(step))
        sent = {text.template for text in texts if not text.edition}
        lacking = {name for name in sent if templates.own(name, lineage) not in templates}
        found |= lacking | {f"{key}/{name}" for key in lineage for name in lacking}
    return found


def _file_of(templates: Templates, root: str, name: str, lineage: tuple[str, ...]) -> str:
    found = templates.find(templates.own(name, lineage))
    return root + found.path if found else ""


def _fact_parser(programs: Mapping[str, Program]) -> "_FactParser":
    return _FactParser(tuple(programs.values()))


@dataclass(frozen=True, slots=True)
class _FactParser:
    """Reads a fact in an email's head as the first programme that knows it means it."""

    programs: tuple[Program, ...]

    def __call__(self, node: Node, file: str) -> FactRef:
        refused: AuthoringError | None = None
        for program in self.programs:
            try:
                return parse_fact_ref(node, file, program)
            except AuthoringError as error:
                refused = refused or error
        if refused is None:
            raise AuthoringError.at(file, node.line, node.column, _UNJUDGED, "first mend program.yaml")
        raise refused


def lint_file(path: Path, campaigns_dir: Path, templates_dir: Path, today: date | None = None) -> tuple[Problem, ...]:
    """The problems of one file: as its folder judges it, or, outside the folders, as a campaign of its own."""
    judged = judge(campaigns_dir, templates_dir, today=today)
    resolved = path.resolve()
    for folder in (campaigns_dir, templates_dir):
        if resolved.is_relative_to(folder.resolve()):
            name = f"{folder.name}/{resolved.relative_to(folder.resolve()).as_posix()}"
            return tuple(problem for problem in judged.problems if problem.file == name)
    try:
        campaign = parse_campaign(path.read_text(encoding="utf-8"), str(path), judged.programs)
    except AuthoringError as error:
        return error.problems
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "name a campaign file in UTF-8") from None
    written = _written(judged.templates, judged.problems, f"{templates_dir.name}/")
    return tuple(_misfits([campaign], judged.templates, judged.programs, written))
