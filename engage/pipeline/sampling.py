"""Emails with samples in the place of data: the very messages that would go out, with nobody to send them to."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engage.authoring.reader import did_you_mean
from engage.content import Template, Templates
from engage.content.frontmatter import PROGRAM
from engage.content.samples import USUAL, Sample, in_minor_units, load_samples
from engage.content.schema import Audience, names_for
from engage.content.words import Words, placeholders
from engage.domain.campaigns import (
    AskStep,
    Campaign,
    CampaignKey,
    EventTrigger,
    MailStep,
    goes_to_staff,
    texts_of,
)
from engage.domain.conditions import FactRef
from engage.domain.errors import AuthoringError, InputError, Problem
from engage.domain.facts import CATALOGUE, FactType, Subject
from engage.domain.journeys import path_of
from engage.domain.messages import Mailbox, Message
from engage.domain.programs import Program, StatusKind
from engage.pipeline.contexts import ladder, link_context, program_context
from engage.pipeline.judging import judge, occasional
from engage.pipeline.sayings import IN_MAILS
from engage.pipeline.senders import Sender

_WORDED = frozenset(
    ("label", "before_label", "status_label", "greeting_name", "reached", "benefit", "next", "next_benefit")
) | {"period_label", "previous", "tier"}
"""Fields that hold what engage or program.yaml says."""

_ENGAGE = "https://engage.example.com"


@dataclass(frozen=True, slots=True)
class Use:
    """What an email is sent for: the first campaign that sends it, and the step of it."""

    program: Program
    campaign: Campaign
    step: MailStep

    @property
    def audience(self) -> Audience:
        return Audience.STAFF if goes_to_staff(self.campaign, self.step) else Audience.PARTNER

    @property
    def transactional(self) -> bool:
        return self.program.topics[self.campaign.topic].transactional


class Showcase:
    """All emails that some campaign sends, and all samples."""

    def __init__(
        self,
        programs: Mapping[str, Program],
        campaigns: Mapping[CampaignKey, Campaign],
        templates: Templates,
        samples: Mapping[str, Sample],
        problems: Collection[Problem] = (),
    ) -> None:
        self.samples = dict(samples)
        self._templates = templates
        self._problems = problems
        self._uses = _uses(programs, campaigns, templates)

    @classmethod
    def load(cls, campaigns_dir: Path, templates_dir: Path) -> "Showcase":
        """Reads the folders; files with problems are left out. Raises AuthoringError or InputError for the samples,
        and where no program can be read."""
        judged = judge(campaigns_dir, templates_dir)
        if not judged.programs:
            raise AuthoringError(judged.problems)
        return cls(judged.programs, judged.campaigns, judged.templates, load_samples(templates_dir), judged.problems)

    @property
    def emails(self) -> list[Template]:
        """Every email in every locale, in order."""
        sent = [one for one in self._templates if one.name in self._uses]
        return sorted(sent, key=lambda one: (one.name, one.locale))

    def use(self, email: str) -> Use:
        """What the email is sent for. Raises InputError if there is no such email, or no campaign sends it."""
        if mistakes := tuple(one for one in self._problems if _stem(one.file).partition("/")[2] == email):
            raise AuthoringError(mistakes)
        if email not in self._templates:
            raise InputError(f"there is no email '{email}'", did_you_mean(email, self._templates.names))
        if email not in self._uses:
            raise InputError(f"no campaign sends the email '{email}'", "name it in a step: engage lint says if it fits")
        return self._uses[email]

    def sample(self, name: str) -> Sample:
        if name not in self.samples:
            raise InputError(f"there is no sample '{name}'", did_you_mean(name, self.samples))
        return self.samples[name]

    def message(self, email: str, sample: str = USUAL, locale: str = "") -> Message:
        """The email as its campaign would send it to somebody like the sample. Raises InputError and RenderError."""
        use, values = self.use(email), self.sample(sample)
        program = use.program
        template = self._templates.get(email, locale, program.locale)
        words = self._templates.words_of(template, locale, program)
        context = _context(use, template, values, words)
        context["locale"] = template.locale_for(locale or program.locale, program.locale)
        if sample == USUAL and (story := self._templates.stories.get(template.story)):
            context["story"] = story.context(context["locale"])
        rendered = template.render(context, words=words)
        reader = context["staff"] if use.audience is Audience.STAFF else context["partner"]
        unsubscribe = context["links"]["unsubscribe"]
        headers = {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        return Message(
            id=f"{email}-{template.locale or 'any'}-{sample}".replace("/", "-"),
            sender=Mailbox(program.brand.from_email, _from_name(template, program, context["sender"])),
            to=Mailbox(reader["email"], reader["name"]),
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            reply_to=context["sender"]["email"],
            headers=headers if unsubscribe else {},
            category=use.campaign.name,
            locale=template.locale or program.locale,
        )


def _from_name(template: Template, program: Program, sender: Mapping[str, Any]) -> str:
    person = template.sender != PROGRAM and sender["person"]
    return f"{sender['name']}, {program.brand.from_name}" if person else program.brand.from_name


def _stem(file: str) -> str:
    """`email_templates/nudges/hello` for `email_templates/nudges/hello.de.md`."""
    folder, slash, name = file.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _uses(
    programs: Mapping[str, Program], campaigns: Mapping[CampaignKey, Campaign], templates: Templates
) -> dict[str, Use]:
    found: dict[str, Use] = {}
    for campaign in campaigns.values():
        program = programs[campaign.program]
        for step in path_of(campaign.steps).mails():
            for text in texts_of(step):
                for email in templates.emails(text, program.lineage):
                    found.setdefault(email, Use(program, campaign, step))
    return found


def _context(use: Use, template: Template, sample: Sample, words: Words) -> dict[str, Any]:
    """What the templates of this campaign can name, as the pipeline would give it."""
    program, subject = use.program, use.campaign.subject
    values = sample.of(template.name)
    facts = values.pop("facts", {})
    names = names_for(subject, use.audience, template.facts, (*occasional(use.campaign, use.step), *template.brings))
    known = {name: _said(in_minor_units(values[name], program.minor_digits), words) for name in names if name in values}
    if known.get("referral"):
        known["referral"] |= _standing(program, known["referral"], _status(use, known["referral"]), words)
    for one in known.get("updates", ()):
        one |= _standing(program, one, one["status"], words)
    for one in (*known.get("standings", ()), *known.get("winners", ())):
        one["label"] = one["name"]
    if "promotion" in known:
        known["promotion"] |= _terms(use.campaign, words)
    if isinstance(use.step, AskStep):
        labels = [words(answer.label) for answer in use.step.answers]
        known["answers"] = [{"label": label, "url": f"{_ENGAGE}/answer/{n}"} for n, label in enumerate(labels)]
    return {
        **known,
        "program": program_context(program),
        "zone": program.zone,
        **({"sender": Sender(program.brand).context(words)} if template.sender == PROGRAM else {}),
        "facts": {
            name: facts[name] if name in facts else _fact(ref, sample, program) for name, ref in template.facts.items()
        },
        "links": _links(use, known),
    }


def _status(use: Use, referral: Mapping[str, Any]) -> str:
    """The status that the campaign waits for, a win where it is about a reward, else the sample's."""
    trigger, ladder = use.campaign.trigger, use.program.ladder
    if isinstance(trigger, EventTrigger) and trigger.to:
        return trigger.to[0]
    if use.campaign.subject is Subject.REWARD:
        return next(status.key for status in ladder if status.kind is StatusKind.WON)
    return next((status.key for status in ladder if status.key == referral["status"]), ladder[0].key)


