"""Roll-out: who may enter a campaign while `only:` restricts it; and in which arm each enters."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.domain.conditions import All
from engage.domain.decisions import Reason
from engage.domain.experiments import Arm, arm_of, draws, in_share
from engage.domain.promotions import is_over
from engage.facts import Scope, holds
from engage.pipeline.entries import Entry
from engage.pipeline.library import Library
from engage.store.experiments import other_names, partner_names, version_ids

Who = tuple[int | None, int]
"""A partner's id and the id of what the campaign is for: the partner again, or a referral or reward of theirs.

A company or member of staff has no partner: only `where` can restrict them, and none is held out."""


def admitted(db: Connection, scope: Scope, campaign: Campaign, who: Collection[Who], as_of: datetime) -> set[Who]:
    """Those of these, who all meet the campaign's condition, whom its `only` lets in: all where it has none.

    Nobody enters outside its dates, nor once its promotion is over: that would use up their `again` for nothing.

    A list that names a partner by an alias, or by the id of a duplicate that was merged, means the partner who stands.
    """
    if closed(scope, campaign, as_of) is not None:
        return set()
    only, found = campaign.only, set(who)
    if only is None or not found:
        return found
    if only.where is not None:
        # beside `where`, which may have asked for partners who are not active
        asked = only.where if campaign.where is None else All((campaign.where, only.where))
        met = holds(db, scope, campaign.subject, asked, as_of, {subject for _, subject in found})
        found = {one for one in found if one[1] in met}
    ids = {partner_id for partner_id, _ in found if partner_id is not None}
    names = partner_names(db, ids) if only.partners is not None or only.share < 1 else {}
    if only.partners is not None:
        others = other_names(db, ids)
        found = {one for one in found if one[0] and ({names[one[0]]} | others.get(one[0], set())) & only.partners}
    if only.share < 1:
        key = scope.program.key
        found = {one for one in found if one[0] and in_share(key, campaign.name, names[one[0]], only.share)}
    return found


def closed(scope: Scope, campaign: Campaign, as_of: datetime) -> Reason | None:
    """Why nobody at all enters; None: the campaign is open to those whom `only` lets in."""
    today = as_of.astimezone(ZoneInfo(scope.program.zone)).date()
    if campaign.is_over(today) or not campaign.has_begun(today):
        return Reason.OUTSIDE_DATES
    return Reason.PROMOTION_OVER if is_over(campaign.promotion, scope.program.zone, as_of) else None


def shut_out_by(scope: Scope, campaign: Campaign, as_of: datetime) -> Reason:
    """Why those who meet the condition are not `admitted`."""
    return closed(scope, campaign, as_of) or Reason.NOT_IN_ROLL_OUT


def with_arms(db: Connection, scope: Scope, entries: Iterable[Entry]) -> list[Entry]:
    """The entries, each with the arm in which its partner enters. No statement where nobody can be held out.

    None is drawn then, so that whoever entered without a choice is compared with nobody; nor for companies and staff,
    for lift is measured in partners.
    """
    entries = list(entries)
    drawing = {one.partner_id for one in entries if draws(scope.program, one.campaign)}
    names = partner_names(db, {id_ for id_ in drawing if id_ is not None})

    def with_arm(one: Entry) -> Entry:
        if one.partner_id is None or not draws(scope.program, one.campaign):
            return one
        return replace(one, arm=arm_of(scope.program, one.campaign, names[one.partner_id]))

    return [with_arm(one) for one in entries]


def arm_inside(version: Campaign, arm: str | None) -> Arm | None:
    """The arm in which somebody goes on who entered this version of a campaign; None: it is drawn anew, after a merge.

    Who entered when nobody could be held out is treated to the end, whatever is held out since.
    """
    if arm is not None:
        return Arm(arm)
    return None if version.holdout else Arm.TREATED


def compared_versions(db: Connection, library: Library, campaign: Campaign) -> set[int]:
    """The versions of a campaign whose entries can be compared with each other: those that hold out the same share, as
    now or, where nobody is held out any more, as last.
    """
    ids = version_ids(db, library.program_ids[campaign.program], campaign.name)
    versions = library.versions(db, ids)
    shares = [campaign.holdout, *(versions[id_].holdout for id_ in sorted(versions, reverse=True))]
    share = next((one for one in shares if one), 0.0)
    return {id_ for id_, version in versions.items() if version.holdout == share}
