"""Whether every number of a mail is right: it shows what it was made from, and that is recomputed.

Recomputed is from the list of what happened (`tests.support.life`), by `tests.facts.brute` and the few sums here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from engage.content.template import Template
from engage.domain.conditions import FactRef
from engage.domain.facts import CATALOGUE, Subject
from engage.domain.windows import Window, WindowKind
from tests.facts.brute import Brute
from tests.support.engage import ROOT
from tests.support.life import Deal, Life
from tests.support.partners_year import Received

_LAST_MONTH = Window(WindowKind.LAST, timedelta(days=30))
_NUMBER = re.compile(r"\d[\d.,\u00a0\u202f]*")
_URL = re.compile(r"https?://\S+|\S+@\S+|<[^>]*>")
_NOT_NUMBERS = {"partner.address_id", "program.minor_digits"}
_STATIC = ("_blocks.txt", "_layout.txt")


@dataclass
class Checked:
    """How much has been looked at: so that a test cannot pass for want of numbers."""

    values: int = 0
    names: set[str] = field(default_factory=set)


def wrong_numbers(
    life: Life, mail: Received, template: Template, context: Mapping[str, Any], checked: Checked
) -> Iterator[str]:
    """What is wrong with the numbers of a mail, in words."""
    expected = _Expected(life, mail, template, context)
    for name in sorted(template.needs & context.keys()):
        for path, value in _leaves(name, context[name]):
            if path in _NOT_NUMBERS:
                continue
            checked.values += 1
            checked.names.add(name)
            right = expected.of(path)
            same = abs(right - value) < 1e-6 if isinstance(value, float) and right is not None else right == value
            if not same:
                yield f"{path} is {value!r}, and was {right!r}"
    yield from _unexplained(mail, template, context)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, int | float | date | None]]:
    match value:
        case bool() | str():
            return
        case int() | float() | date():
            yield path, value
        case None if path.partition(".")[0] in ("tier", "facts", "last_period") and "." in path:
            yield path, None
        case Mapping():
            for key, one in value.items():
                yield from _leaves(f"{path}.{key}", one)
        case list() | tuple():
            for number, one in enumerate(value):
                yield from _leaves(f"{path}[{number}]", one)


class _Expected:
    """What the values of one mail's context ought to be, by their path."""

    def __init__(self, life: Life, mail: Received, template: Template, context: Mapping[str, Any]) -> None:
        self.life, self.mail, self.template, self.context = life, mail, template, context
        self.brute = life.as_of(mail.at)
        self.person = life.people[mail.partner]
        self.tiers = life.program.tiers
        assert self.tiers is not None

    def of(self, path: str) -> Any:
        name, _, rest = path.partition(".")
        match name:
            case "partner":
                return self.person.joined_at
            case "tier":
                return self._tier(rest)
            case "last_period":
                return self._last_period(rest)
            case "referral":
                return self._referral(self.life.deals[self.mail.referral or ""], rest)
            case "reward":
                return self._reward(rest)
            case "facts":
                return self._fact(self.template.facts[rest])
            case "promotion":
                return self._promotion(rest)
        found = re.fullmatch(r"(leaders|kudos)\[(\d+)\]", name)
        assert found is not None, f"nobody has said what {path} ought to be"
        return self._leader(int(found[2]), rest) if found[1] == "leaders" else self._kudos(int(found[2]), rest)

    def _tier(self, name: str) -> Any:
        assert self.tiers is not None
        her, tiers = self.person.id, self.tiers
        reached = self.brute.tier_metric(her, self.brute.in_tier_period)
        above = [tier for tier in tiers.steps if tier.threshold > reached]
        match name:
            case "value":
                return reached if above else None
            case "threshold":
                return above[0].threshold if above else None
            case "to_next":
                return above[0].threshold - reached if above else None
            case "share":
                return reached / above[0].threshold if above else 1.0
            case "days_left":
                return self.brute.days_left()
            case "keep":
                return self.brute.of_tier_before(her, "to_keep_tier")
            case "pace":
                pace = self.brute.pace(her, self.brute.of_tier(her, "to_next_tier"))
                return None if pace is None else floor(pace * (above[0].threshold - reached) + 1e-9)
            case "reached" | "next" | "previous":
                return None  # a label, which is empty
        raise AssertionError(name)

    def _last_period(self, name: str) -> Any:
        done = dict(zip(("referrals", "wins", "revenue"), self.brute.done_before(self.person.id), strict=True))
        return done.get(name)

    def _referral(self, deal: Deal, name: str) -> Any:
        at = self.mail.at
        match name:
            case "amount":
                return deal.record.amount
            case "submitted_at":
                return deal.way[0][0]
            case "status_at":
                return [when for when, _ in deal.way if when <= at][-1]
        raise AssertionError(name)

    def _reward(self, name: str) -> Any:
        """Which reward it is follows from its amount and referral; what is said of it must be of one of them."""
        given = self.context["reward"]
        mine = [one for one in self.life.rewards.values() if one.partner == self.mail.partner]
        (one, *_) = [one for one in mine if one.external_id == given["external_id"]]
        later = [
            other
            for other in mine
            if other.referral == one.referral
            and other.expected_at is not None
            and other.expected_at > self.mail.at
            and not (other.earned_at is not None and other.earned_at <= self.mail.at)
        ]
        match name:
            case "amount" | "earned_at" | "due_at":
                return getattr(one, name)
            case "paid_at":
                return one.paid_at if one.paid_at is not None and one.paid_at <= self.mail.at else None
            case "later_amount":
                return sum(other.amount for other in later) or None
            case "later_at":
                return min((other.expected_at for other in later if other.expected_at), default=None)
        raise AssertionError(name)

    def _fact(self, ref: FactRef) -> Any:
        deal = self.life.deals.get(self.mail.referral or "")
        subject = Subject.PARTNER if CATALOGUE[ref.fact].subject is Subject.PARTNER else Subject.REFERRAL
        found = self.brute.value(subject, self.person.id, deal.id if deal else 0, ref)
        if isinstance(found, Decimal):
            return int(found * 10**self.life.program.minor_digits)
        return None if isinstance(found, str) or found == float("inf") else found

    def _promotion(self, name: str) -> Any:
        given = self.context["promotion"]
        first, last = given["from"], given["through"]
        match name:
            case "from" | "through":
                return given[name]  # of the file; the others follow from it
            case "bonus":
                return 50_00
        zone = ZoneInfo(self.life.program.zone)
        submitted = [deal.way[0][0] for deal in self.life.of(self.mail.partner)]
        made = sum(at <= self.mail.at and first <= at.astimezone(zone).date() <= last for at in submitted)
        return made if name == "mine.count" else made * 50_00

    def _ranked(self, metric: str) -> list[int]:
        """Of all active partners, the most first, as of the full hour."""
        hour = self.mail.at.replace(minute=0, second=0, microsecond=0)
        brute: Brute = self.life.as_of(hour)
        ref = FactRef(metric, _LAST_MONTH)
        active = [id_ for id_, (_, version) in brute.partners.items() if version.status == "active"]
        return sorted((one for id_ in active if (one := brute.metric(id_, metric, ref))), reverse=True)

    def _leader(self, number: int, name: str) -> int:
        wins = self._ranked("wins")
        return wins[number] if name == "value" else 1 + sum(one > wins[number] for one in wins)

    def _kudos(self, number: int, name: str) -> int:
        return 1 if name == "place" else self._ranked(self.context["kudos"][number]["what"])[0]


