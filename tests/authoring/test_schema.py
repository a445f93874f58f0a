"""The JSON Schemas accept what the readers accept, and refuse mistakes of structure as the readers do.

An independent validator judges, of what an independent reader makes of the YAML.
"""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engage.authoring import parse_programs
from engage.authoring.campaigns import KEYS
from engage.authoring.facts import ARGUMENTS
from engage.authoring.programs import KEYS as PROGRAM_KEYS
from engage.authoring.reader import Reader
from engage.authoring.schema import campaign_schema, further_program_schema, program_schema
from engage.authoring.steps import KINDS
from engage.authoring.topics import TOPIC_KEYS
from engage.domain.conditions import Comparator
from engage.domain.facts import CATALOGUE, Subject
from tests.authoring import texts
from tests.authoring.editors import (
    BESIDE,
    DEMANDED,
    SAMPLES,
    SHIPPED,
    accepts,
    mistakes,
    places,
    read_campaign,
    read_further,
    read_program,
    seen_by_an_editor,
    validator,
    written,
)
from tests.authoring.examples import EXAMPLES, ROOT, TEXTS, completed_campaign, completed_program, is_further, top_keys

FURTHER = sorted((ROOT / "campaigns" / "programs").glob("*.yaml"))
CAMPAIGNS = sorted({*(ROOT / "campaigns").rglob("*.yaml")} - {*FURTHER, ROOT / "campaigns" / "program.yaml"})
DATA = sorted(
    path
    for path in (ROOT / "tests" / "data").rglob("*.yaml")
    if re.search("^(campaign|programs):", path.read_text(), re.M)
)


# -- what there is is accepted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema", [campaign_schema({}), campaign_schema(SHIPPED), program_schema(), further_program_schema()]
)
def test_it_is_a_json_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_a_shipped_campaign_is_accepted(path: Path) -> None:
    assert mistakes(validator("campaign", "shipped"), path.read_text()) == []


def test_the_shipped_program_is_accepted() -> None:
    assert mistakes(validator("program"), (ROOT / "campaigns" / "program.yaml").read_text()) == []


@pytest.mark.parametrize("path", FURTHER, ids=lambda path: path.stem)
def test_a_shipped_further_program_is_accepted(path: Path) -> None:
    assert mistakes(validator("further"), path.read_text()) == []


@pytest.mark.parametrize("source", ["inherits: acme\n", "program: Not a key\ninherits: acme\n", "program: allies\n"])
def test_a_further_program_needs_its_key_and_what_it_does_not_inherit(source: str) -> None:
    assert not read_further(source)
    assert not accepts(validator("further"), source)


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_a_campaign_or_program_of_the_tests_is_accepted(path: Path) -> None:
    source = path.read_text()
    if "programs" in top_keys(source):
        assert mistakes(validator("program"), source) == []
        return
    folder = next(folder for folder in path.parents if (folder / "program.yaml").exists())
    programs = parse_programs((folder / "program.yaml").read_text(), "program.yaml")
    assert mistakes(Draft202012Validator(campaign_schema(programs)), source) == []


def completed(source: str) -> tuple[str, str]:
    """Which of the three an example is of, and the whole file."""
    keys = set(top_keys(source))
    if is_further(source):
        return "further", source
    if keys == {"programs"}:
        return "program", source
    if keys <= set(KEYS):
        return "campaign", completed_campaign(source)
    return "program", completed_program(source)


@pytest.mark.parametrize("source", EXAMPLES)
def test_each_example_of_the_docs_is_accepted(source: str) -> None:
    kind, whole = completed(source)

    assert mistakes(validator(kind, "shipped" if kind == "campaign" else ""), whole) == []


