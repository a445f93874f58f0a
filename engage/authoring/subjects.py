"""Reads what a campaign is for and who gets its mail, and reports what does not go together with that."""

from engage.authoring.document import Node
from engage.authoring.reader import Fields
from engage.domain.campaigns import (
    AgainKind,
    AskStep,
    Campaign,
    Choice,
    CompanyRecipient,
    EventKind,
    MailStep,
    SendStep,
    goes_to_staff,
)
from engage.domain.errors import Problem
from engage.domain.facts import Subject
from engage.domain.journeys import every_step

SUBJECTS: dict[EventKind, tuple[Subject, ...]] = {
    EventKind.STATUS_CHANGED: (Subject.REFERRAL, Subject.PARTNER),
    EventKind.HELP_WANTED: (Subject.REFERRAL, Subject.PARTNER),
    EventKind.NOTED: (Subject.REFERRAL, Subject.PARTNER),
    EventKind.LOGGED_IN: (Subject.PARTNER,),
    EventKind.REGISTERED: (Subject.PARTNER,),
    EventKind.REWARD_EARNED: (Subject.REWARD, Subject.PARTNER),
    EventKind.REWARD_PAID: (Subject.REWARD, Subject.PARTNER),
    EventKind.REWARD_REVERSED: (Subject.REWARD, Subject.PARTNER),
    EventKind.CODE_WANTED: (Subject.PARTNER,),
    EventKind.LINK_WANTED: (Subject.PARTNER,),
}
"""What a campaign that waits for an event may be for: what the event is about, or its partner."""

_OF_PARTNERS = {
    "goal": "what is reached is reached by a partner",
    "holdout": "those held out are compared with other partners",
}


def read_recipient(fields: Fields, subject: Subject | None) -> CompanyRecipient:
    """`to: channel manager`, of a campaign for companies; without it their contacts."""
    if "to" in fields and subject not in (Subject.COMPANY, None):
        message = f"'to' chooses who stands for a company, and this campaign is for {subject.one if subject else ''}"
        fields.reader.problem(fields["to"], message, "take it out, or write for: company")
    return fields.member("to", CompanyRecipient) or CompanyRecipient.CONTACT


def check_subject(fields: Fields, campaign: Campaign) -> None:
    """Reports what only partners can do, and what cannot be asked of our own staff."""
    reader, subject = fields.reader, campaign.subject
    again = campaign.again
    if again is not None and again.kind is AgainKind.EACH_TIER_PERIOD and subject is not Subject.PARTNER:
        _problem(fields, fields["again"], "tiers are reached by partners", subject)
    if subject.leads_to_partner:
        return
    for key, why in _OF_PARTNERS.items():
        if key in fields:
            _problem(fields, fields[key], why, subject)
    if campaign.only is not None and (campaign.only.partners is not None or campaign.only.share < 1):
        message = "'partners' and 'share' of 'only' choose among partners"
        reader.problem(fields["only"], f"{message}, and this campaign is for {subject.one}", "use 'where'")
    for step in every_step(campaign.steps):
        if isinstance(step, MailStep) and goes_to_staff(campaign, step):
            _check_mail_to_staff(fields, step)


def _check_mail_to_staff(fields: Fields, step: MailStep) -> None:
    """Answers and words that were used up are kept of partners."""
    if isinstance(step, AskStep):
        place, message = step.text.place, "the mail goes to staff, and only partners are asked"
    elif isinstance(step, SendStep) and step.choice is Choice.ROTATE:
        place, message = step.texts[0].place, "the mail goes to staff, and words rotate for partners only"
    else:
        return
    reader = fields.reader
    reader.problems.append(Problem(reader.path, place.line, place.column, message, "write send: with one email"))


def _problem(fields: Fields, node: Node, why: str, subject: Subject) -> None:
    fields.reader.problem(node, f"{why}, and this campaign is for {subject.one}", "take it out, or write for: partner")
