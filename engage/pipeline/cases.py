"""Builds the case that the guards judge, the same way when enrolling, when sending again, in plans and explanations."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

from engage.domain.campaigns import Campaign, CampaignState
from engage.domain.conditions import Condition, tests_of
from engage.domain.decisions import Reason
from engage.domain.programs import Program, Rhythm
from engage.domain.public_holidays import country_of
from engage.facts import FeedState
from engage.policy import Case
from engage.slots import Hours
from engage.store.people import PartnerStanding, StaffMember


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom one message goes to: a partner, a member of staff, or nobody. `about` names the partner of an alert.

    `partner_id` is None of staff.
    """

    key: str
    email: str | None
    address_id: int | None
    suppressed: bool
    unsubscribed: bool
    to_staff: bool
    staff_id: int | None = None
    about: str = ""
    company_id: int | None = None
    partner_id: int | None = None

    @classmethod
    def nobody(cls) -> Self:
        """A company without a contact has nobody to be mailed."""
        return cls("partner:", None, None, suppressed=False, unsubscribed=False, to_staff=False)

    @classmethod
    def partner(cls, partner: PartnerStanding, topic: str) -> Self:
        key = f"partner:{partner.external_id}"
        refused = topic in partner.refused
        found = (partner.email, partner.address_id, partner.suppressed, refused)
        return cls(key, *found, to_staff=False, company_id=partner.company_id, partner_id=partner.partner_id)

    @classmethod
    def staff(cls, person: StaffMember | None, address_id: int | None, suppressed: bool, about: str) -> Self:
        """`person` is None where nobody is left to be alerted."""
        if person is None:
            return cls("staff:", None, None, False, False, to_staff=True, about=about)
        key = f"staff:{person.external_id}"
        return cls(key, person.email or None, address_id, suppressed, False, True, person.staff_id, about)


@lru_cache(maxsize=1024)
def asks_status(where: Condition | None) -> bool:
    """Campaigns see active partners unless they ask for others."""
    return any(test.ref.fact == "status" for test in tests_of(where))


def hours_of(campaign: Campaign, program: Program, zone: str | None) -> Hours | None:
    """What restricts the hours of a marketing mail to a recipient in `zone` (None: not known); None if nothing does.

    A campaign's window narrows that of its topic. Holidays are those of the country in which the recipient is.
    """
    topic = program.topics.get(campaign.topic)
    windows = tuple(w for w in (topic.send_window if topic else None, campaign.send_window) if w is not None)
    if not (windows or program.quiet_hours or program.holidays):
        return None
    country = country_of(zone or "") or program.country or country_of(program.zone)
    return Hours(zone or program.zone, windows, program.quiet_hours, program.holidays, country)


def case_for(
    campaign: Campaign | None,
    program: Program,
    now: datetime,
    recipient: Recipient,
    partner: PartnerStanding | None,
    *,
    transactional: bool,
    expires_at: datetime,
    event_age: timedelta | None = None,
    same_address: bool = False,
    topic_paused: bool = False,
    feeds: tuple[FeedState, ...] = (),
    condition_holds: bool | None = None,
    stopped: bool | None = None,
    goal_reached: bool = False,
    resting: bool = False,
    untold: Reason | None = None,
    not_before: datetime | None = None,
) -> Case:
    """The case of one message to one recipient; `campaign` None is one whose file is gone.

    `partner` is whom it is to or about; None of mail to staff about no partner, and where nobody is there.
    """
    topic = program.topics.get(campaign.topic) if campaign else None
    return Case(
        now=now,
        today=now.astimezone(ZoneInfo(program.zone)).date(),
        state=campaign.state if campaign else None,
        starts=campaign.starts if campaign else None,
        ends=campaign.ends if campaign else None,
        transactional=transactional,
        to_staff=recipient.to_staff,
        event_age=event_age,
        ignore_older_than=topic.ignore_older_than if topic else timedelta(0),
        expires_at=expires_at,
        partner_active=partner is None or partner.status == "active",
        asks_status=campaign is not None and asks_status(campaign.where),
        address=recipient.email,
        suppressed=recipient.suppressed,
        unsubscribed=recipient.unsubscribed,
        on_break=partner is not None and partner.pause is not None and partner.pause.lasts(now),
        not_opted_in=topic is not None and topic.opt_in and partner is not None and topic.key not in partner.agreed,
        opted_out=topic is not None and partner is not None and partner.rhythms.get(topic.key) is Rhythm.OFF,
        resting=resting,
        untold=untold,
        not_before=not_before,
        same_address=same_address,
        topic_paused=topic_paused,
        feed_missing=any(not feed.connected for feed in feeds),
        feed_stale=any(feed.connected and not feed.fresh for feed in feeds),
        condition_holds=condition_holds,
        stopped=stopped,
        goal_reached=goal_reached,
        claimed=partner is not None and partner.is_claimed(now),
        hours=hours_of(campaign, program, partner.zone if partner else None) if campaign else None,
    )


def as_if_live(case: Case) -> Case:
    """A plan shows what a draft or a paused campaign would do if it were live."""
    return replace(case, state=CampaignState.LIVE)
