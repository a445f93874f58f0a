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
from engage.pipeline.library import Library
from engage.pipeline.naming import partner_named
from engage.pipeline.recipients import Recipients
from engage.signing import Signer
from engage.store.deliveries import Claimed
from engage.store.referrals import latest_referral, latest_reward

_UNSTORED = 0  # the id of what a delivery would belong to: nothing is stored


def preview(
    db: Connection, library: Library, campaign: Campaign, partner: str, public_url: str, now: datetime
) -> list[tuple[str, Message]]:
    """(step, message) of each step, whatever the campaign's state, its condition and the partner's consent.

    A campaign for referrals or rewards is shown with the partner's latest one. Links to unsubscribe lead nowhere: who
    tries one in a preview must not unsubscribe the partner. Raises InputError for a partner that is not known or has
    no referral or reward, and for an email that cannot be composed.
    """
    scope = library.scope_of(campaign)
    external_id, partner_id = partner_named(db, scope, partner)
    referral_id, reward_id = _subject(db, campaign, external_id, partner_id)
    people = Recipients.load(db, scope, [partner_id], alerts=True, dry=True)
    claimed = []
    mails = ((step, text) for step in path_of(campaign.steps).mails() for text in texts_of(step))
    for number, (step, text) in enumerate(mails):
        recipient = people.of(partner_id, campaign, step)
        claimed.append(
            Claimed(
                id=number,
                program_id=scope.program_id,
                public_id=f"preview-{number}",
                campaign=campaign.name,
                version_id=_UNSTORED,
                step=step.id,
                recipient=recipient.key,
                enrollment_id=_UNSTORED,
                partner_id=partner_id,
                staff_id=recipient.staff_id,
                address_id=recipient.address_id,
                template=text.template,
                topic=campaign.topic,
                expires_at=now + campaign.send_within,
                attempts=0,
                claims=1,
                referral_id=referral_id,
                reward_id=reward_id,
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


def _subject(db: Connection, campaign: Campaign, partner: str, partner_id: int) -> tuple[int | None, int | None]:
    """The ids of the referral and the reward that the mails are about."""
    if campaign.subject is Subject.PARTNER:
        return None, None
    referral = campaign.subject is Subject.REFERRAL
    found = (latest_referral(db, partner_id), None) if referral else latest_reward(db, partner_id)
    if found == (None, None):
        message = f"partner '{partner}' has no {campaign.subject}, and '{campaign.name}' is for one"
        raise InputError(message, f"name a partner who has a {campaign.subject}")
    return found


def _message(message: Message | None, problem: str) -> Message:
    if message is None:
        raise InputError(f"this cannot be composed: {problem}", "engage lint may say more")
    return message
