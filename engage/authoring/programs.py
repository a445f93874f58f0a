"""Reads `program.yaml` and the files beside it: the programs, each with brand, ladder, tiers, topics and feeds."""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision, list_currencies
from email_validator import EmailNotValidError, validate_email

from engage.authoring.caps import PROGRAM_KEYS as CAPS
from engage.authoring.caps import read_dispatch_window, read_frequency_caps
from engage.authoring.document import Mapping as MappingNode
from engage.authoring.document import Node, Scalar
from engage.authoring.experiments import read_control_group
from engage.authoring.hours import PROGRAM_KEYS, ProgramHours
from engage.authoring.inheritance import KEYS as INHERITANCE
from engage.authoring.inheritance import inheriting
from engage.authoring.link_tags import read_link_tags
from engage.authoring.program_files import written_programs
from engage.authoring.reader import Fields, Reader, did_you_mean
from engage.authoring.topics import read_sunset, read_topics
from engage.authoring.tracking import read_tracking
from engage.authoring.words import read_words
from engage.domain.facts import METRICS, FactType, Feed
from engage.domain.programs import (
    ALERTED,
    PARTNER_PLACE,
    Brand,
    Desk,
    Program,
    Status,
    StatusKind,
    Tier,
    TierPeriod,
    Tiers,
)

_REQUIRED = ("name", "brand", "zone", "locale", "currency", "ladder", "topics", "feeds")
_OPTIONAL = (
    "default_owner",
    "desks",
    "tiers",
    "attributes",
    "named_with",
    "limits",
    "order",
    "sunset",
    "control_group",
    "link_tags",
    "tracking",
    "locales",
    "words",
    *INHERITANCE,
    *PROGRAM_KEYS,
    *CAPS,
)
KEYS = (*_REQUIRED, *_OPTIONAL)
"""Every key of a program."""
_BRAND_REQUIRED = ("from", "postal_address", "portal_url", "refer_url")
_BRAND_OPTIONAL = ("reply_to", "logo", "color", "accent", "mark", "ally", "ally_mark", "register_url", "share_url")
_LIMITS = {"status_changes_per_hour": 1000}
_ATTRIBUTE_TYPES = (FactType.TEXT, FactType.NUMBER, FactType.BOOLEAN)
_INDISPENSABLE = (StatusKind.SUBMITTED, StatusKind.WON)
"""Without these no referral begins and none is counted as a win."""

Value = TypeVar("Value")

MARK = re.compile(r"\S{1,3}")
"""What fits into a coloured square."""
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_SENDER = re.compile(r'"?(?P<name>[^<>"]*[^<>"\s])"?\s*<(?P<address>[^<>]*)>')
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


_NONE: Mapping[str, str] = MappingProxyType({})


def parse_programs(source: str, path: str, further: Mapping[str, str] = _NONE) -> dict[str, Program]:
    """The programs that `source` describes, by key, in the order written. A function of its arguments only.

    `further` has, by path, the text of each file that holds one more program.
    Raises AuthoringError with every problem.
    """
    programs, reader = read_programs(source, path, further)
    reader.finish()
    return programs


def read_programs(source: str, path: str, further: Mapping[str, str] = _NONE) -> tuple[dict[str, Program], Reader]:
    """The programs as far as they can be read, and the reader with the problems found.

    With problems, the programs hold placeholders: good for checking campaigns against, not for running them.
    Raises AuthoringError where a file is no YAML at all.
    """
    reader = Reader(path)
    programs: dict[str, Program] = {}
    written = written_programs(reader, source, further)
    merged = inheriting(reader, written)
    for key, _ in written:
        name, whole = reader.name(key, "a program's key"), merged[key.text]
        programs[name] = _ProgramReader(reader, whole.node, name, whole.ancestors).read()
    reader.problems = list(dict.fromkeys(reader.problems))  # a parent's are those of whoever inherits them, too
    return programs, reader


