"""Reads one campaign file."""

import hashlib
import json
import re
from collections.abc import Mapping as AbstractMapping
from datetime import timedelta

from engage.authoring.caps import check_in_time, read_outranked
from engage.authoring.conditions import ConditionReader
from engage.authoring.document import Node, plain_value, read_document
from engage.authoring.editions import check_editions
from engage.authoring.experiments import CAMPAIGN_KEYS as EXPERIMENTS
from engage.authoring.experiments import read_holdout, read_only
from engage.authoring.hours import ProgramHours, read_send_window
from engage.authoring.promotions import check_dates, read_promotion
from engage.authoring.reader import Fields, Reader, did_you_mean
from engage.authoring.schedules import checked_cron, cron_of
from engage.authoring.steps import read_steps
from engage.authoring.subjects import SUBJECTS, check_subject, read_recipient
from engage.domain.campaigns import (
    Again,
    AgainKind,
    Campaign,
    CampaignState,
    CatchUp,
    Clock,
    Conversion,
    EventKind,
    EventTrigger,
    Goal,
    ScheduleTrigger,
    Step,
)
from engage.domain.errors import AuthoringError, Problem
from engage.domain.facts import Subject
from engage.domain.limits import SendWindow
from engage.domain.programs import Program, TierPeriod, Topic
from engage.domain.windows import parse_duration

_REQUIRED = ("campaign", "topic", "for", "when", "steps")
_OPTIONAL = (
    "why",
    "state",
    "program",
    "where",
    "again",
    "catch_up",
    "stop_when",
    "send_within",
    "max_audience",
    "starts",
    "ends",
    "goal",
    "to",
    "promotion",
    *EXPERIMENTS,
    "send_window",
    "if_outranked",
)
KEYS = (*_REQUIRED, *_OPTIONAL)
"""Every key of a campaign."""


def parse_campaign(source: str, path: str, programs: AbstractMapping[str, Program], program: str = "") -> Campaign:
    """The campaign that `source` describes; `path` names the file in problems. A function of its arguments only.

    A campaign that names no program belongs to the first of `programs`. With `program` it is read as that program
    inherits it, whichever it names. Raises AuthoringError with every problem.
    """
    return _CampaignReader(source, path, programs, program).read()


def parse_version(source: str, path: str, programs: AbstractMapping[str, Program], program: str = "") -> Campaign:
    """As `parse_campaign`, of a file that was good once: only what is wrong with its steps counts.

    What else it says may name what is no longer there, such as a topic, and whoever is inside still goes on.
    """
    return _CampaignReader(source, path, programs, program).read_version()