def _said(value: Any, words: Words) -> Any:
    """The value with what engage or program.yaml says in it in the email's language; names stay as they are."""
    if isinstance(value, Mapping):
        return {
            name: _in_words(one, words) if name in _WORDED and isinstance(one, str) else _said(one, words)
            for name, one in value.items()
        }
    return [_said(one, words) for one in value] if isinstance(value, list) else value


def _in_words(text: str, words: Words) -> str:
    if text in words.texts:
        return words(text)
    for pattern in IN_MAILS:
        if names := placeholders(pattern):
            shape = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(pattern))
            if found := re.fullmatch(shape, text):
                return words(pattern, **{name: found[name] for name in names})
    return text


def _standing(program: Program, referral: Mapping[str, Any], key: str, words: Words) -> dict[str, Any]:
    """What follows from a referral's status."""
    status = program.status(key)
    said = {
        "status": key,
        "status_label": words(status.label),
        "status_next": words(status.next),
        "ladder": ladder(program, key, words),
    }
    return {name: referral.get(name, value) if name != "status" else value for name, value in said.items()}


def _terms(campaign: Campaign, words: Words) -> dict[str, Any]:
    """The campaign's own promotion."""
    if campaign.promotion is None:
        return {}
    promotion = campaign.promotion
    return {"counts": promotion.counts.value, "paid_when": words(promotion.paid_when), "prize": promotion.prize}


def _fact(ref: FactRef, sample: Sample, program: Program) -> Any:
    if ref.name is not None:
        return sample.attributes.get(ref.name)
    value = in_minor_units(sample.facts.get(ref.fact), program.minor_digits)
    counted = CATALOGUE[ref.fact].type in (FactType.COUNT, FactType.MONEY) and CATALOGUE[ref.fact].windows
    return 0 if value is None and counted else value


def _links(use: Use, known: Mapping[str, Any]) -> dict[str, str | None]:
    brand, referral = use.program.brand, known.get("referral")
    about = (known.get("partner") or {}).get("external_id")
    marketing = use.audience is Audience.PARTNER and not use.transactional
    links = link_context(brand, about, referral["external_id"] if referral else None)
    links["refer_form"] = f"{_ENGAGE}/refer/WyJwYXJ0bmVyIiwxLDEwMDddLjIw.Zk3aQx.c2FtcGxlLWZvcm0"
    if use.audience is Audience.PARTNER:
        links["page"] = f"{_ENGAGE}/p/WzEsMTAwNyw0LDIwNzgwXQ.Zk3aQx.c2FtcGxlLXBhZ2U"
        links["preferences"] = f"{_ENGAGE}/preferences/WzEsMTAwNyw0XQ.Zk3aQx.c2FtcGxlLXNldHRpbmdz"
    return {**links, "unsubscribe": f"{_ENGAGE}/unsubscribe/eyJwIjoxfQ.Zk3aQx0dC1zYW1wbGU" if marketing else None}