# -- no word is forgotten ----------------------------------------------------------------------------------------------


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a schema."""
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from nodes(one)


def records(schema: dict[str, Any]) -> dict[str, set[str]]:
    """The keys of each mapping that the schema describes, by what problems call it."""
    return {node["title"]: set(node["properties"]) for node in nodes(schema) if "title" in node}


def test_the_keys_are_those_of_the_readers() -> None:
    campaign, program = records(campaign_schema(SHIPPED)), records(program_schema())

    assert campaign["the campaign"] == set(KEYS)
    assert campaign["the step"] == {*KINDS, "id"}
    assert campaign["a condition"] == {*CATALOGUE, "any", "not"}
    assert program["program"] == set(PROGRAM_KEYS)
    assert program["topic"] == set(TOPIC_KEYS)


Read = dict[str, tuple[set[str], set[str]]]
"""By what problems call a mapping: the keys that its reader knows, and those that examples of the docs have."""


@pytest.fixture(scope="module")
def examples_read() -> Read:
    """What reading each example of the docs has asked for."""
    read: Read = {}
    fields = Reader.fields

    def noted(self: Reader, node: Any, what: str, required: Any, optional: Any = ()) -> Any:
        known, shown = read.setdefault(re.sub(r" '.*'$", "", what), (set(), set()))
        known.update((*required, *optional))
        shown.update(key.text for key, _ in node.entries)
        return fields(self, node, what, required, optional)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "fields", noted)
        for _, source in TEXTS:
            kind, whole = completed(source)
            assert {"program": read_program, "further": read_further}.get(kind, read_shipped)(whole)
    return read


def test_the_keys_of_each_mapping_are_those_that_its_reader_knows(examples_read: Read) -> None:
    of_campaigns = {what: keys for what, keys in records(campaign_schema(SHIPPED)).items() if what not in CATALOGUE}
    del of_campaigns["a condition"]  # whose facts are tested one by one
    assert of_campaigns | records(program_schema()) == {what: known for what, (known, _) in examples_read.items()}


def test_each_key_has_an_example_in_the_docs(examples_read: Read) -> None:
    assert {what: missing for what, (known, shown) in examples_read.items() if (missing := known - shown)} == {}


def test_each_key_says_what_it_is_for() -> None:
    for schema in (campaign_schema(SHIPPED), program_schema()):
        for node in nodes(schema):
            for key, value in node.get("properties", {}).items() if "title" in node else ():
                assert re.fullmatch(r"[A-Z].+[.)]", value["description"]), key


def with_test(fact: str, test: str) -> str:
    subject = CATALOGUE[fact].subject
    when = "event: referral.status_changed" if subject is Subject.REFERRAL else 'every: "monday 09:00"'
    again = None if subject is Subject.REFERRAL else "again: never"
    where = f"where: [{fact}: {{{test}}}]"
    return texts.campaign_text(for_=f"for: {subject}", when=f"when: {{{when}}}", again=again, where=where)


@pytest.mark.parametrize("fact", CATALOGUE)
def test_each_fact_is_compared_as_its_reader_allows(fact: str) -> None:
    demanded, value = DEMANDED.get(fact, ""), SAMPLES[fact]
    written = dict.fromkeys(Comparator, value) | {
        "in": f"[{value}]",
        "between": f"[{value}, {value}]",
        "exists": "true",
    }
    compared = [f"{demanded}{comparator}: {written[comparator]}" for comparator in Comparator]
    arguments = [f"{demanded}{name}: {BESIDE[name]}, is: {value}" for name in ARGUMENTS if name not in demanded]
    odd = [
        demanded,
        f"{demanded}is: {value}, is_not: {value}",
        f"is: {value}",
        f"{demanded}last: 9d, first: 9d, is: {value}",
    ]
    for test in (*compared, *arguments, *odd):
        source = with_test(fact, test)
        taken = read_campaign(source, texts.programs())
        assert taken is accepts(validator("campaign", "acme"), source), test
    assert any(read_campaign(with_test(fact, test), texts.programs()) for test in compared)


# -- mistakes ----------------------------------------------------------------------------------------------------------

PROGRAM = texts.PROGRAM
PART = texts.campaign_text


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(PART(why="whi: x"), id="an unknown key"),
        pytest.param(PART(topic=None), id="a key is missing"),
        pytest.param(PART(topic="topic: tipps"), id="a topic that program.yaml does not list"),
        pytest.param(PART(program="program: acmee"), id="an unknown program"),
        pytest.param(PART(state="state: alive"), id="an unknown state"),
        pytest.param(PART(why="why:"), id="a key without a value"),
        pytest.param(PART(again=None), id="a schedule without again"),
        pytest.param(PART(again="again: sometimes"), id="an unknown again"),
        pytest.param(PART(again="again: after 60"), id="a time without a letter"),
        pytest.param(PART(when='when: {every: "munday 09:00"}'), id="a misspelt day"),
        pytest.param(PART(when='when: {every: "monday 9:00"}'), id="an hour without its zero"),
        pytest.param(PART(when='when: {every: "31st 09:00"}'), id="a day that not every month has"),
        pytest.param(PART(when='when: {evry: "monday 09:00"}'), id="a misspelt way of starting"),
        pytest.param(PART(when='when: {cron: "9 * * *"}'), id="four fields of cron"),
        pytest.param(PART(when="when: {every: hour, to: won}"), id="a status for a schedule"),
        pytest.param(PART(when="when: {event: won}", again=None), id="an unknown event"),
        pytest.param(texts.referral_text(catch_up="catch_up: all"), id="catch_up of an event"),
        pytest.param(PART(where="where: [refferals: {is: 0}]"), id="a misspelt fact"),
        pytest.param(PART(where="where: [wins: 3]"), id="a fact that is not compared"),
        pytest.param(PART(where="where: [wins: {is: many}]"), id="a word for a number"),
        pytest.param(PART(where='where: [wins: {is: "3"}]'), id="a number in quotes"),
        pytest.param(PART(where="where: [wins: {last: 9m, is: 3}]"), id="a window of minutes"),
        pytest.param(PART(where="where: [tier: {at_least: gold}]"), id="a comparator that texts do not have"),
        pytest.param(PART(where="where: [tier: {is: bronze}]"), id="a tier that program.yaml does not list"),
        pytest.param(PART(where="where: [{wins: {is: 0}, open: {is: 0}}]"), id="two facts in one test"),
        pytest.param(PART(where="where: []"), id="an empty condition"),
        pytest.param(PART(where="where: {any: []}"), id="any of nothing"),
        pytest.param(PART(steps="steps: [{snd: x}]"), id="a misspelt step"),
        pytest.param(PART(steps="steps: []"), id="no steps"),
        pytest.param(PART(steps="steps: [send]"), id="a step without a value"),
        pytest.param(PART(steps="steps: [{send: a, wait: 3d}]"), id="two things in one step"),
        pytest.param(PART(steps="steps: [{send: a}, {wait: {untill: next day 09:00}}]"), id="a misspelt key in a wait"),
        pytest.param(PART(steps="steps: [{send: a}, {wait: 3}]"), id="a wait of three"),
        pytest.param(PART(steps="steps: [{send: a}, {at: begin}]"), id="an unknown instant"),
        pytest.param(PART(steps="steps: [{send: a}, {at: start 9}]"), id="an instant at no time of day"),
        pytest.param(PART(steps="steps: [{branch: {if: [wins: {is: 0}]}}, {send: a}]"), id="a branch to nowhere"),
        pytest.param(PART(steps="steps: [{send: {rotate: [a]}}]"), id="one text in turn"),
        pytest.param(PART(steps="steps: [{send: {variants: {a: 1, b: x}}}]"), id="a weight that is no number"),
        pytest.param(PART(steps="steps: [{ask: {question: q, send: a, answers: {fine: Fine}}}]"), id="one answer"),
        pytest.param(PART(steps="steps: [{alert: {to: boss, say: x}}]"), id="an alert to nobody known"),
        pytest.param(PART(starts="starts: 2.11.2026"), id="a date of another country"),
        pytest.param(PART(send_within="send_within: 3 days"), id="a time in words"),
        pytest.param(PART(max_audience="max_audience: 0"), id="an audience of nobody"),
        pytest.param(PART(goal="goal: wins within 30d"), id="a goal that nobody can reach"),
        pytest.param(PART(holdout="holdout: 0.1"), id="a share that is not per cent"),
        pytest.param(PART(only="only: {}"), id="only nobody in particular"),
        pytest.param(PART(only="only: {regions: [x]}"), id="an unknown key in only"),
        pytest.param(PART(send_window="send_window: {days: workdays}"), id="unknown days"),
        pytest.param(PART(send_window='send_window: {from: "09:00"}'), id="a window that does not close"),
        pytest.param(PART(if_outranked="if_outranked: wait"), id="an unknown way of giving way"),
        pytest.param(PART(promotion="promotion: {from: 2026-11-01}"), id="half a promotion"),
    ],
)
def test_a_mistake_of_structure_is_refused_as_the_reader_refuses_it(source: str) -> None:
    assert not read_campaign(source, texts.programs())
    assert not accepts(validator("campaign", "acme"), source)


def program_with(old: str, new: str) -> str:
    assert old in PROGRAM
    return PROGRAM.replace(old, new)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(program_with("zone:", "zoen:"), id="an unknown key"),
        pytest.param(program_with("    currency: EUR\n", ""), id="a key is missing"),
        pytest.param(program_with("currency: EUR", "currency: euro"), id="no currency"),
        pytest.param(program_with("kind: marketing", "kind: advertising"), id="an unknown kind of topic"),
        pytest.param(program_with("label: Tips}", "lable: Tips}"), id="an unknown key of a topic"),
        pytest.param(program_with("kind: opportunity, ", ""), id="a status without its kind"),
        pytest.param(program_with("threshold: 5", "threshold: five"), id="a threshold in words"),
        pytest.param(program_with("period: quarter", "period: week"), id="an unknown period"),
        pytest.param(program_with("logins: 36h", "logins: 36"), id="a silence without a letter"),
        pytest.param(program_with("logins: 36h", "log_ins: 36h"), id="an unknown feed"),
        pytest.param(program_with("employees: number", "employees: integer"), id="an unknown type"),
        pytest.param(program_with("refer_url: https:", "refer_url: ftp:"), id="an address that is not of the web"),
        pytest.param(PROGRAM + "    desks: {owner: a@example.com}\n", id="a desk called as no desk is"),
        pytest.param(PROGRAM + "    desks: {marketing: {name: Maria}}\n", id="a desk without an address"),
        pytest.param(program_with("    ladder:", "      mark: Acme\n    ladder:"), id="a mark too long"),
        pytest.param(program_with("    ladder:", "      ally_mark: A\n    ladder:"), id="a mark of no ally"),
        pytest.param(
            program_with("    ladder:", "      share_url: https://a.example/{id}\n    ladder:"), id="an unknown place"
        ),
        pytest.param(PROGRAM + "    frequency_caps: [{at_most: 3, in: 7d}]\n", id="a cap of nobody"),
        pytest.param(
            PROGRAM + "    frequency_caps: [{at_most: 3, per: partners, in: 7d}]\n", id="a cap of an unknown kind"
        ),
        pytest.param(PROGRAM + '    quiet_hours: {from: "21:00"}\n', id="quiet hours without an end"),
        pytest.param(PROGRAM + "    control_group: 5\n", id="a share that is not per cent"),
        pytest.param(PROGRAM + "    sunset: {light_after: 180d, light: 30d}\n", id="a sunset without night"),
        pytest.param(PROGRAM + "    link_tags: {utm_source: engage}\n", id="link tags without hosts"),
        pytest.param(PROGRAM + "    holidays: yes\n", id="yes for true"),
        pytest.param("programs: {}\n", id="no program"),
        pytest.param(
            PROGRAM + "  allies: {inherits: acme, zoen: UTC}\n", id="an unknown key where the rest is inherited"
        ),
        pytest.param(
            PROGRAM + "  allies: {inherits: acme, tiers: {steps: [{tier: silver}]}}\n", id="a tier half inherited"
        ),
    ],
)
def test_a_mistake_in_program_yaml_is_refused_as_the_reader_refuses_it(source: str) -> None:
    assert not read_program(source)
    assert not accepts(validator("program"), source)


def test_a_program_that_inherits_leaves_out_what_its_parent_says() -> None:
    parent = PROGRAM + '    link_tags: {hosts: [example.com], a: b}\n    quiet_hours: {from: "21:00", to: "08:00"}\n'
    child = """\
  allies:
    inherits: acme
    brand: {from: Allies <allies@example.com>}
    tiers: {period: year}
    topics: {tips: {label: Advice}}
    quiet_hours: {from: "22:00"}
    link_tags: {utm_source: allies}
    without: [monthly-newsletter]