# --- what a reader sees -----------------------------------------------------------------------------------------------


def _unexplained(mail: Received, template: Template, context: Mapping[str, Any]) -> Iterator[str]:
    """The numbers in a mail's text that stand neither in what it was made from nor in the email's own words."""
    static = (ROOT / "email_templates" / template.path).read_text() if template.path else ""
    static += "".join((ROOT / "email_templates" / name).read_text() for name in _STATIC)
    static += (ROOT / "campaigns" / "program.yaml").read_text()
    known = set(map(_digits, _NUMBER.findall(static)))
    for name in template.needs & context.keys():
        for _, value in _leaves(name, context[name]):
            known |= set(_shown(value))
        known |= set(map(_digits, _NUMBER.findall(" ".join(_texts(context[name])))))
    for found in _NUMBER.findall(_URL.sub(" ", mail.message.text)):
        if _digits(found) not in known:
            yield f"nothing says where '{found}' comes from"


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for one in value.values():
                yield from _texts(one)
        case list() | tuple():
            for one in value:
                yield from _texts(one)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _shown(value: int | float | date | None) -> Iterator[str]:
    """How a value may be written, digits only: amounts with and without cents, dates by their parts."""
    match value:
        case datetime():
            for hours in (-12, 0, 12):  # whatever the reader's zone
                yield from _shown((value + timedelta(hours=hours)).date())
        case date():
            yield from (str(value.year), str(value.month), str(value.day), f"{value:%d%m%Y}", f"{value:%d%m%y}")
        case int():
            yield str(value)
            yield str(value // 100) if value % 100 == 0 else str(value)
            yield str(value // 100)
        case float():
            yield str(round(value * 100))
