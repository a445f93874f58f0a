"""Whatever the reader takes of generated campaigns, the schema accepts."""

import itertools
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from engage.authoring.steps import KINDS
from engage.domain.conditions import Comparator
from engage.domain.facts import CATALOGUE, COMPARATORS, FactType, Subject
from tests.authoring import texts
from tests.authoring.editors import (
    DEMANDED,
    SAMPLES,
    mistakes,
    places,
    read_campaign,
    seen_by_an_editor,
    validator,
    written,
)

LENGTHS = st.builds("{}{}".format, st.integers(1, 99), st.sampled_from("wwddh"))
NAMES = st.sampled_from(["x", "a-b", "2026", "x_1"])
EMAILS = st.sampled_from(["nudges/x", "nudges/y", "a", "b/c/d", "7"])
CLOCKS = st.sampled_from(["00:00", "09:00", "17:30", "23:59"])
SHARES = st.sampled_from(["10%", "0%", "12.5 %", "100%"])
INSTANTS = ["start", "end - 3d", "start+1d", "end", "end 13:30", "start + 7d 09:00"]
DAYS = st.sampled_from(["day", "weekday", "monday and thursday", "1st", "1st, 15th and 28th", "friday, monday"])
SCHEDULES = st.one_of(st.just("hour"), st.builds("{} {}".format, DAYS, CLOCKS))


@st.composite
def compared_facts(draw: st.DrawFn, subject: Subject) -> dict[str, Any]:
    fact = draw(st.sampled_from([fact for fact in CATALOGUE.values() if fact.allows(subject)]))
    value = seen_by_an_editor(SAMPLES[fact.name])
    comparator = draw(st.sampled_from(sorted(COMPARATORS[fact.type or FactType.NUMBER])))
    one_for = {Comparator.IN: [value], Comparator.BETWEEN: [value, value], Comparator.EXISTS: draw(st.booleans())}
    test = seen_by_an_editor(f"{{{DEMANDED.get(fact.name, '')}}}")
    if fact.windows and draw(st.booleans()):
        test[draw(st.sampled_from(["last", "previous", "first"]))] = draw(LENGTHS)
    if fact.methods and draw(st.booleans()):
        test["method"] = draw(st.sampled_from(["form", ["form", "card"]]))
    return {fact.name: {**test, str(comparator): one_for.get(comparator, value)}}


def conditions(subject: Subject) -> st.SearchStrategy[Any]:
    def nested(some: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(some, min_size=1, max_size=3)
        return several | several.map(lambda them: {"any": them}) | some.map(lambda it: {"not": it})

    return st.recursive(compared_facts(subject), nested, max_leaves=6)


SEVERAL = st.one_of(
    st.fixed_dictionaries({"rotate": st.lists(EMAILS, min_size=2, max_size=3, unique=True)}),
    st.fixed_dictionaries({"variants": st.dictionaries(EMAILS, st.integers(1, 9), min_size=2, max_size=3)}),
)
SEND = st.fixed_dictionaries({"send": EMAILS | SEVERAL})


def steps(subject: Subject) -> st.SearchStrategy[list[Any]]:
    answers = st.dictionaries(NAMES, st.sampled_from(["Fine", "42", True]), min_size=2, max_size=3)
    asked = st.fixed_dictionaries({"question": NAMES, "send": EMAILS, "answers": answers})
    done: st.SearchStrategy[dict[str, Any]] = st.one_of(
        SEND,
        st.fixed_dictionaries({"wait": LENGTHS | SCHEDULES.map(lambda when: {"until": f"next {when}"})}),
        st.fixed_dictionaries({"alert": st.just({"to": "owner", "say": "x"})}),
        st.fixed_dictionaries({"ask": asked}),
    )

    def branch(some: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        way = st.lists(some, max_size=2)
        parts = st.fixed_dictionaries({"if": conditions(subject), "then": way}, optional={"else": way})
        return parts.map(lambda parts: {"branch": parts})

    some = st.recursive(done, branch, max_leaves=6)
    return st.builds(lambda first, rest: numbered([first, *rest]), SEND, st.lists(some, max_size=3))


def numbered(some: list[Any]) -> list[Any]:
    """The steps with ids of their own."""
    count = itertools.count(1)
    for step in [value for path, value in places(some) if isinstance(path[-1], int) and isinstance(value, dict)]:
        if {*step} & {*KINDS}:
            step["id"] = f"step-{next(count)}"
    return some


@st.composite
def campaigns(draw: st.DrawFn) -> dict[str, Any]:
    """Campaigns of which most, and not all, are right."""
    subject = draw(st.sampled_from(Subject))
    scheduled = subject in (Subject.COMPANY, Subject.STAFF) or draw(st.booleans())
    event = "reward.earned" if subject is Subject.REWARD else "referral.status_changed"
    again = st.sampled_from(["never", "each slot", "each tier period"]) | LENGTHS.map("after {}".format)
    days = {"days": st.sampled_from(["weekdays", ["monday", "sunday"]])}
    window = st.fixed_dictionaries(days) | st.fixed_dictionaries({**days, "from": CLOCKS, "to": st.just("24:00")})
    only = {"where": conditions(subject), "partners": st.just(["p-1", 1002])}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "why": st.sampled_from(["Because.", 42, True]),
        "state": st.sampled_from(["draft", "live", "paused", "ended"]),
        "where": conditions(subject),
        "stop_when": conditions(subject),
        "send_within": LENGTHS,
        "starts": st.just("2026-11-02"),
        "ends": st.just("2026-12-31"),
        "goal": st.builds("{} within {}".format, st.sampled_from(["login", "referral", "win", "revenue"]), LENGTHS),
        "holdout": SHARES,
        "only": st.fixed_dictionaries({"share": SHARES}, optional=only),
        "send_window": window,
        "if_outranked": st.sampled_from(["drop", "defer", "fold"]),
    }
    if scheduled:
        optional |= {"catch_up": st.sampled_from(["skip", "latest", "all"]), "max_audience": st.integers(1, 500)}
    if subject is Subject.COMPANY:
        optional["to"] = st.sampled_from(["contact", "channel manager"])
    if subject is Subject.PARTNER:
        optional["promotion"] = st.just(
            {"from": "2026-11-01", "through": "2026-11-30", "counts": "win", "bonus": 100, "paid_when": "soon"}
        )
    when = {"every": draw(SCHEDULES)} if scheduled else {"event": event}
    required = {"campaign": NAMES, "topic": st.just("tips"), "for": st.just(str(subject)), "when": st.just(when)}
    required |= {"steps": steps(subject)} | ({"again": again} if scheduled else {})
    chosen = draw(st.sets(st.sampled_from(sorted(optional)), max_size=5))
    tree = draw(st.fixed_dictionaries(required | {key: optional[key] for key in chosen}))
    if "promotion" in tree:
        tree["steps"].insert(0, {"at": draw(st.sampled_from(INSTANTS))})
    return tree


@settings(max_examples=60, deadline=None)
@given(campaigns())
def test_whatever_the_reader_takes_the_schema_accepts(tree: dict[str, Any]) -> None:
    source = written(tree)
    taken = read_campaign(source, texts.programs())
    event(f"the reader takes it: {taken}")
    if taken:
        assert mistakes(validator("campaign", "acme"), source) == []