"""

    assert read_program(parent + child)
    assert mistakes(validator("program"), parent + child) == []


def test_a_number_where_a_text_is_meant_is_no_mistake() -> None:
    program = PROGRAM.replace("  acme:", "  2026:").replace("tips:", "7:")
    source = PART(campaign="campaign: 2026", program="program: 2026", topic="topic: 7", why="why: 2026")
    programs = parse_programs(program, "program.yaml")

    assert read_program(program)
    assert mistakes(validator("program"), program) == []
    assert read_campaign(source, programs)
    assert mistakes(Draft202012Validator(campaign_schema(programs)), source) == []


OWN_NAMES = ("programs", "topics", "attributes", "variants", "answers", "link_tags", "words", "desks")
"""Mappings whose keys are the author's own."""


def changed(tree: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> str:
    """The file with one thing within changed: `change` gets the mapping or list, and the key or index."""
    tree = copy.deepcopy(tree)
    place = tree
    for part in path[:-1]:
        place = place[part]
    change(place, path[-1])
    return written(tree)


def read_shipped(source: str) -> bool:
    return read_campaign(source, SHIPPED)


def misspelt(place: Any, key: Any) -> None:
    place[f"{key}x"] = place.pop(key)


def made_a_mapping(place: Any, key: Any) -> None:
    place[key] = {"Unheard of": 1}


@pytest.mark.parametrize("source", EXAMPLES)
def test_whatever_is_misspelt_or_of_the_wrong_type_in_an_example_is_refused_by_both(source: str) -> None:
    kind, whole = completed(source)
    tree = seen_by_an_editor(whole)
    shown = set(top_keys(source))
    for path, value in places(tree):
        if not shown & {*path}:
            continue  # what completes the example is tested with the others
        change = misspelt if isinstance(path[-1], str) and path[-2:-1] not in [(own,) for own in OWN_NAMES] else None
        changes = [change] if change else []
        changes += [made_a_mapping] if not isinstance(value, dict | list) else []
        for change in changes:
            text = changed(tree, path, change)
            read = {"program": read_program, "further": read_further}.get(kind, read_shipped)
            assert not read(text), path
            assert not accepts(validator(kind, "shipped" if kind == "campaign" else ""), text), path