class _CampaignReader:
    def __init__(self, source: str, path: str, programs: AbstractMapping[str, Program], program: str) -> None:
        self.source = source
        self.root = read_document(source, path)
        self.reader = Reader(path)
        self.fields = self.reader.fields(self.root, "the campaign", _REQUIRED, _OPTIONAL)
        self.program = programs[program] if program in programs else self._program(programs)
        self.problems_of_steps: tuple[Problem, ...] = ()

    def read(self) -> Campaign:
        campaign = self._campaign()
        self.reader.finish()
        return campaign

    def read_version(self) -> Campaign:
        campaign = self._campaign()
        if self.problems_of_steps:
            raise AuthoringError(self.problems_of_steps)
        return campaign

    def _campaign(self) -> Campaign:
        reader, fields = self.reader, self.fields
        topic = self._topic()
        subject = self._subject()
        trigger = self._trigger(subject)
        # Without a subject all facts may be asked, so that one mistake is not reported again at each of them.
        conditions = ConditionReader(reader, self.program, subject or Subject.REFERRAL)
        campaign = Campaign(
            name=fields.name("campaign", "a campaign's name"),
            program=self.program.key,
            why=fields.text("why"),
            # Live is a choice: a file that does not say so is a draft.
            state=fields.member("state", CampaignState) or CampaignState.DRAFT,
            topic=topic.key if topic else "",
            subject=subject or Subject.PARTNER,
            trigger=trigger or EventTrigger(EventKind.STATUS_CHANGED),
            where=conditions.read(fields["where"]) if "where" in fields else None,
            again=self._again(trigger),
            stop_when=conditions.read(fields["stop_when"]) if "stop_when" in fields else None,
            send_within=self._send_within(topic),
            steps=self._steps(conditions),
            starts=fields.day("starts"),
            ends=fields.day("ends"),
            path=reader.path,
            source=self.source,
            content_hash=_content_hash(self.root),
            max_audience=self._max_audience(trigger),
            catch_up=self._catch_up(trigger),
            goal=reader.parsed(fields["goal"], "'goal'", _parse_goal, None) if "goal" in fields else None,
            promotion=read_promotion(fields, self.program, subject),
            holdout=read_holdout(fields, topic),
            only=read_only(fields, conditions),
            outranked=read_outranked(fields, topic),
            send_window=self._send_window(topic),
            to=read_recipient(fields, subject),
        )
        check_subject(fields, campaign)
        check_dates(fields, campaign, self.program)
        if trigger is not None:
            check_editions(reader, campaign)
        check_in_time(fields, self.program, topic, campaign.send_within)
        if campaign.starts and campaign.ends and campaign.ends < campaign.starts:
            reader.problem(fields["ends"], "the campaign ends before it starts", "swap 'starts' and 'ends'")
        return campaign

    def _steps(self, conditions: ConditionReader) -> tuple[Step, ...]:
        known_problems = len(self.reader.problems)
        steps = read_steps(self.reader, self.fields["steps"], conditions) if "steps" in self.fields else ()
        self.problems_of_steps = tuple(self.reader.problems[known_problems:])
        return steps

    def _program(self, programs: AbstractMapping[str, Program]) -> Program:
        if not programs:
            raise AuthoringError.at(self.reader.path, 1, 1, "there is no program to belong to", "mend program.yaml")
        first = next(iter(programs.values()))
        if "program" not in self.fields:
            return first
        key = self.reader.choice(self.fields["program"], "program", programs)
        return programs.get(key, first)

    def _topic(self) -> Topic | None:
        if "topic" not in self.fields:
            return None
        return self.program.topics.get(self.reader.choice(self.fields["topic"], "topic", self.program.topics))

    def _subject(self) -> Subject | None:
        return self.reader.member(self.fields["for"], "subject", Subject) if "for" in self.fields else None

    def _trigger(self, subject: Subject | None) -> EventTrigger | ScheduleTrigger | None:
        """None where a problem hides which of the two it is."""
        if "when" not in self.fields:
            return None
        node, reader = self.fields["when"], self.reader
        known_problems = len(reader.problems)
        fields = reader.fields(node, "when", (), ("event", "to", "every", "cron", "clock"))
        ways = [way for way in ("event", "every", "cron") if way in fields]
        if len(ways) != 1:
            if len(reader.problems) == known_problems:
                reader.problem(node, "'when' names one of event, every and cron", 'such as {every: "monday 09:00"}')
            return None
        if ways == ["event"]:
            if "clock" in fields:
                reader.problem(fields["clock"], "'clock' belongs to a schedule", "take it out")
            return self._event(fields, subject)
        if "to" in fields:
            reader.problem(fields["to"], "'to' belongs to an event", "take it out")
        parse = cron_of if ways == ["every"] else checked_cron
        return ScheduleTrigger(fields.parsed(ways[0], parse), fields.text(ways[0]), self._clock(fields, subject))

    def _clock(self, fields: Fields, subject: Subject | None) -> Clock:
        clock = fields.member("clock", Clock) or Clock.PROGRAM
        if clock is Clock.PARTNER and subject and not subject.leads_to_partner:
            message = f"{subject.plural} have no clocks of their own that are known"
            self.reader.problem(fields["clock"], message, "take it out: the program's clocks are read")
        return clock

    def _event(self, fields: Fields, subject: Subject | None) -> EventTrigger | None:
        reader = self.reader
        event = fields.member("event", EventKind)
        if event is None:
            return None
        if subject and subject not in SUBJECTS[event]:
            hint = f"write for: {' or '.join(SUBJECTS[event])}"
            if not subject.leads_to_partner:
                hint += '; a schedule, such as {every: "monday 09:00"}, asks any'
            reader.problem(self.fields["for"], f"'{event}' does not concern {subject.one}", hint)
        if "to" not in fields:
            return EventTrigger(event)
        if event is not EventKind.STATUS_CHANGED:
            reader.problem(fields["to"], f"'to' belongs to {EventKind.STATUS_CHANGED}", "take it out")
        statuses = tuple(status.key for status in self.program.ladder)
        nodes = reader.one_or_more(fields["to"], "'to'")
        return EventTrigger(event, tuple(dict.fromkeys(reader.choice(node, "status", statuses) for node in nodes)))

    def _again(self, trigger: EventTrigger | ScheduleTrigger | None) -> Again | None:
        reader = self.reader
        if "again" not in self.fields:
            if isinstance(trigger, ScheduleTrigger) and self.fields.lack("again"):
                reader.problem(self.fields["when"], "a schedule needs 'again'", f"add again: {_AGAIN}")
            return None
        node = self.fields["again"]
        if isinstance(trigger, EventTrigger):
            reader.problem(node, "'again' belongs to a schedule: each event is its own occasion", "take it out")
            return None
        again = reader.parsed(node, "'again'", _parse_again, Again(AgainKind.NEVER))
        if again.kind is AgainKind.EACH_TIER_PERIOD:
            self._check_tier_period(node)
        if again.kind is AgainKind.EACH_EPISODE and self.fields.lack("where"):
            reader.problem(node, "without 'where' an episode never ends", "add where, or write another again")
        return again

    def _check_tier_period(self, node: Node) -> None:
        tiers = self.program.tiers
        if tiers is None:
            self.reader.problem(node, f"program '{self.program.key}' has no tiers", "add tiers to program.yaml")
        elif tiers.period is TierPeriod.ALWAYS:
            self.reader.problem(node, "the tiers' period has no end", "write again: never, or give tiers a period")

    def _send_within(self, topic: Topic | None) -> timedelta:
        return self.fields.duration("send_within") or (topic.send_within if topic else timedelta())

    def _send_window(self, topic: Topic | None) -> SendWindow | None:
        if topic is None:
            return None
        hours = ProgramHours.of(self.program)
        return read_send_window(self.fields, hours, topic.key, topic.kind, topic.send_window)

    def _catch_up(self, trigger: EventTrigger | ScheduleTrigger | None) -> CatchUp:
        if "catch_up" in self.fields and isinstance(trigger, EventTrigger):
            message = "'catch_up' belongs to a schedule: no event is missed"
            self.reader.problem(self.fields["catch_up"], message, "take it out")
            return CatchUp.LATEST
        return self.fields.member("catch_up", CatchUp) or CatchUp.LATEST

    def _max_audience(self, trigger: EventTrigger | ScheduleTrigger | None) -> int | None:
        if "max_audience" not in self.fields:
            return None
        node = self.fields["max_audience"]
        if isinstance(trigger, EventTrigger):
            hint = "take it out; program.yaml limits bursts of events, with limits: {status_changes_per_hour: 1000}"
            self.reader.problem(node, "'max_audience' belongs to a schedule: an event concerns one partner", hint)
            return None
        return self.reader.limit(node, "'max_audience'")