def names_listed(source: str, path: str, further: Mapping[str, str], listed: str) -> list[tuple[str, Scalar]]:
    """(program's key, a campaign's name with its place) for each entry of each list `listed` in sound files."""
    reader = Reader(path)
    return [
        (key.text, item)
        for key, program in written_programs(reader, source, further)
        for item in reader.fields(program, "program", _REQUIRED, _OPTIONAL).items(listed)
        if isinstance(item, Scalar)
    ]


class _ProgramReader:
    def __init__(self, reader: Reader, node: Node, key: str, ancestors: tuple[str, ...]) -> None:
        self.reader = reader
        self.key = key
        self.ancestors = ancestors
        self.fields = reader.fields(node, f"program '{key}'", _REQUIRED, _OPTIONAL)

    def read(self) -> Program:
        fields = self.fields
        currency = fields.parsed("currency", _currency, "USD")
        digits = get_currency_precision(currency)
        zone = fields.parsed("zone", _zone, "UTC")
        hours = ProgramHours.read(fields, zone)
        topics = read_topics(self.reader, fields, hours)
        return Program(
            key=self.key,
            brand=self._brand(),
            zone=zone,
            locale=fields.parsed("locale", _locale, "en"),
            currency=currency,
            minor_digits=digits,
            ladder=self._ladder(),
            tiers=self._tiers(digits),
            topics=topics,
            feeds=self._feeds(),
            order=self._order(),
            default_owner=fields.parsed("default_owner", _email),
            desks=self._desks(),
            attributes=(attributes := self._attributes()),
            named_with=self._named_with(attributes),
            status_changes_per_hour=self._limit("status_changes_per_hour"),
            frequency_caps=read_frequency_caps(fields, topics),
            dispatch_window=read_dispatch_window(fields),
            quiet_hours=hours.quiet,
            holidays=hours.holidays,
            country=hours.country,
            control_group=read_control_group(fields),
            sunset=read_sunset(fields),
            link_tags=read_link_tags(fields),
            tracking=read_tracking(fields),
            locales=self._locales(),
            ancestors=self.ancestors,
            without=self._without(),
            words=read_words(self.fields),
        )

    def _brand(self) -> Brand:
        name = self.fields.text("name")
        if "brand" not in self.fields:
            return Brand(name, name, "", "", "", "", "")
        fields = self.reader.fields(self.fields["brand"], "brand", _BRAND_REQUIRED, _BRAND_OPTIONAL)
        from_name, from_email = _name_and_address(fields.parsed("from", _sender))
        if "ally_mark" in fields and "ally" not in fields:
            self.reader.problem(fields["ally_mark"], "'ally_mark' stands beside the name of an ally", "add ally: …")
        colors = {key: fields.parsed(key, _color) for key in ("color", "accent") if key in fields}
        return Brand(
            name=name,
            from_name=from_name or name,
            from_email=from_email,
            reply_to=fields.parsed("reply_to", _email, from_email),
            postal_address=fields.text("postal_address"),
            portal_url=fields.parsed("portal_url", _url),
            refer_url=fields.parsed("refer_url", _url),
            logo=fields.parsed("logo", _url),
            mark=fields.parsed("mark", _mark),
            ally=fields.text("ally"),
            ally_mark=fields.parsed("ally_mark", _mark),
            register_url=fields.parsed("register_url", _url_of_a_partner),
            share_url=fields.parsed("share_url", _url_of_a_partner),
            **colors,
        )

    def _ladder(self) -> tuple[Status, ...]:
        ladder: dict[str, Status] = {}
        for node in self.fields.items("ladder"):
            fields = self.reader.fields(node, "a status", ("status", "label"), ("kind", "next"))
            key = fields.name("status", "a status")
            status = Status(key, self._kind(fields, key), fields.text("label"), fields.text("next"))
            self._add(ladder, key, status, fields, "status")
        for kind in _INDISPENSABLE:
            if ladder and not any(status.kind is kind for status in ladder.values()):
                message = f"no status of the ladder is of kind {kind}"
                self.reader.problem(self.fields["ladder"], message, f"add one, or say kind: {kind}")
        return tuple(ladder.values())

    def _kind(self, fields: Fields, key: str) -> StatusKind:
        kind = fields.member("kind", StatusKind)
        if kind is None and key in tuple(StatusKind):
            return StatusKind(key)
        if "kind" not in fields and key:
            hint = f"add kind: one of {', '.join(StatusKind)}"
            self.reader.problem(fields["status"], f"status '{key}' needs a kind", hint)
        return kind or StatusKind.SUBMITTED

    def _tiers(self, digits: int) -> Tiers | None:
        if "tiers" not in self.fields:
            return None
        fields = self.reader.fields(self.fields["tiers"], "tiers", ("metric", "period", "steps"))
        metric = self.reader.choice(fields["metric"], "metric", METRICS) if "metric" in fields else ""
        steps: dict[str, Tier] = {}
        below: Tier | None = None
        for node in fields.items("steps"):
            written = self.reader.fields(node, "a tier", ("tier", "label", "threshold", "benefit"))
            key = written.name("tier", "a tier")
            threshold = self._threshold(written, metric, digits)
            tier = Tier(key, written.text("label"), threshold or 0, written.text("benefit"))
            if below and threshold is not None and threshold <= below.threshold:
                message = f"tier '{key}' is not above '{below.key}'"
                self.reader.problem(written["threshold"], message, "write tiers with rising thresholds")
            self._add(steps, key, tier, written, "tier")
            below = tier
        return Tiers(metric, fields.member("period", TierPeriod) or TierPeriod.YEAR, tuple(steps.values()))

    def _threshold(self, fields: Fields, metric: str, digits: int) -> int | None:
        """A count, or money in minor units; None after a problem."""
        if "threshold" not in fields:
            return None
        reader, node, known_problems = self.reader, fields["threshold"], len(self.reader.problems)
        if metric == "revenue":
            amount = reader.number(node, "'threshold'", digits)
            if amount < 0:
                reader.problem(node, "'threshold' is below 0", "write an amount such as 10000")
            threshold = int(amount.scaleb(digits))
        else:
            threshold = reader.count(node, "'threshold'")
        return threshold if len(reader.problems) == known_problems else None

    def _add(self, found: dict[str, Value], key: str, value: Value, fields: Fields, what: str) -> None:
        if key in found:
            self.reader.problem(fields[what], f"{what} '{key}' stands here twice", "remove one")
        if key:
            found.setdefault(key, value)

    def _feeds(self) -> dict[Feed, timedelta]:
        if "feeds" not in self.fields:
            return {}
        fields = self.reader.fields(self.fields["feeds"], "feeds", (), Feed)
        return {feed: silence for feed in Feed if (silence := fields.duration(feed))}

    def _attributes(self) -> dict[str, FactType]:
        attributes: dict[str, FactType] = {}
        for key, node in self.fields.entries("attributes"):
            word = self.reader.choice(node, "type", _ATTRIBUTE_TYPES)
            name = self.reader.name(key, "an attribute")
            attributes[name] = FactType(word) if word in _ATTRIBUTE_TYPES else FactType.TEXT
        return attributes

    def _desks(self) -> dict[str, Desk]:
        """`desks: {marketing: m@example.com, channel-chief: {email: chief@example.com, name: Maria Okafor}}`."""
        desks: dict[str, Desk] = {}
        for key, node in self.fields.entries("desks"):
            name = self.reader.name(key, "a desk")
            if name in ALERTED:
                self.reader.problem(key, f"'{name}' is {ALERTED[name]}", "call the desk otherwise")
            if isinstance(node, MappingNode):
                fields = self.reader.fields(node, f"desk '{name}'", ("email",), ("name",))
                desks[name] = Desk(name, fields.parsed("email", _email), fields.text("name"))
            else:
                desks[name] = Desk(name, self.reader.parsed(node, "a desk's address", _email, ""))
        return desks

    def _named_with(self, attributes: Mapping[str, FactType]) -> str:
        """The attribute that says who agreed to be named; "" if nobody is."""
        if "named_with" not in self.fields:
            return ""
        reader, node = self.reader, self.fields["named_with"]
        fit = [name for name, type_ in attributes.items() if type_ is FactType.BOOLEAN]
        name = reader.text(node, "'named_with'")
        if name and name not in fit:
            what = "is not a boolean" if name in attributes else "is no attribute of the program"
            hint = did_you_mean(name, fit) or f"declare it: attributes: {{{name}: boolean}}"
            reader.problem(node, f"'{name}' {what}", hint)
        return name

    def _limit(self, key: str) -> int:
        """What a program says of one of its limits, or the default."""
        if "limits" not in self.fields:
            return _LIMITS[key]
        fields = self.reader.fields(self.fields["limits"], "limits", (), _LIMITS)
        return self.reader.limit(fields[key], f"'{key}'") if key in fields else _LIMITS[key]

    def _without(self) -> tuple[str, ...]:
        if "without" in self.fields and "inherits" not in self.fields:
            self.reader.problem(self.fields["without"], "'without' leaves out what is inherited", "add inherits: …")
        names = (self.reader.name(node, "a campaign's name") for node in self.fields.items("without"))
        return tuple(dict.fromkeys(names))

    def _locales(self) -> tuple[str, ...]:
        if "locales" not in self.fields:
            return ()
        nodes = self.reader.one_or_more(self.fields["locales"], "'locales'")
        return tuple(dict.fromkeys(self.reader.parsed(node, "a locale", _locale, "en") for node in nodes))

    def _order(self) -> tuple[str, ...]:
        names: list[str] = []
        for node in self.fields.items("order"):
            name = self.reader.name(node, "a campaign's name")
            if name in names:
                self.reader.problem(node, f"'{name}' stands in the order twice", "remove one")
            names.append(name)
        return tuple(names)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime"})  # which is another zone on each machine


