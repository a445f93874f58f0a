"""A campaign's mails as one partner would read them now. Sends nothing and writes nothing."""

import secrets
from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, texts_of
from engage.domain.errors import InputError
from engage.domain.facts import Subject
from engage.domain.journeys import path_of
from engage.domain.messages import Message
from engage.facts import Scope
from engage.pipeline.compose import Composer
from engage.pipeline.entries import Whom
from engage.pipeline.library import Library
from engage.pipeline.mailing import lane_of
from engage.pipeline.naming import somebody_named
from engage.pipeline.recipients import Recipients
from engage.signing import Signer
from engage.store.deliveries import Claimed
from engage.store.referrals import latest_referral, latest_reward

_UNSTORED = 0  # the id of what a delivery would belong to: nothing is stored


def preview(
    db: Connection, library: Library, campaign: Campaign, name: str, public_url: str, now: datetime
) -> list[tuple[str, Message]]:
    """(step, message) of each step, whatever the campaign's state, its condition and the partner's consent.

    A campaign for referrals or rewards is shown with the partner's latest one; of one for companies or staff `name`
    names such a one. Links to unsubscribe lead nowhere: who tries one in a preview must not unsubscribe the partner.
    Raises InputError for a name that is not known, for a partner who has no referral or reward, and for an email that
    cannot be composed.
    """
    scope = library.scope_of(campaign)
    whom = _whom(db, campaign, *somebody_named(db, scope, campaign.subject, name))
    people = Recipients.load(db, scope, [whom], alerts=True, dry=True)
    claimed = []
    mails = ((step, text) for step in path_of(campaign.steps).mails() for text in texts_of(step))
    for number, (step, text) in enumerate(mails):
        recipient = people.of(whom, campaign, step)
        partner = people.partner(whom, campaign, step)
        claimed.append(
            Claimed(
                id=number,
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
    composer = Composer(Signer([secrets.token_hex()]), public_url)
    composed = composer.compose(db, _with(library, scope, campaign), claimed, now)
    return [
        (one.claimed.step, _message(one.message, one.problem)) for one in sorted(composed, key=lambda c: c.claimed.id)
    ]


def _with(library: Library, scope: Scope, campaign: Campaign) -> Library:
    """The library with this campaign, which may be a file that is not in its folder."""
    return replace(library, campaigns={**library.campaigns, (scope.program.key, campaign.name): campaign})


def _whom(db: Connection, campaign: Campaign, name: str, id_: int) -> Whom:
    """What the mails are about: the company, the member of staff or the partner with this id, or theirs."""
    subject = campaign.subject
    if subject not in (Subject.REFERRAL, Subject.REWARD):
        return Whom.of(subject, id_, id_ if subject is Subject.PARTNER else None)
    found = (latest_referral(db, id_), None) if subject is Subject.REFERRAL else latest_reward(db, id_)
    if found == (None, None):
        message = f"partner '{name}' has no {subject}, and '{campaign.name}' is for one"
        raise InputError(message, f"name a partner who has a {subject}")
    referral_id, reward_id = found
    return Whom(partner_id=id_, referral_id=referral_id, reward_id=reward_id)


def _message(message: Message | None, problem: str) -> Message:
    if message is None:
        raise InputError(f"this cannot be composed: {problem}", "engage lint may say more")
    return message
