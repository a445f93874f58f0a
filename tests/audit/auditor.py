"""The auditor: reads what was sent, what was not and why, the rules as their author wrote them, and the world; finds
every rule that was broken.

It shares no code with engage. What it knows of the rules it has from docs/campaigns.md and docs/program.md.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from tests.audit.world import World

DAY = timedelta(days=1)
COUNTRIES = {
    "America/New_York": "US",
    "Pacific/Auckland": "NZ",
    "Europe/London": "GB",
    "Australia/Lord_Howe": "AU",
    "Asia/Kathmandu": "NP",
    "America/Los_Angeles": "US",
    "Europe/Berlin": "DE",
    "Asia/Tokyo": "JP",
}
WEEKDAYS = frozenset(range(5))
_FIRST_MONDAY = datetime(2016, 10, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mail:
    """One line of mails.csv."""

    campaign: str
    step: str
    partner: str  # "" for mail to staff
    recipient: str
    occasion: str
    at: datetime
    subject: str

    @property
    def to_partner(self) -> bool:
        return self.recipient.startswith("partner:")

    def __str__(self) -> str:
        return f"{self.campaign} to {self.recipient} at {self.at:%Y-%m-%d %H:%M}Z ({self.occasion})"


@dataclass(frozen=True, slots=True)
class NotSent:
    """One line of not_sent.csv."""

    campaign: str
    step: str
    whom: str
    occasion: str
    decision: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Log:
    mails: list[Mail]
    not_sent: list[NotSent]

    def of(self, *campaigns: str) -> list[Mail]:
        return [mail for mail in self.mails if mail.campaign in campaigns]


def read_mails(rows: Iterable[dict[str, str]]) -> list[Mail]:
    names = ("campaign", "step", "partner", "recipient", "occasion", "subject")
    return [Mail(**{name: row[name] for name in names}, at=datetime.fromisoformat(row["at"])) for row in rows]


def read_not_sent(rows: Iterable[dict[str, str]]) -> list[NotSent]:
    names = ("campaign", "step", "whom", "occasion", "decision", "reason")
    return [NotSent(**{name: row[name] for name in names}, at=datetime.fromisoformat(row["at"])) for row in rows]


Rules = dict[str, Any]
"""A YAML file as any reader of YAML reads it."""


@dataclass(slots=True)
class Auditor:
    """`program` is the one program of program.yaml under `key`; `campaigns` are the files by their campaign's name."""

    key: str
    program: Rules
    campaigns: dict[str, Rules]
    world: World
    log: Log
    _holidays: dict[str, Any] = field(default_factory=dict)

    def breaches(self) -> list[str]:
        """All that was broken, each as a sentence that begins with the rule's name."""
        checks: tuple[Callable[[], Iterator[str]], ...] = (
            self.once,
            self.caps,
            self.quiet_hours,
            self.send_windows,
            self.public_holidays,
            self.refused_topics,
            self.opt_in,
            self.rhythms,
            self.storms,
            self.held_out,
            self.control_group,
            self.only,
            self.variants,
            self.rotation,
            self.never_again,
            self.again_after,
            self.each_slot,
            self.tier_periods,
            self.episodes,
            self.promotion,
            self.journeys,
            self.arbitration,
            self.shared_addresses,
            self.sunset,
        )
        return [f"{check.__name__}: {said}" for check in checks for said in check()]

    # --- what the rules say -------------------------------------------------------------------------------------------

    def topic(self, campaign: str) -> Rules:
        if campaign not in self.campaigns:  # the daily mail of a topic
            return self.program["topics"][campaign.removesuffix("-daily")]  # type: ignore[no-any-return]
        return self.program["topics"][self.campaigns[campaign]["topic"]]  # type: ignore[no-any-return]

    def topic_key(self, campaign: str) -> str:
        return str(self.campaigns[campaign]["topic"]) if campaign in self.campaigns else campaign.removesuffix("-daily")

    def is_marketing(self, mail: Mail) -> bool:
        return bool(self.topic(mail.campaign)["kind"] == "marketing") and not mail.step.startswith("alert-")

    def marketing(self) -> list[Mail]:
        """Marketing mail to partners."""
        return [mail for mail in self.log.mails if mail.to_partner and self.is_marketing(mail)]

    def local(self, mail: Mail) -> datetime:
        return mail.at.astimezone(ZoneInfo(self.world.zones[mail.partner]))

    # --- the rules ----------------------------------------------------------------------------------------------------

    def once(self) -> Iterator[str]:
        """One occasion, one delivery."""
        seen = Counter((m.campaign, m.step, m.recipient, m.occasion) for m in self.log.mails)
        yield from (f"{key} went out {count} times" for key, count in seen.items() if count > 1)

    def caps(self) -> Iterator[str]:
        """At most so many mails in any stretch of so long."""
        whose: dict[str, Callable[[Mail], str]] = {
            "partner": lambda mail: mail.partner,
            "company": lambda mail: mail.partner,  # each account is a company with one partner
            "address": lambda mail: self.world.emails[mail.partner],
            "program": lambda _: self.key,
        }
        for cap in self.program["frequency_caps"]:
            length, most = _duration(cap["in"]), cap["at_most"]
            of: dict[str, list[Mail]] = defaultdict(list)
            for mail in self.marketing():
                if "topic" not in cap or self.topic_key(mail.campaign) == cap["topic"]:
                    of[whose[cap["per"]](mail)].append(mail)
            for key, mails in of.items():
                mails.sort(key=lambda mail: mail.at)
                for number, mail in enumerate(mails):
                    before = [one for one in mails[: number + 1] if one.at > mail.at - length]
                    if len(before) > most:
                        yield f"{key} got {len(before)} mails within {cap['in']} ({most} allowed): {mail}"

    def quiet_hours(self) -> Iterator[str]:
        begins, ends = _time(self.program["quiet_hours"]["from"]), _time(self.program["quiet_hours"]["to"])
        for mail in self.marketing():
            clock = self.local(mail).time()
            if clock >= begins or clock < ends:  # they run over midnight
                yield f"{mail}, when it is {clock} there"

    def send_windows(self) -> Iterator[str]:
        for mail in self.marketing():
            window = self.topic(mail.campaign).get("send_window")
            if window is None:
                continue
            local = self.local(mail)
            days = WEEKDAYS if window["days"] == "weekdays" else frozenset(range(7))
            if local.weekday() not in days or not _time(window["from"]) <= local.time() < _time(window["to"]):
                yield f"{mail}, when it is {local:%A %H:%M} there"

    def public_holidays(self) -> Iterator[str]:
        if not self.program["holidays"]:
            return
        for mail in self.marketing():
            if self._is_holiday(self.world.zones[mail.partner], self.local(mail).date()):
                yield f"{mail}, which is a holiday there"

    def _is_holiday(self, zone: str, day: date) -> bool:
        country = COUNTRIES[zone]
        if country not in self._holidays:
            self._holidays[country] = holidays.country_holidays(country)
        return day in self._holidays[country]

    def refused_topics(self) -> Iterator[str]:
        for refusal in self.world.refusals:
            for mail in self.marketing():
                mine = mail.partner == refusal.partner and self.topic_key(mail.campaign) == refusal.topic
                if mine and mail.at >= refusal.at:
                    yield f"{mail}, refused on {refusal.at:%Y-%m-%d}"

    def opt_in(self) -> Iterator[str]:
        for mail in self.marketing():
            if self.topic(mail.campaign).get("opt_in") and mail.partner not in self.world.opted_in:
                yield f"{mail}, who never said yes"

    def rhythms(self) -> Iterator[str]:
        """Daily: one mail at the hour of the topic, there, and none at once. Off: none."""
        days: Counter[tuple[str, date]] = Counter()
        for mail in self.log.mails:
            topic = self.topic(mail.campaign)
            if not mail.to_partner or "gather" not in topic:
                continue
            rhythm, digest = self.world.rhythms.get(mail.partner, "instant"), mail.campaign not in self.campaigns
            if digest != (rhythm == "daily") or rhythm == "off":
                yield f"{mail}, whose rhythm is {rhythm}"
            if digest:
                local = self.local(mail)
                days[mail.partner, local.date()] += 1
                if local.time() != _time(topic["gather"]["at"]):
                    yield f"{mail}, when it is {local:%H:%M} there"
        yield from (f"{key} got {count} daily mails" for key, count in days.items() if count > 1)

    def storms(self) -> Iterator[str]:
        """Who hears at once hears of each change that lasted, once; a storm is one mail about its last."""
        collapse = _duration(self.program["topics"]["referral-status"]["collapse"])
        told = Counter((m.campaign, m.partner) for m in self.log.mails if m.to_partner)
        expected: Counter[tuple[str, str]] = Counter()
        rank = {rung["status"]: number for number, rung in enumerate(self.program["ladder"])}
        of: dict[str, list[Any]] = defaultdict(list)
        for change in self.world.changes:
            of[change.referral].append(change)
        for changes in of.values():
            for change in _told(changes, collapse, rank):
                if self.world.rhythms.get(change.partner, "instant") == "instant":
                    expected[change.status, change.partner] += 1
        for status in ("opportunity", "won", "lost"):
            for partner in self.world.partners:
                if told[status, partner] != expected[status, partner]:
                    yield f"{partner} heard {told[status, partner]} times of {status}, not {expected[status, partner]}"

    def held_out(self) -> Iterator[str]:
        for name, rules in self.campaigns.items():
            share = _share(rules.get("holdout", "0%"))
            for mail in self.log.of(name) if share else ():
                if mail.partner and self._chance(name, "holdout", mail.partner) < share:
                    yield f"{mail}, who is held out"

    def control_group(self) -> Iterator[str]:
        share = _share(self.program["control_group"])
        for mail in self.marketing():
            if self._chance("control", mail.partner) < share:
                yield f"{mail}, who is in the control group"

    def only(self) -> Iterator[str]:
        for mail in self.log.of("pilot"):
            least = self.campaigns["pilot"]["only"]["where"][0]["attribute"]["at_least"]
            share = _share(self.campaigns["pilot"]["only"]["share"])
            if self.world.employees[mail.partner] < least or self._chance("pilot", "only", mail.partner) >= share:
                yield f"{mail}, who is not in the roll-out"

    def _chance(self, *parts: str) -> float:
        """As docs/experiments.md says: the first 53 bits of a SHA-256 of the program's key and the parts."""
        digest = hashlib.sha256("\x1f".join((self.key, *parts)).encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

    def variants(self) -> Iterator[str]:
        """Each partner always gets the same variant."""
        got: dict[str, set[str]] = defaultdict(set)
        for mail in self.log.of("weekly-tip"):
            got[mail.partner].add(mail.subject)
        yield from (f"{partner} got {subjects}" for partner, subjects in got.items() if len(subjects) > 1)

    def rotation(self) -> Iterator[str]:
        """Nobody gets the same words twice."""
        got = Counter((mail.partner, mail.subject) for mail in self.log.of("fresh-words"))
        yield from (f"{key} came {count} times" for key, count in got.items() if count > 1)

    def never_again(self) -> Iterator[str]:
        stuck = Counter(mail.occasion for mail in self.log.of("stuck-deal"))
        yield from (f"{key} came {count} times" for key, count in stuck.items() if count > 1)
        offers = Counter((mail.partner, mail.step) for mail in self.log.of("star-offer"))
        yield from (f"{key} came {count} times" for key, count in offers.items() if count > 1)

    def again_after(self) -> Iterator[str]:
        """Entries lie so far apart; an entry is named by its slot."""
        for name, rules in self.campaigns.items():
            if not str(rules.get("again", "")).startswith("after "):
                continue
            length = _duration(rules["again"].removeprefix("after "))
            of: dict[str, set[datetime]] = defaultdict(set)
            for mail in self.log.of(name):
                of[mail.partner].add(datetime.fromisoformat(mail.occasion[:16]))
            for partner, slots in of.items():
                for one, other in zip(sorted(slots), sorted(slots)[1:], strict=False):
                    if other - one < length - timedelta(hours=1):  # clocks change
                        yield f"{name}: {partner} entered on {one} and again on {other}"

    def each_slot(self) -> Iterator[str]:
        for name in ("monthly", "weekly-tip"):
            got = Counter((mail.partner, mail.occasion) for mail in self.log.of(name))
            yield from (f"{name} {key} came {count} times" for key, count in got.items() if count > 1)

    def tier_periods(self) -> Iterator[str]:
        """Near the next tier when entering, and once a tier and quarter."""
        tiers = {step["tier"]: step["threshold"] for step in self.program["tiers"]["steps"]}
        for mail in self.log.of("near-tier"):
            _, tier, quarter = mail.occasion.split(":")
            begins = _quarter(quarter, self.program["zone"])
            wins = [at for at in self._wins(mail.partner) if begins <= at <= mail.at]
            if not tiers[tier] - 2 <= len(wins) < tiers[tier]:
                yield f"{mail}, with {len(wins)} wins in {quarter}"

    def _wins(self, partner: str) -> list[datetime]:
        """When the referrals that are won at the end of all changes became so."""
        last: dict[str, Any] = {}
        for change in self.world.changes:
            if change.partner == partner:
                last[change.referral] = change
        return [change.at for change in last.values() if change.status == "won"]

    def episodes(self) -> Iterator[str]:
        """Between two episodes of a partner lies a monday on which the condition did not hold."""
        days = self.campaigns["gone-quiet"]["where"][0]["days_since_referral"]["at_least"]
        opened: dict[str, set[str]] = defaultdict(set)
        for mail in self.log.of("gone-quiet"):
            opened[mail.partner or mail.occasion.split("|")[-1]].add(mail.occasion.split("|")[0])
        zone = ZoneInfo(self.program["zone"])
        for partner, keys in opened.items():
            if partner not in self.world.zones:
                continue
            slots = sorted(datetime.fromisoformat(key.removeprefix("episode:")).replace(tzinfo=zone) for key in keys)
            for slot in slots:
                goes_on = self._quiet(partner, slot - 7 * DAY, days) and slot - 7 * DAY >= _FIRST_MONDAY
                if goes_on or not self._quiet(partner, slot, days):
                    yield f"{partner}: no episode of gone-quiet can have opened on {slot:%Y-%m-%d}"

    def _quiet(self, partner: str, at: datetime, days: int) -> bool:
        last = max((one for one in self.world.submitted.get(partner, ()) if one <= at), default=None)
        return last is not None and (at.astimezone(UTC) - last) // DAY >= days

    def promotion(self) -> Iterator[str]:
        rules = self.campaigns["star-offer"]["promotion"]
        zone = ZoneInfo(self.program["zone"])
        start = datetime.combine(_date(rules["from"]), time(), zone)
        end = datetime.combine(_date(rules["through"]) + DAY, time(), zone)
        for mail in self.log.of("star-offer"):
            words = mail.subject
            early, late = {"Offer": (start, end - 5 * DAY), "Offer last": (end - 5 * DAY, end + DAY)}.get(
                words, (end + DAY, end + 12 * DAY)
            )
            patience = 5 * DAY  # send_within: a mail of one stretch may still go out in the next
            if not early <= mail.at < late + patience:
                yield f"{mail}: '{words}' at this time of the promotion"

    def journeys(self) -> Iterator[str]:
        """The second mail comes six days or more after the first, the alert on a weekday at ten, there, or later."""
        steps: dict[tuple[str, str], dict[str, Mail]] = defaultdict(dict)
        for mail in self.log.of("gone-quiet"):
            partner = mail.partner or mail.occasion.split("|")[-1]
            key = (partner, mail.occasion.split("|")[0])
            kind = "alert" if mail.step.startswith("alert") else "first" if "first" in mail.step else "second"
            if kind in steps[key]:
                yield f"{mail}: a second {kind} of one journey"
            steps[key][kind] = mail
        for (partner, _), found in steps.items():
            if "second" in found and "first" in found and found["second"].at - found["first"].at < 6 * DAY:
                yield f"{found['second']}: only {found['second'].at - found['first'].at} after the first"
            if "alert" in found and "second" in found and found["alert"].at <= found["second"].at:
                yield f"{found['alert']}: not after the second mail"
            if "alert" in found and partner in self.world.zones:
                local = found["alert"].at.astimezone(ZoneInfo(self.world.zones[partner]))
                if local.weekday() not in WEEKDAYS or not time(10) <= local.time() <= time(11):
                    yield f"{found['alert']}, when it is {local:%A %H:%M} there"

    def arbitration(self) -> Iterator[str]:
        """Who lost a contest lost it to a better rank, or to what had gone out before: never to a lower rank alone."""
        rank = {name: number for number, name in enumerate(self.program["order"])}
        sent: dict[str, list[Mail]] = defaultdict(list)
        for mail in self.marketing():
            sent[mail.partner].append(mail)
        caps = [cap for cap in self.program["frequency_caps"] if cap["per"] == "partner" and "topic" not in cap]
        for lost in self.log.not_sent:
            if lost.reason != "frequency_cap" or lost.whom not in self.world.zones or lost.campaign not in rank:
                continue
            mine = rank[lost.campaign]
            rivals = [m for m in sent[lost.whom] if abs(m.at - lost.at) < timedelta(minutes=1)]
            worse = [m for m in rivals if rank.get(m.campaign, len(rank)) > mine]
            for winner in worse:
                before = [m for m in sent[lost.whom] if m not in worse and m.at <= lost.at]
                full = any(sum(m.at > lost.at - _duration(cap["in"]) for m in before) >= cap["at_most"] for cap in caps)
                if not full and not self._other_caps_full(lost, winner):
                    yield f"{winner} won over {lost.campaign}, which comes before it in the order"

    def _other_caps_full(self, lost: NotSent, winner: Mail) -> bool:
        """Whether a cap that the winner is not held to can have been full: of another topic, or the program's."""
        cap = next(cap for cap in self.program["frequency_caps"] if cap["per"] == "program")
        day = [m for m in self.marketing() if lost.at - _duration(cap["in"]) < m.at <= lost.at]
        if len(day) >= cap["at_most"]:
            return True
        topics = {cap["topic"] for cap in self.program["frequency_caps"] if "topic" in cap}
        shared = (
            self.world.emails[lost.whom] != ""
            and list(self.world.emails.values()).count(self.world.emails[lost.whom]) > 1
        )
        return shared or (
            self.topic_key(lost.campaign) in topics and self.topic_key(winner.campaign) != self.topic_key(lost.campaign)
        )

    def shared_addresses(self) -> Iterator[str]:
        """Two partners with one address get one mail of a kind on one slot."""
        got: Counter[tuple[str, str, str]] = Counter()
        for mail in self.marketing():
            if self.campaigns.get(mail.campaign, {}).get("again") == "each slot":
                got[mail.campaign, self.world.emails[mail.partner], mail.occasion] += 1
        yield from (f"{key} came {count} times" for key, count in got.items() if count > 1)

    def sunset(self) -> Iterator[str]:
        """Who gave no sign of life gets little, then nothing: here referrals are the only signs."""
        rules = self.program["sunset"]
        light_after, light, rest = (_duration(rules[key]) for key in ("light_after", "light", "rest_after"))
        of: dict[str, list[Mail]] = defaultdict(list)
        for mail in self.marketing():
            of[mail.partner].append(mail)
        for partner, mails in of.items():
            for number, mail in enumerate(mails):
                last = max((at for at in self.world.submitted.get(partner, ()) if at <= mail.at), default=None)
                if last is None:
                    continue
                if mail.at - last >= rest:
                    yield f"{mail}, {mail.at - last} after their last sign of life"
                elif mail.at - last >= light_after:
                    before = [m for m in mails[:number] if m.at > mail.at - light]
                    if before:
                        yield f"{mail}, within {rules['light']} of {before[-1]}"


def _told(changes: list[Any], collapse: timedelta, rank: dict[str, int]) -> Iterator[Any]:
    """The changes of one referral of which an instant reader hears."""
    told: list[Any] = []
    storm: list[Any] = []
    for change in [*(c for c in changes if c.status in ("opportunity", "won", "lost")), None]:
        if storm and (change is None or change.at >= storm[0].at + collapse):
            before = told[-1] if told else None
            last = storm[-1]
            undone = len(storm) > 1 and rank[last.status] < max(rank[one.status] for one in storm)
            taken_back = before is not None and rank[last.status] < rank[before.status]
            if not undone or taken_back:
                told.append(last)
            storm = []
        if change is not None:
            storm.append(change)
    yield from told


def _duration(text: str) -> timedelta:
    units = {"w": timedelta(weeks=1), "d": DAY, "h": timedelta(hours=1), "m": timedelta(minutes=1)}
    return int(text[:-1]) * units[text[-1]]


def _time(text: str) -> time:
    return time.fromisoformat(text)


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / 100


def _quarter(text: str, zone: str) -> datetime:
    year, number = text.split("-Q")
    return datetime(int(year), 3 * int(number) - 2, 1, tzinfo=ZoneInfo(zone))
