"""Conditions: what they read as, and what is said of mistakes in them."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.authoring import parse_fact_ref, read_document
from engage.authoring.conditions import MOST_TESTS
from engage.domain.conditions import All, AnyOf, Comparator, Condition, FactRef, Not, Scalar, Test
from engage.domain.errors import AuthoringError
from engage.domain.facts import CATALOGUE, COMPARATORS, METRICS, FactType, Subject
from engage.domain.programs import METHODS, PARTNER_STATUSES
from engage.domain.windows import Window, WindowKind, format_duration
from tests.authoring.texts import campaign, campaign_text, problems, programs, referral_text

ACME = programs()["acme"]
LAST_90D = Window(WindowKind.LAST, timedelta(days=90))


def where(text: str) -> str:
    return campaign_text(where=f"where:\n{text}")


def test_a_list_means_all_of_it_and_any_and_not_nest() -> None:
    read = campaign(
        where(
            """\
  - referrals: {last: 90d, at_least: 10}
  - any:
      - wins: {last: 90d, is: 0, method: [verbal, email]}
      - not: {attribute: {name: sector, in: [retail, NO]}}
"""
        )
    ).where

    assert read == All(
        (
            Test(FactRef("referrals", LAST_90D), Comparator.AT_LEAST, 10),
            AnyOf(
                (
                    Test(FactRef("wins", LAST_90D, ("verbal", "email")), Comparator.IS, 0),
                    Not(Test(FactRef("attribute", name="sector"), Comparator.IN, ("retail", "NO"))),
                )
            ),
        )
    )


def test_values_have_the_type_of_their_fact() -> None:
    read = campaign(
        where(
            """\
  - revenue: {more_than: 2500.5}
  - win_rate: {between: [0.25, 1]}
  - rank: {by: wins, last: 90d, at_most: 3}
  - attribute: {name: reseller, is: true}
  - attribute: {name: employees, less_than: 12.5}
  - company: {is: 1001}
  - owner: {exists: false}
