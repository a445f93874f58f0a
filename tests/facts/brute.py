"""What facts and conditions mean, a second time: plain Python over lists, one subject at a time, in the author's units.

It shares nothing with `engage.facts`; where the two differ, one of them has misread DESIGN section 6.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from engage.domain.conditions import All, AnyOf, Comparator, Condition, FactRef, Not, Test
from engage.domain.facts import Subject
from engage.domain.programs import Program, TierPeriod
from engage.domain.windows import Window, WindowKind

Found = str | int | float | Decimal | bool | None
"""None: unknown. Endless days are math.inf; money is a Decimal in major units."""

DAY = timedelta(days=1)


@dataclass
class PartnerVersion:
    start: datetime
    end: datetime | None
    status: str
    owner: str | None = None
    company: str | None = None
    region: str | None = None
    locale: str | None = None


@dataclass
class AttributeVersion:
    name: str
    start: datetime
    end: datetime | None
    value: str | float | bool | None


@dataclass
class Partner:
    id: int
    joined_at: datetime | None
    versions: list[PartnerVersion] = field(default_factory=list)
    attributes: list[AttributeVersion] = field(default_factory=list)
    answers: list[tuple[str, datetime, str]] = field(default_factory=list)
    logins: list[datetime] = field(default_factory=list)


@dataclass
class ReferralVersion:
    start: datetime
    end: datetime | None
    status: str
    kind: str
    since: datetime | None
    qualified: bool
    qualified_at: datetime | None
    submitted_at: datetime | None
    amount: int | None
    method: str | None
    product: str | None
    salesperson: str | None
    in_doubt: bool = False


@dataclass
class Referral:
    id: int
    partner: int
    versions: list[ReferralVersion] = field(default_factory=list)
    asked_at: list[datetime] = field(default_factory=list)  # when somebody of our staff asked for help with it


@dataclass
class Reward:
    id: int
    partner: int
    referral: int | None
    amount: int
    earned_at: datetime | None
    reversed_at: datetime | None
    stage: str | None = None


@dataclass
class World:
    """One program's partners and what they did."""

    program: Program
    partners: list[Partner] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    rewards: list[Reward] = field(default_factory=list)
    companies: dict[str, int] = field(default_factory=dict)
    staff: dict[str, int] = field(default_factory=dict)

    def named(self, subject: Subject, id_: int) -> str:
        """The external id of a company or member of staff."""
        ids = self.companies if subject is Subject.COMPANY else self.staff
        return next(name for name, one in ids.items() if one == id_)


def held(versions: Iterable[object], now: datetime) -> object | None:
    """The version that began at or before now and has not ended by then."""
    for version in versions:
        if version.start <= now and (version.end is None or now < version.end):  # type: ignore[attr-defined]
            return version
    return None