def _zone(text: str) -> str:
    if text not in _zones():
        hint = did_you_mean(text, sorted(_zones()))
        hint = hint if hint.startswith("did") else "write one such as Europe/Berlin"
        raise ValueError(f"unknown zone '{text}'; {hint}")
    return text


def _locale(text: str) -> str:
    try:
        return str(Locale.parse(text.replace("-", "_")))
    except (ValueError, UnknownLocaleError, TypeError) as error:
        raise ValueError(f"unknown locale '{text}'; write one such as en, de or en_GB") from error


def _currency(text: str) -> str:
    if text not in list_currencies():
        raise ValueError(f"unknown currency '{text}'; write its ISO 4217 code, such as USD or EUR")
    return text


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"'{text}' is not an email address; write one such as partners@example.com") from error


def _sender(text: str) -> str:
    """`Name <address>` or an address."""
    name, address = _name_and_address(text)
    if not address or "<" in address or ">" in address:
        hint = "write an address, or Northwind Partners <partners@example.com>"
        raise ValueError(f"'{text}' is not a sender; {hint}")
    return f"{name} <{_email(address)}>" if name else _email(address)


def _name_and_address(sender: str) -> tuple[str, str]:
    """The name may hold commas and stand in quotes; an address alone has none."""
    found = _SENDER.fullmatch(sender)
    return (found["name"], found["address"]) if found else ("", sender)


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    secure = host and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOCAL_HOSTS))
    if not secure or re.search(r"\s", text):
        raise ValueError(f"'{text}' is not an https URL; write one such as https://partners.example.com")
    return text


def _url_of_a_partner(text: str) -> str:
    """A URL that may hold `{partner}`."""
    _url(text.replace(PARTNER_PLACE, "x"))
    if odd := re.search(r"\{[^}]*\}?|\}", text.replace(PARTNER_PLACE, "")):
        raise ValueError(f"'{odd[0]}' is not known here; write {PARTNER_PLACE} where the partner's id is to stand")
    return text


def _mark(text: str) -> str:
    if not MARK.fullmatch(text):
        raise ValueError(f"'{text}' is no mark; write one to three letters, such as N")
    return text


def _color(text: str) -> str:
    if not _COLOR.fullmatch(text):
        raise ValueError(f"'{text}' is not a colour; write it in quotes such as \"#1f4b99\"")
    return text
