"""Why a partner would or would not get a campaign's message as of an instant: its condition and every guard."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.domain.errors import InputError
from engage.domain.facts import Subject
from engage.facts import Node, Scope
from engage.facts import explain as explain_condition
from engage.pipeline.enroll import heard_feeds
from engage.pipeline.plan import planned_case
from engage.pipeline.recipients import Recipients
from engage.policy import Verdict, examine
from engage.store.people import partner_id_of
from engage.store.referrals import subjects_of


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    step: str
    to: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`conditions` has one tree for the partner, or one for each of the partner's referrals or rewards."""

    partner: str
    campaign: Campaign
    as_of: datetime
    conditions: tuple[tuple[str, Node], ...]
    steps: tuple[ExplainedStep, ...]


def explain(db: Connection, scope: Scope, campaign: Campaign, partner: str, as_of: datetime) -> Explanation:
    """Raises InputError for a partner that is not known."""
    partner_id = partner_id_of(db, scope.program_id, partner)
    if partner_id is None:
        raise InputError(f"there is no partner '{partner}' in programme '{scope.program.key}'", "give the external id")
    subjects = [(partner, partner_id)]
    if campaign.subject is not Subject.PARTNER:
        subjects = subjects_of(db, campaign.subject, partner_id)
    conditions = tuple(
        (name, explain_condition(db, scope, campaign.subject, campaign.where, as_of, id_)) for name, id_ in subjects
    )
    people = Recipients.load(db, scope, [partner_id], [campaign], dry=True, as_of=as_of)
    feeds = heard_feeds(db, scope, [campaign], as_of)[campaign.name]
    steps = []
    for step in campaign.steps:
        recipient = people.of(partner_id, campaign, step)
        case = planned_case(scope, campaign, people.partners[partner_id], recipient, feeds, as_of)
        steps.append(ExplainedStep(step.id, recipient.key, examine(case)))
    return Explanation(partner, campaign, as_of, conditions, tuple(steps))