class Brute:
    """The world as of one instant."""

    def __init__(self, world: World, now: datetime) -> None:
        self.now, self.program, self.world = now, world.program, world
        self.partners = {
            partner.id: (partner, version)
            for partner in world.partners
            if (partner.joined_at is None or partner.joined_at <= now)
            and (version := held(partner.versions, now)) is not None
        }
        self.referrals = {
            referral.id: (referral, version)
            for referral in world.referrals
            if (version := held(referral.versions, now)) is not None
            and (version.submitted_at is None or version.submitted_at <= now)
        }
        self.rewards = {
            reward.id: reward for reward in world.rewards if reward.earned_at is None or reward.earned_at <= now
        }

    # -- who is there --------------------------------------------------------------------------------------------------

    def subjects(self, subject: Subject) -> list[tuple[int | None, int]]:
        """(partner, subject) of all that exist, in order."""
        match subject:
            case Subject.COMPANY:
                peopled = {version.company for _, version in self.partners.values()}
                return sorted((None, id_) for name, id_ in self.world.companies.items() if name in peopled)
            case Subject.STAFF:
                return sorted((None, id_) for id_ in self.world.staff.values())
            case Subject.PARTNER:
                found = [(id_, id_) for id_ in self.partners]
            case Subject.REFERRAL:
                found = [(referral.partner, id_) for id_, (referral, _) in self.referrals.items()]
            case Subject.REWARD:
                found = [(reward.partner, id_) for id_, reward in self.rewards.items()]
        return sorted(pair for pair in found if pair[0] in self.partners)

    def audience(self, subject: Subject, where: Condition | None) -> list[tuple[int | None, int]]:
        asked = {ref.fact for ref in refs_in(where)}
        return [
            (partner, id_)
            for partner, id_ in self.subjects(subject)
            if self.is_seen(subject, partner, id_, asked)
            and (where is None or self.meets(subject, partner, id_, where))
        ]

    def is_seen(self, subject: Subject, partner: int | None, id_: int, asked: set[str]) -> bool:
        if subject is Subject.STAFF:
            return True
        if subject is Subject.COMPANY:
            return "partners" in asked or len(self.active_in(self.world.named(subject, id_))) > 0
        return "status" in asked or self.partners[partner or 0][1].status == "active"

    def active_in(self, company: str) -> list[int]:
        return [id_ for id_, (_, v) in self.partners.items() if v.company == company and v.status == "active"]

    # -- conditions ----------------------------------------------------------------------------------------------------

    def meets(self, subject: Subject, partner: int | None, id_: int, condition: Condition) -> bool:
        match condition:
            case All(parts):
                return all(self.meets(subject, partner, id_, part) for part in parts)
            case AnyOf(parts):
                return any(self.meets(subject, partner, id_, part) for part in parts)
            case Not(part):
                return not self.meets(subject, partner, id_, part)
            case Test(ref, comparator, value):
                return compared(self.value(subject, partner, id_, ref), comparator, value)

    # -- facts ---------------------------------------------------------------------------------------------------------

    def value(self, subject: Subject, partner: int | None, id_: int, ref: FactRef) -> Found:
        if subject is Subject.COMPANY:
            return self.of_company(self.world.named(subject, id_), ref)
        if subject is Subject.STAFF:
            return self.of_staff(self.world.named(subject, id_), ref)
        assert partner is not None
        own = self.of_partner(partner, ref)
        if own is not NotImplemented:
            return own
        if ref.fact == "reward_stage":
            return self.rewards[id_].stage
        if subject is Subject.REWARD:
            id_ = self.rewards[id_].referral or 0
        if id_ not in self.referrals:
            return None
        referral, version = self.referrals[id_]
        match ref.fact:
            case "days_since_help_wanted":
                return self.days_since(latest(at for at in referral.asked_at if at <= self.now))
            case "referral_status":
                return version.status
            case "days_in_status":
                return self.days_since(version.since)
            case "amount":
                return None if version.amount is None else self.major(version.amount)
            case "method" | "product" | "salesperson":
                return getattr(version, ref.fact)
        raise AssertionError(ref)

    def of_partner(self, id_: int, ref: FactRef) -> Found:
        partner, version = self.partners[id_]
        match ref.fact:
            case "status" | "company" | "owner" | "region" | "locale":
                return getattr(version, ref.fact)
            case "program":
                return self.program.key
            case "answer":
                given = [(at, text) for question, at, text in partner.answers if question == ref.question]
                return max(((at, text) for at, text in given if at <= self.now), default=(None, None))[1]
            case "attribute":
                named = held([one for one in partner.attributes if one.name == ref.name], self.now)
                return None if named is None else named.value
            case "days_since_joining":
                return math.inf if partner.joined_at is None else self.days_since(partner.joined_at)
            case "days_since_login":
                past = [at for at in partner.logins if at <= self.now]
                last = max(past) if past else partner.joined_at
                return math.inf if last is None else self.days_since(last)
            case "days_since_referral":
                return self.days_since(latest(one.submitted_at for one in self.versions_of(id_)))
            case "days_since_win":
                return self.days_since(latest(one.since for one in self.versions_of(id_) if one.kind == "won"))
            case "win_rate":
                wins, losses = (self.metric(id_, name, ref) for name in ("wins", "losses"))
                return None if wins + losses == 0 else wins / (wins + losses)
            case "revenue":
                return self.major(self.metric(id_, "revenue", ref))
            case "referrals" | "qualified" | "open" | "wins" | "losses" | "wins_in_doubt":
                return self.metric(id_, ref.fact, ref)
            case "rank":
                return self.rank(id_, ref)
            case "rewards" | "rewards_earned":
                amounts = self.reward_amounts(partner, ref.window)
                return len(amounts) if ref.fact == "rewards" else self.major(sum(amounts))
            case "growth":
                return self.growth([(id_, one) for one in self.versions_of(id_)], ref)
            case "tier" | "next_tier" | "to_next_tier":
                return self.of_tier(id_, ref.fact)
            case "tier_pace":
                return self.pace(id_, self.of_tier(id_, "to_next_tier"))
            case "previous_tier" | "to_keep_tier":
                return self.of_tier_before(id_, ref.fact)
            case "keep_pace":
                return self.pace(id_, self.of_tier_before(id_, "to_keep_tier"))
            case "days_left_in_tier_period":
                return self.days_left()
        return NotImplemented

    def of_company(self, name: str, ref: FactRef) -> Found:
        """What its people have: sums of theirs, and the latest of theirs."""
        people = [id_ for id_, (_, version) in self.partners.items() if version.company == name]
        match ref.fact:
            case "company":
                return name
            case "partners":
                return len(self.active_in(name))
            case "days_since_login" | "days_since_referral" | "days_since_win":
                return min((d for id_ in people if (d := self.of_partner(id_, ref)) is not None), default=None)  # type: ignore[type-var]
            case "rewards" | "rewards_earned":
                return sum(self.of_partner(id_, ref) for id_ in people)  # type: ignore[misc]
        referrals: dict[str, list[tuple[int, ReferralVersion]]] = {}
        for id_, (_, version) in self.partners.items():
            referrals.setdefault(version.company or "", []).extend((id_, one) for one in self.versions_of(id_))
        referrals.pop("", None)
        return self.of_many(ref, name, referrals)

    def of_staff(self, name: str, ref: FactRef) -> Found:
        """What the referrals come to that they work."""
        if ref.fact == "salesperson":
            return name
        works: dict[str, list[tuple[int, ReferralVersion]]] = {one: [] for one in self.world.staff}
        for referral, version in self.referrals.values():
            if version.salesperson is not None:
                works[version.salesperson].append((referral.partner, version))
        return self.of_many(ref, name, works)

    def of_many(self, ref: FactRef, name: str, referrals: dict[str, list[tuple[int, ReferralVersion]]]) -> Found:
        """A fact that is made of referrals, which `referrals` has with their partners for all who are compared."""
        own = referrals[name]
        match ref.fact:
            case "program":
                return self.program.key
            case "days_since_referral":
                return self.days_since(latest(one.submitted_at for _, one in own))
            case "days_since_win":
                return self.days_since(latest(one.since for _, one in own if one.kind == "won"))
            case "win_rate":
                wins, losses = (self.sum_of(own, kind, ref) for kind in ("wins", "losses"))
                return None if wins + losses == 0 else wins / (wins + losses)
            case "revenue":
                return self.major(self.sum_of(own, "revenue", ref))
            case "referrals" | "qualified" | "open" | "wins" | "losses" | "wins_in_doubt":
                return self.sum_of(own, ref.fact, ref)
            case "growth":
                return self.growth(own, ref)
            case "rank":
                totals = {one: self.sum_of(theirs, ref.by or "", ref) for one, theirs in referrals.items()}
                place = 1 + sum(total > totals[name] for total in totals.values())
                return None if totals[name] == 0 else place
        raise AssertionError(ref)

    def major(self, minor: int) -> Decimal:
        return Decimal(minor) / 10**self.program.minor_digits

    def days_since(self, instant: datetime | None) -> int | None:
        return (
            None
            if instant is None
            else math.floor(Fraction((self.now - instant) // timedelta(microseconds=1), 86_400 * 10**6))
        )

    def versions_of(self, partner: int) -> list[ReferralVersion]:
        return [version for referral, version in self.referrals.values() if referral.partner == partner]

    def counts(self, partner: int, instant: datetime | None, window: Window | None) -> bool:
        if window is None:
            return True
        if instant is None:
            return False
        match window.kind:
            case WindowKind.LAST:
                return self.now - window.length < instant <= self.now
            case WindowKind.PREVIOUS:
                return self.now - 2 * window.length < instant <= self.now - window.length
            case WindowKind.FIRST:
                joined = next(one for one in self.world.partners if one.id == partner).joined_at
                return joined is not None and joined <= instant < joined + window.length

    def metric(self, partner: int, name: str, ref: FactRef) -> int:
        return self.sum_of([(partner, version) for version in self.versions_of(partner)], name, ref)

    def sum_of(self, referrals: Iterable[tuple[int, ReferralVersion]], name: str, ref: FactRef) -> int:
        return sum(
            self.weight(version, name)
            for partner, version in referrals
            if (not ref.methods or version.method in ref.methods)
            and self.counts(partner, self.instant_of(version, name), ref.window)
        )

    def growth(self, referrals: list[tuple[int, ReferralVersion]], ref: FactRef) -> float | None:
        assert ref.window is not None
        start = self.now - ref.window.length
        ended, ongoing = 0, 0
        for _, version in referrals:
            at = self.instant_of(version, ref.by or "")
            if at is not None and start < at <= self.now:
                ongoing += self.weight(version, ref.by or "")
            elif at is not None and start - ref.window.length < at <= start:
                ended += self.weight(version, ref.by or "")
        return ongoing / ended if ended > 0 else None

    def instant_of(self, version: ReferralVersion, name: str) -> datetime | None:
        if name in ("referrals", "open"):
            return version.submitted_at
        return version.qualified_at if name == "qualified" else version.since

    def weight(self, version: ReferralVersion, name: str) -> int:
        match name:
            case "referrals":
                return 1
            case "qualified":
                return int(version.qualified and version.kind != "lost")
            case "open":
                return int(version.kind not in ("won", "lost"))
            case "wins":
                return int(version.kind == "won")
            case "losses":
                return int(version.kind == "lost")
            case "wins_in_doubt":
                return int(version.kind == "won" and version.in_doubt)
            case "revenue":
                return version.amount or 0 if version.kind == "won" else 0
        raise AssertionError(name)

    def rank(self, partner: int, ref: FactRef) -> int | None:
        totals = {
            id_: self.metric(id_, ref.by or "", ref)
            for id_, (_, version) in self.partners.items()
            if version.status == "active"
        }
        own = totals.get(partner, 0)
        return None if own == 0 else 1 + sum(total > own for total in totals.values())

    def reward_amounts(self, partner: Partner, window: Window | None) -> list[int]:
        return [
            reward.amount
            for reward in self.rewards.values()
            if reward.partner == partner.id
            and reward.earned_at is not None
            and not (reward.reversed_at is not None and reward.reversed_at <= self.now)
            and self.counts(partner.id, reward.earned_at, window)
        ]

    # -- tiers ---------------------------------------------------------------------------------------------------------

    def of_tier(self, partner: int, fact: str) -> Found:
        tiers = self.program.tiers
        if tiers is None:
            return None
        reached = self.tier_metric(partner, self.in_tier_period)
        below = [tier for tier in tiers.steps if tier.threshold <= reached]
        above = [tier for tier in tiers.steps if tier.threshold > reached]
        if fact == "tier":
            return below[-1].key if below else None
        if not above:
            return None
        missing = above[0].threshold - reached
        if fact == "next_tier":
            return above[0].key
        return self.major(missing) if tiers.metric == "revenue" else missing

    def tier_metric(self, partner: int, counts: Callable[[datetime | None], bool]) -> int:
        assert self.program.tiers is not None
        metric = self.program.tiers.metric
        return sum(
            self.weight(version, metric)
            for version in self.versions_of(partner)
            if counts(self.instant_of(version, metric)) and (metric == "referrals" or not version.in_doubt)
        )

    def of_tier_before(self, partner: int, fact: str) -> Found:
        tiers = self.program.tiers
        if tiers is None or tiers.period is TierPeriod.ALWAYS:
            return None
        before = self.tier_metric(partner, self.in_tier_period_before)
        held = [tier for tier in tiers.steps if tier.threshold <= before]
        if not held:
            return None
        if fact == "previous_tier":
            return held[-1].key
        missing = max(held[-1].threshold - self.tier_metric(partner, self.in_tier_period), 0)
        return self.major(missing) if tiers.metric == "revenue" else missing

    def done_before(self, partner: int) -> tuple[int, int, int]:
        """Referrals, wins and revenue of the tier period before this one."""
        return tuple(  # type: ignore[return-value]
            sum(
                self.weight(version, metric)
                for version in self.versions_of(partner)
                if self.in_tier_period_before(self.instant_of(version, metric))
            )
            for metric in ("referrals", "wins", "revenue")
        )

    def in_tier_period_before(self, instant: datetime | None) -> bool:
        """The day before the first of this period lies in the one before, and so does all that shares its period."""
        day = self.now
        while self.calendar(day) == self.calendar(self.now):
            day -= DAY
        return instant is not None and self.calendar(instant) == self.calendar(day)

    def pace(self, partner: int, missing: Found) -> float | None:
        end = self.period_end()
        if missing is None or end is None or missing == 0:
            return None
        late = self.tier_metric(partner, lambda at: at is not None and self.now - 90 * DAY < at <= self.now)
        metric = self.program.tiers.metric if self.program.tiers else ""
        whole = int(missing * 10**self.program.minor_digits) if metric == "revenue" else missing  # type: ignore[operator]
        return late * ((end - self.now) / (90 * DAY)) / whole  # type: ignore[operator]

    def in_tier_period(self, instant: datetime | None) -> bool:
        assert self.program.tiers is not None
        if self.program.tiers.period is TierPeriod.ALWAYS:
            return True
        return instant is not None and instant <= self.now and self.calendar(instant) == self.calendar(self.now)

    def calendar(self, instant: datetime) -> tuple[int, int]:
        """The year, and the number of the tier's period in it, on the program's clocks."""
        assert self.program.tiers is not None
        local = instant.astimezone(ZoneInfo(self.program.zone))
        months = {TierPeriod.MONTH: 1, TierPeriod.QUARTER: 3, TierPeriod.YEAR: 12}[self.program.tiers.period]
        return local.year, (local.month - 1) // months

    def days_left(self) -> int | None:
        end = self.period_end()
        return None if end is None else math.floor((end.timestamp() - self.now.timestamp()) / 86_400)

    def period_end(self) -> datetime | None:
        if self.program.tiers is None or self.program.tiers.period is TierPeriod.ALWAYS:
            return None
        day: date = self.now.astimezone(ZoneInfo(self.program.zone)).date()
        while True:
            day += DAY
            midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.program.zone))
            if self.calendar(midnight) != self.calendar(self.now):
                return midnight


