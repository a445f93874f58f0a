"""Who of those whose step is due can go on through a campaign, who waits, and whose journey has lost its way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, CampaignState, Conversion
from engage.domain.decisions import Reason
from engage.domain.experiments import Arm
from engage.domain.facts import Feed
from engage.domain.journeys import Node, Path, path_of
from engage.facts import FeedState, Scope, feed_state
from engage.pipeline.entries import Entry
from engage.pipeline.lacking import lacking_next
from engage.pipeline.library import Library
from engage.pipeline.mailing import feeds_asked
from engage.pipeline.rollout import arm_inside
from engage.policy import LOOK_AGAIN
from engage.store.journeys import Standing

UNREADABLE = "the steps that were entered cannot be read any more"
"""Why a journey ends whose steps name what is no longer there, such as a status of the ladder."""

LOOK_FOR_FEED = timedelta(days=1)
"""How long one waits whose campaign rests on a feed that was never connected: somebody has to connect it first."""

_SEEN_BY = {Conversion.LOGIN: Feed.LOGINS}
"""The feed in which goals are seen; the others in the referrals."""


@dataclass(frozen=True, slots=True)
class Walker:
    """One who has entered, at the step `at` (None: at the end) since `reached_at`. `path` is of the version entered.

    `standing`: at `at` they have been standing since an earlier tick; they have not just come to it. `ends`: why they
    wait for nothing, so that the journey ends at the first wait.
    """

    enrollment_id: int
    version_id: int
    entry: Entry
    path: Path
    at: str | None
    reached_at: datetime
    entered_at: datetime
    standing: bool = False
    ends: str | None = None

    @property
    def partner_id(self) -> int | None:
        return self.entry.partner_id

    @property
    def node(self) -> Node | None:
        return self.path.nodes[self.at] if self.at is not None else None

    def on(self, step: str | None, now: datetime) -> "Walker":
        return replace(self, at=step, reached_at=self.entry.begins(now), standing=False)


@dataclass(frozen=True, slots=True)
class Due:
    """Those whose step is due: who can go on; whose journey has lost its way, by enrollment, with why; and who waits,
    with how long.
    """

    walkers: list[Walker] = field(default_factory=list)
    ended: list[tuple[int, str]] = field(default_factory=list)
    waiting: list[tuple[Standing, timedelta]] = field(default_factory=list)


def sorted_out(
    db: Connection, library: Library, scope: Scope | None, standings: Sequence[Standing], now: datetime
) -> Due:
    """Sorts those whose step is due, all of one programme; `scope` None: its file no longer names it."""
    found = Due()
    campaigns = {one.campaign: library.get(one.program_id, one.campaign) for one in standings}
    versions = library.versions(db, {one.version_id for one in standings}) if scope else {}
    paths = {id_: path_of(version.steps) for id_, version in versions.items()}
    inside = {(one.campaign, one.version_id) for one in standings if one.version_id in versions}
    silent = _silent(db, scope, {key: (campaigns[key[0]], versions[key[1]]) for key in inside}, now)
    for one in standings:
        campaign, version, path = campaigns[one.campaign], versions.get(one.version_id), paths.get(one.version_id)
        if scope is None or campaign is None or version is None or path is None or one.step not in path.nodes:
            if library.problems and (campaign is None or version is None):
                found.waiting.append((one, LOOK_AGAIN))  # a mistake in a file, which somebody will mend, stops nobody
            else:
                found.ended.append((one.id, Reason.CAMPAIGN_NOT_LIVE if campaign is None else UNREADABLE))
            continue
        today = now.astimezone(ZoneInfo(scope.program.zone)).date()
        if why := _over(campaign, version, today):
            found.ended.append((one.id, why))
        elif campaign.state is CampaignState.PAUSED or not campaign.has_begun(today):
            found.waiting.append((one, LOOK_AGAIN))
        elif (one.campaign, one.version_id) in silent:
            found.waiting.append((one, silent[one.campaign, one.version_id]))
        elif any(lacking_next(library, scope.program, path, one.step)):
            found.waiting.append((one, LOOK_AGAIN))  # as for a mistake in a file
        else:
            found.walkers.append(_walker(one, campaign, path, arm_inside(version, one.arm)))
    return found


def _over(campaign: Campaign, version: Campaign, today: date) -> Reason | None:
    """Why the campaign is over for those inside."""
    if campaign.state not in (CampaignState.LIVE, CampaignState.PAUSED):
        return Reason.CAMPAIGN_NOT_LIVE
    if campaign.promotion is None and version.promotion is not None:
        return Reason.PROMOTION_OVER
    return Reason.OUTSIDE_DATES if campaign.is_over(today) else None


def _silent(
    db: Connection,
    scope: Scope | None,
    inside: Mapping[tuple[str, int], tuple[Campaign | None, Campaign]],
    now: datetime,
) -> dict[tuple[str, int], timedelta]:
    """How long those of these (campaign, version) wait that ask what rests on a feed which is not heard, or whose goal
    is seen in one. `inside` has the campaign as it is now, and as the version says it.
    """
    wanted: dict[tuple[str, int], frozenset[Feed]] = {}
    for key, (campaign, version) in inside.items():
        if campaign is not None:
            goal = {_SEEN_BY.get(campaign.goal.conversion, Feed.REFERRALS)} if campaign.goal else set()
            wanted[key] = feeds_asked(replace(campaign, steps=version.steps)) | goal
    feeds = sorted(set().union(*wanted.values()))
    waits = {feed: _wait_for(feed_state(db, scope, feed, now)) for feed in feeds} if scope else {}
    found = {key: max((waits[feed] for feed in asked), default=timedelta()) for key, asked in wanted.items()}
    return {key: wait for key, wait in found.items() if wait}


def _wait_for(feed: FeedState) -> timedelta:
    if not feed.connected:
        return LOOK_FOR_FEED
    return timedelta() if feed.fresh else LOOK_AGAIN


def _walker(one: Standing, campaign: Campaign, path: Path, arm: Arm | None) -> Walker:
    entry = Entry(
        occasion_id=one.occasion_id,
        campaign=campaign,
        key=one.key,
        partner_id=one.partner_id,
        by_run=one.by_run,
        referral_id=one.referral_id,
        reward_id=one.reward_id,
        company_id=one.company_id,
        staff_id=one.staff_id,
        arm=arm,
    )
    return Walker(one.id, one.version_id, entry, path, one.step, one.reached_at, one.entered_at, standing=True)
