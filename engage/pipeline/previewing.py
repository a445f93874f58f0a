"""A campaign's mails as one partner would read them now. Sends nothing and writes nothing."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import (
    Campaign,
    Choice,
    EventTrigger,
    GatherTrigger,
    MailStep,
    Outranked,
    SendStep,
    Text,
    texts_of,
)
from engage.domain.errors import InputError
from engage.domain.facts import Subject
from engage.domain.journeys import path_of
from engage.domain.messages import Message
from engage.facts import Scope
from engage.pipeline.compose import SIGNED_PATHS, Composer, brings_code
from engage.pipeline.contexts import help_context, partner_contexts
from engage.pipeline.editions import current_and_next
from engage.pipeline.entries import Whom
from engage.pipeline.gathering import latest_updates
from engage.pipeline.library import Library
from engage.pipeline.mailing import lane_of
from engage.pipeline.naming import somebody_named
from engage.pipeline.recipients import Recipients
from engage.signing import Signer
from engage.store.caps import folded
from engage.store.deliveries import Claimed
from engage.store.helping import latest_help
from engage.store.noted import noted_referrals
from engage.store.referrals import latest_referral, latest_reward

DEAD_TOKEN = "preview"  # it opens nothing  # nosec B105
"""Stands in the links of previews where a mail has a signed token; the pages that they lead to say so."""

_UNSTORED = 0  # the id of what a delivery would belong to: nothing is stored
_SOMETHING = "Could you do this one thing for us?"
_CODE = "123456"
_UPDATES = 3
"""How many referrals stand in for those of a day."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """One mail of a campaign.

    `email` is its template, `choice` says who gets it where the step has several texts, `notes` what is shown otherwise
    than in a mail that is sent.
    """

    step: str
    email: str
    message: Message
    choice: str = ""
    notes: tuple[str, ...] = ()


def preview(
    db: Connection, library: Library, campaign: Campaign, name: str, public_url: str, now: datetime
) -> list[Previewed]:
    """Each text of each step, whatever the campaign's state, its condition and the partner's consent.

    A campaign for referrals or rewards is shown with the partner's latest one, of referrals at the status that it waits
    for if any is; of one for companies or staff `name`
    names such a one. A daily mail tells of the latest changes, and where nothing waits to be folded into a newsletter,
    mails that could be stand in. Links of the partner's own lead nowhere: who tries one must not answer for the
    partner. Raises InputError for a name that is not known, for a partner who has nothing to show, and for an email
    that cannot be composed.
    """
    scope = library.scope_of(campaign)
    library = _with(library, scope, campaign)
    whom = _whom(db, campaign, *somebody_named(db, scope, campaign.subject, name))
    steps = list(path_of(campaign.steps).mails())
    mails = [(step, _edition(library, campaign, text, now)) for step in steps for text in texts_of(step)]
    claimed = _claimed(db, scope, campaign, whom, mails, now)
    composer = Composer(DeadLinks([secrets.token_hex()]), public_url)
    given, notes = _stand_ins(db, library, composer, campaign, claimed, name, now)
    composed = {one.claimed.id: one for one in composer.compose(db, library, claimed, now, given=given)}
    shown = []
    for one, (step, text) in zip(claimed, mails, strict=True):
        message = _message(composed[one.id].message, composed[one.id].problem)
        dead = [_DEAD_LINKS] if any(path + DEAD_TOKEN in message.html for path in SIGNED_PATHS) else []
        said = (*notes.get(one.id, ()), *dead)
        shown.append(Previewed(step.id, text.template, message, _choice(step, text), said))
    return shown


_DEAD_LINKS = "links that are the partner's own (page, answers, settings) lead nowhere in a preview"


class DeadLinks(Signer):
    """Signs nothing, so that nobody answers or unsubscribes out of a preview."""

    def token(self, purpose: str, payload: list[str | int]) -> str:  # noqa: ARG002
        return DEAD_TOKEN


def _claimed(
    db: Connection,
    scope: Scope,
    campaign: Campaign,
    whom: Whom,
    mails: Collection[tuple[MailStep, Text]],
    now: datetime,
) -> list[Claimed]:
    """The deliveries that there would be, with ids that no stored one has."""
    people = Recipients.load(db, scope, [whom], alerts=True, dry=True)
    claimed = []
    for number, (step, text) in enumerate(mails, start=1):
        recipient = people.of(whom, campaign, step)
        partner = people.partner(whom, campaign, step)
        claimed.append(
            Claimed(
                id=-number,
                program_id=scope.program_id,
                public_id=f"preview-{number}",
                campaign=campaign.name,
                version_id=_UNSTORED,
                step=step.id,
                recipient=recipient.key,
                occasion="preview",
                enrollment_id=_UNSTORED,
                partner_id=partner.partner_id if partner else None,
                company_id=recipient.company_id,
                staff_id=recipient.staff_id,
                address_id=recipient.address_id,
                template=text.template,
                topic=campaign.topic,
                lane=lane_of(campaign, step, scope),
                held_out=False,
                expires_at=now + campaign.send_within,
                attempts=0,
                claims=1,
                referral_id=whom.referral_id,
                reward_id=whom.reward_id,
                subject_company_id=whom.company_id,
                subject_staff_id=whom.staff_id,
            )
        )
    return claimed


def _with(library: Library, scope: Scope, campaign: Campaign) -> Library:
    """The library with this campaign, which may be a file that is not in its folder."""
    return replace(library, campaigns={**library.campaigns, (scope.program.key, campaign.name): campaign})


def _whom(db: Connection, campaign: Campaign, name: str, id_: int) -> Whom:
    """What the mails are about: the company, the member of staff or the partner with this id, or theirs."""
    subject = campaign.subject
    if subject not in (Subject.REFERRAL, Subject.REWARD):
        return Whom.of(subject, id_, id_ if subject is Subject.PARTNER else None)
    waited = campaign.trigger.to if isinstance(campaign.trigger, EventTrigger) else ()
    found = (latest_referral(db, id_, waited), None) if subject is Subject.REFERRAL else latest_reward(db, id_)
    if found == (None, None):
        message = f"partner '{name}' has no {subject}, and '{campaign.name}' is for one"
        raise InputError(message, f"name a partner who has a {subject}")
    referral_id, reward_id = found
    return Whom(partner_id=id_, referral_id=referral_id, reward_id=reward_id)


def _message(message: Message | None, problem: str) -> Message:
    if message is None:
        raise InputError(f"this cannot be composed: {problem}", "engage lint may say more")
    return message


def _edition(library: Library, campaign: Campaign, text: Text, now: datetime) -> Text:
    """The text itself; of editions that of the next slot, else that of the current one, else the last that is there."""
    if not text.edition:
        return text
    there = library.templates.emails(text, library.programs[campaign.program].lineage)
    coming = [one.email for one in reversed(current_and_next(library, campaign, now)) if one.email in there]
    shown = next(iter((*coming, *reversed(there))), None)
    if shown is None:
        hint = f"write one for each month, such as email_templates/{text.template}/{now:%Y-%m}.md"
        raise InputError(f"there is no edition in email_templates/{text.template}/ yet", hint)
    return replace(text, template=shown, edition=False)


def _choice(step: MailStep, text: Text) -> str:
    """Who gets this text of a step that has several; "" of one that has not."""
    texts = texts_of(step)
    if not isinstance(step, SendStep) or len(texts) == 1:
        return ""
    if step.choice is Choice.VARIANTS:
        return f"variant, for {text.weight} in {sum(one.weight for one in texts)} partners"
    return f"number {texts.index(text) + 1} of {len(texts)} that take turns"


# --- what only a mail that is due has -----------------------------------------------------------------------------


def _stand_ins(
    db: Connection,
    library: Library,
    composer: Composer,
    campaign: Campaign,
    mails: Collection[Claimed],
    name: str,
    now: datetime,
) -> tuple[dict[int, Mapping[str, Any]], dict[int, tuple[str, ...]]]:
    """What the templates get in the place of a day's updates and of folded mails, and what is said of it, by mail."""
    scope = library.scope_of(campaign)
    given: dict[int, Mapping[str, Any]] = {}
    notes: dict[int, tuple[str, ...]] = {}
    for one in mails:
        if one.partner_id is None:
            continue
        locale = partner_contexts(db, [one.partner_id])[one.partner_id]["locale"] or ""
        own = library.templates.own(one.template, scope.program.lineage)
        template = library.templates.find(own, locale, scope.program.locale)
        if template and isinstance(campaign.trigger, GatherTrigger):
            words = library.templates.words_of(template, locale, scope.program)
            updates = latest_updates(db, scope.program, one.partner_id, _UPDATES, words)
            if not updates:
                message = f"no referral of partner '{name}' has changed its status, and '{campaign.name}' tells of that"
                raise InputError(message, "name a partner whose referrals have news")
            given[one.id] = {"updates": updates}
            notes[one.id] = ("the latest changes of their referrals stand in for those of a day",)
        elif template and "help" in template.needs and one.referral_id is not None:
            wanted = latest_help(db, one.referral_id)
            given[one.id] = {"help": help_context(wanted) or {"ask": _SOMETHING, "by_name": ""}}
            notes[one.id] = () if wanted else ("nobody has asked for help with this referral: a sentence stands in",)
        elif template and "noted" in template.needs and not noted_referrals(db, {one.referral_id or 0}):
            notes[one.id] = ("this referral did not come by the form: nothing is shown of what somebody wrote into it",)
        elif template and brings_code(campaign):
            given[one.id] = {"code": _CODE}
            notes[one.id] = ("six digits stand in for a code: nobody has asked for one",)
        elif template and "folded" in template.needs and not folded(db, {one.id: one.partner_id}):
            lines = _could_be_folded(db, library, composer, scope, one.partner_id, now)
            if lines:
                given[one.id] = {"folded": lines}
                notes[one.id] = ("nothing is folded for this partner now: mails that could be stand in",)
    return given, notes


def _could_be_folded(
    db: Connection, library: Library, composer: Composer, scope: Scope, partner_id: int, now: datetime
) -> list[dict[str, str]]:
    """Lines of the campaigns for partners that say `if_outranked: fold`, as far as they can be composed."""
    whom = Whom(partner_id=partner_id)
    mails: list[Claimed] = []
    for (program, _), campaign in sorted(library.campaigns.items()):
        folds = campaign.outranked is Outranked.FOLD and campaign.subject is Subject.PARTNER
        if folds and program == scope.program.key:
            first = next(iter(path_of(campaign.steps).mails()))
            mails += _claimed(
                db, scope, campaign, whom, [(first, _edition(library, campaign, texts_of(first)[0], now))], now
            )
    mails = [replace(one, id=-number) for number, one in enumerate(mails, start=1)]
    made = composer.compose(db, library, mails, now, folding=False) if mails else []
    return [{"subject": one.message.subject, "url": one.link} for one in made if one.message is not None]
