"""Campaign files."""

from collections.abc import Mapping

from engage.authoring.promotions import CONTESTED, COUNTED, OFFERED
from engage.authoring.schema.conditions import CONDITION, condition
from engage.authoring.schema.hours import send_window
from engage.authoring.schema.steps import STEPS, steps
from engage.authoring.schema.values import (
    AMOUNT,
    DAY,
    DIALECT,
    EVERY,
    LENGTH,
    LENGTH_PATTERN,
    LIMIT,
    NAMED,
    SHARE,
    TEXT,
    Schema,
    exactly_one,
    keys,
    one_of,
    one_or_more,
    said,
    some,
    spelled,
)
from engage.authoring.schema.words import Words
from engage.domain.campaigns import (
    AgainKind,
    CampaignState,
    CatchUp,
    Clock,
    CompanyRecipient,
    Conversion,
    EventKind,
    Outranked,
)
from engage.domain.facts import Subject
from engage.domain.programs import Program

_REQUIRED = ("campaign", "topic", "for", "when", "steps")
_OF_SCHEDULES = ("again", "catch_up", "max_audience")


def campaign_schema(programs: Mapping[str, Program]) -> Schema:
    """Describes a campaign file of an installation with these programs; without any, every word may be a topic."""
    words = Words.of(programs)
    return {
        "$schema": DIALECT,
        **keys("the campaign", _REQUIRED, _campaign(words)),
        "allOf": [_started_by_schedule(), _started_by_event()],
        "$defs": {"condition": condition(words), "steps": steps(words)},
    }


def _campaign(words: Words) -> dict[str, Schema]:
    return {
        "campaign": said("Its name, in commands, reports and the history: renamed, it is a new campaign.", NAMED),
        "why": said("What it is good for, for colleagues; partners never see it.", TEXT),
        "state": said("Whether it runs; without it, a draft, which sends nothing.", one_of(CampaignState)),
        "program": said("The program it belongs to; without it, the first.", one_of(words.programs, NAMED)),
        "topic": said("The kind of mail it sends, which partners know by name.", one_of(words.topics, NAMED)),
        "for": said("What one mail is about.", one_of(Subject)),
        "to": said("Of a campaign for companies: who gets its mail.", one_of(CompanyRecipient)),
        "when": said("The event or the schedule that starts it.", _when(words)),
        "where": said("The condition that must hold, when it starts and when it sends.", CONDITION),
        "again": said("On a schedule: when the same partner may get it again.", _again()),
        "catch_up": said("On a schedule: what becomes of times that engage was down for.", one_of(CatchUp)),
        "stop_when": said("The condition under which nothing more is sent.", CONDITION),
        "send_within": said("How long a mail is worth sending; without it, the topic says.", LENGTH),
        "max_audience": said("On a schedule: how many may enter at once without anybody being asked.", LIMIT),
        "starts": said("The first day, in the program's zone.", DAY),
        "ends": said("The last day, in the program's zone.", DAY),
        "goal": said("What partners are to do and within which time; who does it is through.", _goal()),
        "promotion": said(
            "An offer, or a contest among staff, for some days whose dates `at:` steps follow.", _promotion()
        ),
        "holdout": said("The share of partners who are left without it, to compare with.", SHARE),
        "only": said("Whom it is restricted to while it is rolled out.", _only()),
        "send_window": said("The hours in which its mail may go out, where the partner is.", send_window()),
        "if_outranked": said("What becomes of a mail for which frequency caps leave no room.", one_of(Outranked)),
        "steps": said("What is done, in order.", {**STEPS, "minItems": 1}),
    }


def _when(words: Words) -> Schema:
    cron = spelled(r"(\S+\s+){4}\S+", "write five fields, such as 0 9 * * 1 for mondays at nine", "0 9 * * 1")
    known = {
        "event": said("The event that starts it, each time it happens.", one_of(EventKind)),
        "to": said("The status, or statuses, that a referral must reach.", one_or_more(one_of(words.statuses, NAMED))),
        "every": said("Days and time, such as monday 09:00.", EVERY),
        "cron": said("The same in cron: minute, hour, day of month, month, weekday.", cron),
        "clock": said("Whose clocks are read: the program's, or each partner's own.", one_of(Clock)),
    }
    only_of = {"to": {"required": ["event"]}, "clock": {"properties": {"event": False}}}
    return keys("when", (), known, oneOf=exactly_one(("event", "every", "cron")), dependentSchemas=only_of)


def _again() -> Schema:
    words = one_of(kind for kind in AgainKind if kind is not AgainKind.AFTER)
    pattern = f"{AgainKind.AFTER} {LENGTH_PATTERN}"
    return {"anyOf": [words, spelled(pattern, "write a time, such as after 60d", f"{AgainKind.AFTER} 60d")]}


def _goal() -> Schema:
    examples = [f"{one} within 30d" for one in Conversion]
    pattern = f"({'|'.join(Conversion)}) within {LENGTH_PATTERN}"
    return spelled(pattern, f"write what and a time, such as {examples[0]}", *examples)


def _promotion() -> Schema:
    known = {
        "from": said("Its first day, in the program's zone.", DAY),
        "through": said("Its last day.", DAY),
        "counts": said("What is counted.", one_of(COUNTED)),
        "bonus": said("What each of them is worth, in the program's currency.", AMOUNT),
        "paid_when": said("When it is paid, in words for partners.", TEXT),
        "prize": said("Of a contest among staff, in the place of a bonus: what the best gets, in words.", TEXT),
    }
    either_way = [{"required": list(OFFERED), "properties": dict.fromkeys(CONTESTED, False)}]
    either_way += [{"required": list(CONTESTED), "properties": dict.fromkeys(OFFERED, False)}]
    return keys("promotion", ("from", "through", "counts"), known, oneOf=either_way)


def _only() -> Schema:
    known = {
        "where": said("Partners who meet this condition when they would enter.", CONDITION),
        "partners": said("Partners with these external ids.", some(TEXT)),
        "share": said("A share of all partners, always the same ones; 10% is within 50%.", SHARE),
    }
    return keys("only", (), known, minProperties=1)


def _started_by_schedule() -> Schema:
    return _if_when_has(("every", "cron"), {"required": ["again"]})


def _started_by_event() -> Schema:
    return _if_when_has(("event",), {"properties": dict.fromkeys(_OF_SCHEDULES, False)})


def _if_when_has(ways: tuple[str, ...], then: Schema) -> Schema:
    named: Schema = {"required": ["when"], "properties": {"when": {"anyOf": exactly_one(ways)}}}
    return {"if": named, "then": then}