"""
        )
    ).where

    assert isinstance(read, All)
    assert [test.value for test in read.parts if isinstance(test, Test)] == [
        Decimal("2500.5"),
        (Decimal("0.25"), Decimal(1)),
        3,
        True,
        Decimal("12.5"),
        "1001",
        False,
    ]


def test_what_is_missing_to_the_next_tier_is_counted_or_paid_as_tiers_are() -> None:
    assert problems(where("  - to_next_tier: {at_most: 2.5}\n")) == [
        "8:29: 'to_next_tier' must be a whole number from 0; write one such as 10"
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("refferals: {is: 1}", "5: unknown fact 'refferals'; did you mean 'referrals'?"),
        ("Wins: {is: 1}", "5: unknown fact 'Wins'; did you mean 'wins'?"),
        ("sector: {is: retail}", "5: unknown fact 'sector'; an attribute is written attribute: {name: sector, is: …}"),
        ("nott: {wins: {is: 1}}", "5: unknown fact 'nott'; did you mean 'not'?"),
        ("wins: {at_lest: 1}", "12: unknown comparator 'at_lest'; did you mean 'at_least'?"),
        ("wins: {lasst: 9d, is: 1}", "12: unknown comparator 'lasst'; did you mean 'last'?"),
        ("wins: {is: 25%}", "16: 'wins' must be a number, not '25%'; write 0.25"),
        ("revenue: {at_least: 5,000, last: 90d}", "25: 'revenue' must be a number, not '5,000'; write 5000"),
        ("revenue: {at_least: 1,250,000}", "25: 'revenue' must be a number, not '1,250,000'; write 1250000"),
        ("region: {in: “West”}", "18: 'in' must be a list; write straight quotes, \"…\""),
        ("wins: {last: 3m, is: 0}", "18: m is minutes, and nobody counts those; for 3 months write 90d"),
        ("wins: {is: many}", "16: 'wins' must be a number, not 'many'; write digits only, such as 10 or 2500.50"),
        ("wins: {is: '1'}", "16: 'wins' must be a number, not '1'; write digits only, such as 10 or 2500.50"),
        ("wins: {is: -1}", "16: 'wins' must be a whole number from 0; write one such as 10"),
        ("wins: {is: 1e3}", "16: 'wins' must be a number, not '1e3'; write digits only, such as 10 or 2500.50"),
        ("wins: {last: 90 days, is: 1}",
         "18: '90 days' is not a duration; write a number and w, d, h or m, such as 90d or 12h"),
        ("wins: {last: 9d, first: 9d, is: 1}", "29: 'last' and 'first' together; one test looks at one window"),
        ("wins: {is: 1, at_most: 3}", "19: 'is' and 'at_most' in one test; use between: [a, b], or two tests"),
        ("wins: {last: 90d}", "11: 'wins' is not compared with anything; add a comparator: is: …"),
        ("wins: 3", "11: 'wins' is not compared with anything; write wins: {is: 3}"),
        ("wins: [1, 2]", "11: 'wins' is not compared with anything; write wins: {in: […]}"),
        ("wins", "5: 'wins' is not a test; compare it: wins: {…}"),
        ("wins: {is: 1}\n    open: {is: 1}",
         "5: one test asks one fact; give each fact its own line that begins with '- '"),
        ("wins: {is: [1, 2]}", "16: 'is' takes one value; for a list write in: […]"),
        ("wins: {in: 1}", "16: 'in' must be a list; begin each item with '- '"),
        ("wins: {in: []}", "16: 'in' is an empty list; take it out or fill it"),
        ("wins: {between: 3}", "21: 'between' takes two values; write between: [1, 5]; both ends count"),
        ("wins: {between: [5, 1]}", "21: nothing is between 5 and 1; write the smaller value first"),
        ("wins: {exists: yes}", "20: 'exists' must be true or false, not 'yes'; write true or false, without quotes"),
        ("wins: {method: vebal, is: 1}", "20: unknown method 'vebal'; did you mean 'verbal'?"),
        ("wins: {by: wins, is: 1}", "16: 'wins' takes no 'by'; take it out"),
        ("tier: {last: 90d, is: gold}", "18: 'tier' takes no 'last'; take it out"),
        ("tier: {is: gould}", "16: unknown tier 'gould'; did you mean 'gold'?"),
        ("tier: {at_least: gold}",
         "12: 'at_least' does not go with 'tier', which is a text; use one of is, is_not, in, exists"),
        ("status: {is: actve}", "18: unknown partner status 'actve'; did you mean 'active'?"),
        ("rank: {at_most: 3}", "5: 'rank' needs 'by'; such as by: wins"),
        ("rank: {by: winnings, at_most: 3}", "16: unknown metric 'winnings'; did you mean 'wins'?"),
        ("attribute: {is: retail}", "5: 'attribute' needs 'name'; such as name: sector"),
        ("answer: {is: fine}", "5: 'answer' needs 'question'; such as question: how-is-it-going"),
        ("tier: {question: mood, is: gold}", "22: 'tier' takes no 'question'; take it out"),
        ("attribute: {name: sectr, is: retail}", "23: unknown attribute 'sectr'; did you mean 'sector'?"),
        ("attribute: {name: sector, at_least: 2}",
         "31: 'at_least' does not go with 'sector', which is a text; use one of is, is_not, in, exists"),
        ("win_rate: {at_least: 25}", "26: 'win_rate' is a ratio from 0 to 1; write 0.25 for a quarter"),
        ("growth: {by: wins, last: 30d, at_least: -1}",
         "45: 'growth' is a multiple, 0 or more; write 1.5 for half as much again"),
        ("growth: {by: wins, at_least: 2}", "5: 'growth' needs 'last'; such as last: 30d"),
        ("growth: {by: wins, previous: 30d, at_least: 2}",
         "34: 'growth' takes no 'previous'; write last: 30d"),
        ("tier_pace: {last: 30d, at_least: 1}", "23: 'tier_pace' takes no 'last'; take it out"),
        ("win_rate: {in: [0.5]}",
         "16: 'in' does not go with 'win_rate', which is a ratio; "
         "use one of is, is_not, at_least, at_most, more_than, less_than, between, exists"),
        ("revenue: {at_least: 10.005}", "25: 'revenue' has more than 2 decimals; round it"),
        ("revenue: {at_least: 10_000}",
         "25: 'revenue' must be a number, not '10_000'; write digits only, such as 10 or 2500.50"),
        ("amount: {at_least: 5}",
         "5: 'amount' is a fact of a referral, and this campaign is for a partner; write for: referral"),
        ("region: {is: }", "14: 'region' has no value; write one"),
        ("any: []", "10: 'any' is an empty list; take it out or fill it"),
        ("any: {wins: {is: 1}}", "10: 'any' must be a list; begin each item with '- '"),
        ("not:", "5: a condition is missing here; write 'fact: {comparator: value}'"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place_and_the_way_out(line: str, problem: str) -> None:
    found = problems(where(f"  - {line}\n"))

    assert found == [f"{9 if 'one test asks' in problem else 8}:{problem}"]


def test_a_condition_too_large_for_a_database_is_refused() -> None:
    def with_tests(many: int) -> list[str]:
        return problems(where("  - any:\n" + "".join(f"      - wins: {{is: {number}}}\n" for number in range(many))))

    assert with_tests(MOST_TESTS) == []
    assert with_tests(MOST_TESTS + 1) == [
        "8:3: a condition has at most 100 tests, and this one 101; write in: […] where one fact has many values"
    ]


def test_the_facts_of_a_referral_are_open_to_campaigns_for_referrals() -> None:
    text = referral_text(where="where:\n  - referral_status: {in: [demo, wonn]}\n  - amount: {at_least: 5000}")

    assert problems(text) == ["7:34: unknown status 'wonn'; did you mean 'won'?"]


def test_stop_when_is_read_like_where() -> None:
    assert problems(campaign_text(stop_when="stop_when:\n  - win: {is: 1}")) == [
        "8:5: unknown fact 'win'; did you mean 'wins'?"
    ]


def test_every_problem_of_a_condition_is_found_at_once() -> None:
    assert problems(where("  - any:\n      - winns: {is: 1}\n      - wins: {is: x}\n  - tier: {is: lead}\n")) == [
        "9:9: unknown fact 'winns'; did you mean 'wins'?",
        "10:20: 'wins' must be a number, not 'x'; write digits only, such as 10 or 2500.50",
        "11:16: unknown tier 'lead'; known are silver, gold",
    ]


def fact(text: str) -> FactRef:
    return parse_fact_ref(read_document(text, "x.md", first_line=2), "x.md", ACME)


def test_a_template_names_a_fact_with_its_arguments() -> None:
    assert fact("tier") == FactRef("tier")
    assert fact("{tier: {}}") == FactRef("tier")
    assert fact("{wins: {last: 90d, method: verbal}}") == FactRef("wins", LAST_90D, ("verbal",))
    assert fact("{rank: {by: revenue}}") == FactRef("rank", by="revenue")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{wins: {lst: 90d}}", "x.md:2:9: unknown argument 'lst' of a fact; did you mean 'last'?"),
        ("{winns: {last: 90d}}", "x.md:2:2: unknown fact 'winns'; did you mean 'wins'?"),
        ("{wins: 90d}", "x.md:2:8: the arguments of 'wins' must be keys with values; such as {last: 90d}"),
        ("rank", "x.md:2:1: 'rank' needs 'by'; such as by: wins"),
        ("[wins]", "x.md:2:1: one fact is wanted here; write it as {wins: {last: 90d}}, or as a plain word: tier"),
    ],
)
def test_a_mistake_in_a_templates_fact_names_its_place(text: str, problem: str) -> None:
    with pytest.raises(AuthoringError) as caught:
        fact(text)

    assert str(caught.value) == problem


# A random tree, written as an author would, reads as the same tree.

words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"]), min_size=1
).filter(lambda text: text == text.strip())


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def scalars(type_: FactType, options: tuple[str, ...]) -> st.SearchStrategy[tuple[Scalar, str]]:
    """(value, as written)."""
    plain: Callable[[object], tuple[object, str]] = lambda value: (value, str(value))  # noqa: E731
    match type_:
        case FactType.TEXT:
            return (st.sampled_from(options) if options else words).map(lambda text: (text, quoted(text)))
        case FactType.COUNT | FactType.DAYS_SINCE:
            return st.integers(0, 10**6).map(plain)
        case FactType.MONEY:
            return st.decimals(0, 10**6, places=2).map(lambda value: (value, f"{value:f}"))
        case FactType.NUMBER:
            return st.decimals(-1000, 1000, places=3).map(lambda value: (value, f"{value:f}"))
        case FactType.RATIO:
            return st.decimals(0, 1, places=4).map(lambda value: (value, f"{value:f}"))
        case FactType.MULTIPLE:
            return st.decimals(0, 10, places=4).map(lambda value: (value, f"{value:f}"))
        case FactType.BOOLEAN:
            return st.booleans().map(lambda value: (value, str(value).lower()))


@st.composite
def written_tests(draw: st.DrawFn) -> tuple[Condition, str]:
    entry = CATALOGUE[draw(st.sampled_from(sorted(f.name for f in CATALOGUE.values() if f.allows(Subject.REFERRAL))))]
    arguments: list[str] = []
    window, methods, by, name, question = None, (), None, None, None
    if entry.windows and draw(st.booleans()):
        window = Window(draw(st.sampled_from(list(WindowKind))), timedelta(hours=draw(st.integers(1, 5000))))
    if entry.last:
        window = Window(WindowKind.LAST, timedelta(hours=draw(st.integers(1, 5000))))
    if window:
        arguments.append(f"{window.kind}: {format_duration(window.length)}")
    if entry.methods and draw(st.booleans()):
        methods = tuple(draw(st.lists(st.sampled_from(METHODS), min_size=1, max_size=3, unique=True)))
        arguments.append(f"method: [{', '.join(methods)}]")
    if entry.by:
        by = draw(st.sampled_from(METRICS))
        arguments.append(f"by: {by}")
    if entry.named:
        name = draw(st.sampled_from(sorted(ACME.attributes)))
        arguments.append(f"name: {name}")
    if entry.asked:
        question = "mood"
        arguments.append(f"question: {question}")
    ref = FactRef(entry.name, window, methods, by, name, question)
    type_ = ACME.type_of(ref)
    options = {
        "statuses": ("submitted", "demo", "won", "lost"),
        "partner_statuses": PARTNER_STATUSES,
        "tiers": ("silver", "gold"),
        "methods": METHODS,
        None: (),
    }[entry.values]
    comparator = draw(st.sampled_from(sorted(COMPARATORS[type_])))
    value: Scalar | tuple[Scalar, ...]
    match comparator:
        case Comparator.EXISTS:
            value = draw(st.booleans())
            written = str(value).lower()
        case Comparator.IN | Comparator.BETWEEN:
            size = 2 if comparator is Comparator.BETWEEN else 3
            many = sorted(draw(st.lists(scalars(type_, options), min_size=size, max_size=size)))
            value = tuple(one for one, _ in many)
            written = f"[{', '.join(text for _, text in many)}]"
        case _:
            value, written = draw(scalars(type_, options))
    arguments.insert(draw(st.integers(0, len(arguments))), f"{comparator}: {written}")
    return Test(ref, comparator, value), f"{{{entry.name}: {{{', '.join(arguments)}}}}}"


def nested(parts: st.SearchStrategy[tuple[Condition, str]]) -> st.SearchStrategy[tuple[Condition, str]]:
    lists = st.lists(parts, min_size=1, max_size=3).map(
        lambda found: (tuple(part for part, _ in found), f"[{', '.join(text for _, text in found)}]")
    )
    return st.one_of(
        lists.map(lambda found: (All(found[0]), found[1])),
        lists.map(lambda found: (AnyOf(found[0]), f"{{any: {found[1]}}}")),
        parts.map(lambda found: (Not(found[0]), f"{{not: {found[1]}}}")),
    )


@settings(max_examples=200)
@given(st.recursive(written_tests(), nested, max_leaves=6))
def test_a_condition_reads_as_it_was_written(written: tuple[Condition, str]) -> None:
    tree, text = written

    read = campaign(referral_text(where=f"where: {text}"))

    assert read.where == tree
    assert read.subject is Subject.REFERRAL
