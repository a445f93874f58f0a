"""Rules of single campaigns: who enters again, which step comes when, what ends a journey."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.audit.case import Case
from tests.audit.log import Mail
from tests.audit.words import DAY, WEEKDAYS, date_of, duration, quarter, share_of
from tests.audit.world import LEADS

_FIRST_MONDAY = datetime(2016, 10, 3, tzinfo=UTC)


class Campaigns(Case):
    __slots__ = ()

    def only(self) -> Iterator[str]:
        for mail in self.log.of("pilot"):
            least = self.campaigns["pilot"]["only"]["where"][0]["attribute"]["at_least"]
            share = share_of(self.campaigns["pilot"]["only"]["share"])
            if self.world.employees[mail.partner] < least or self.chance("pilot", "only", mail.partner) >= share:
                yield f"{mail}, who is not in the roll-out"

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
            length = duration(rules["again"].removeprefix("after "))
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
            _, tier, period = mail.occasion.split(":")
            begins = quarter(period, self.program["zone"])
            wins = [at for at in self._wins(mail.partner) if begins <= at <= mail.at]
            if not tiers[tier] - 2 <= len(wins) < tiers[tier]:
                yield f"{mail}, with {len(wins)} wins in {period}"

    def _wins(self, partner: str) -> list[datetime]:
        """When the referrals that are won at the end of all changes became so."""
        last: dict[str, Any] = {}
        for change in self.world.changes:
            if change.partner == partner:
                last[change.referral] = change
        return [change.at for change in last.values() if change.status == "won"]

    def episodes(self) -> Iterator[str]:
        """Between two episodes of a partner lies a monday on which the condition did not hold."""
        if "gone-quiet" not in self.campaigns:
            return
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
        if "star-offer" not in self.campaigns:
            return
        rules = self.campaigns["star-offer"]["promotion"]
        zone = ZoneInfo(self.program["zone"])
        start = datetime.combine(date_of(rules["from"]), time(), zone)
        end = datetime.combine(date_of(rules["through"]) + DAY, time(), zone)
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
            kind = next((kind for kind in ("leads", "alert", "first") if kind in mail.step), "second")
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

    def conditions(self) -> Iterator[str]:
        """What a campaign asks of a partner, or of all partners of a company, still holds when its mail goes out."""
        for name in ("kudos", "many-and-none", "fresh-words", "company-letter"):
            rules = self.campaigns.get(name, {})
            for mail in self.log.of(name):
                whose = {mail.partner}
                if rules["for"] == "company":
                    company = self.world.companies[mail.partner]
                    whose = {partner for partner, own in self.world.companies.items() if own == company}
                for test in rules["where"]:
                    ((fact, asked),) = test.items()
                    found = self._how_many(fact, whose, mail.at, duration(asked["last"]))
                    if found < asked.get("at_least", 0) or found != asked.get("is", found):
                        yield f"{mail}, with {found} {fact} in {asked['last']}"

    def _how_many(self, fact: str, whose: set[str], now: datetime, last: timedelta) -> int:
        if fact == "referrals":
            return sum(now - last < at <= now for one in whose for at in self.world.submitted.get(one, ()))
        stands = {one.referral: one for one in self.world.changes if one.partner in whose and one.at <= now}
        return sum(one.status == "won" and now - last < one.at for one in stands.values())

    def stuck_deals(self) -> Iterator[str]:
        """The deal that a mail is about has stood at the status for so many days."""
        for mail in self.log.of("stuck-deal"):
            least, most = self.campaigns["stuck-deal"]["where"][1]["days_in_status"]["between"]
            deal = mail.occasion.split("referral:")[-1]
            stands = [one for one in self.world.changes if one.referral == deal and one.at <= mail.at][-1]
            if stands.status != "opportunity" or not least <= (mail.at - stands.at) // DAY <= most:
                yield f"{mail}, whose deal is {stands.status} since {stands.at:%Y-%m-%d}"

    def rewards(self) -> Iterator[str]:
        """Each reward is told of once, to whom it belongs, when it is earned."""
        expected = Counter((one.partner, one.at) for one in self.world.rewards)
        told = Counter((mail.partner, mail.at) for mail in self.log.of("reward"))
        for key in expected.keys() | told.keys():
            if expected[key] != told[key]:
                yield f"{key}: {expected[key]} rewards earned, {told[key]} mails"

    def answers(self) -> Iterator[str]:
        """The way that an answer leads is gone by those who gave it, and by all of them."""
        partners: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
        for mail in self.log.of("gone-quiet"):
            if mail.step.startswith("alert-"):
                key, _, partner = mail.occasion.partition("|")
                partners["leads" in mail.step].add((partner, key))
        said = {(partner, key) for partner, key in partners[False] if self.world.answers.get(partner) == LEADS}
        yield from (f"{one} did not answer {LEADS}" for one in partners[True] - said)
        yield from (f"{one} answered {LEADS}, and nobody was told" for one in said - partners[True])

    def goals(self) -> Iterator[str]:
        """Nothing comes of a journey after its goal was reached."""
        if "gone-quiet" not in self.campaigns:
            return
        within = duration(self.campaigns["gone-quiet"]["goal"].removeprefix("referral within "))
        zone = ZoneInfo(self.program["zone"])
        for mail in self.log.of("gone-quiet"):
            slot = mail.occasion.split("|")[0].removeprefix("episode:")
            entered = datetime.fromisoformat(slot).replace(tzinfo=zone)
            partner = mail.partner or mail.occasion.split("|")[-1]
            there = [
                at for at in self.world.submitted.get(partner, ()) if entered < at < min(mail.at, entered + within)
            ]
            if there:
                yield f"{mail}, who has referred again on {there[0]:%Y-%m-%d}"