_GOAL = re.compile(r"(\S+) within (\S+)")


def _parse_goal(text: str) -> Goal | None:
    """`win within 30d`."""
    found = _GOAL.fullmatch(text)
    kinds = ", ".join(Conversion)
    if found is None:
        raise ValueError(f"'{text}' is not a goal; write one of {kinds} and a time, such as win within 30d")
    if found[1] not in tuple(Conversion):
        raise ValueError(f"nobody can reach '{found[1]}'; write one of {kinds}")
    return Goal(Conversion(found[1]), parse_duration(found[2]))


_AGAIN = "never, each slot, each episode, each tier period or after 60d"


def _parse_again(text: str) -> Again:
    kinds = tuple(kind for kind in AgainKind if kind is not AgainKind.AFTER)
    if text in kinds:
        return Again(AgainKind(text))
    word, _, length = text.partition(" ")
    if word == AgainKind.AFTER:
        return Again(AgainKind.AFTER, parse_duration(length))
    hint = did_you_mean(text, kinds)
    raise ValueError(f"unknown again '{text}'; {hint if hint.startswith('did') else f'write {_AGAIN}'}")


def _content_hash(root: Node) -> str:
    """Names what the file says: comments, layout and the order of keys do not change it."""
    return hashlib.sha256(json.dumps(plain_value(root), sort_keys=True).encode()).hexdigest()