def latest(instants: Iterable[datetime | None]) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)


def refs_in(condition: Condition | None) -> list[FactRef]:
    match condition:
        case None:
            return []
        case Test(ref):
            return [ref]
        case Not(part):
            return refs_in(part)
        case All(parts) | AnyOf(parts):
            return [ref for part in parts for ref in refs_in(part)]


def compared(found: Found, comparator: Comparator, value: object) -> bool:
    if comparator is Comparator.EXISTS:
        return (found is not None) is value
    if found is None:
        return False
    match comparator:
        case Comparator.IS:
            return equal(found, value)
        case Comparator.IS_NOT:
            return not equal(found, value)
        case Comparator.IN:
            return any(equal(found, one) for one in value)  # type: ignore[attr-defined]
        case Comparator.AT_LEAST:
            return found >= number(found, value)  # type: ignore[operator]
        case Comparator.AT_MOST:
            return found <= number(found, value)  # type: ignore[operator]
        case Comparator.MORE_THAN:
            return found > number(found, value)  # type: ignore[operator]
        case Comparator.LESS_THAN:
            return found < number(found, value)  # type: ignore[operator]
        case Comparator.BETWEEN:
            low, high = value  # type: ignore[misc]
            return number(found, low) <= found <= number(found, high)  # type: ignore[operator]
    raise AssertionError(comparator)


def equal(found: Found, value: object) -> bool:
    return found == (value if isinstance(found, str | bool) else number(found, value))


def number(found: Found, value: object) -> object:
    """A ratio or an attribute is a double in the store: the author's decimal is read as one."""
    return float(value) if isinstance(found, float) and isinstance(value, Decimal) else value
