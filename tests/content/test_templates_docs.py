"""docs/templates.md says what the code does: its tables are made from the code, its example loads."""

import re

import pytest

from engage.content import Templates
from engage.content.filters import BRAND_FILTERS, FILTERS
from engage.content.library import BLOCKS_HTML
from engage.content.sandbox import TESTS
from engage.content.schema import OCCASIONAL, Audience, names_for
from engage.content.types import Kind, Listing, Record, Type, Value
from engage.domain.facts import Subject
from tests.content.samples import PARSE_FACT, ROOT, context, shared_sources

DOCS = (ROOT / "docs" / "templates.md").read_text()


def context_rows() -> list[str]:
    """A row for each name that any template may use."""
    names: dict[str, Type] = {}
    for audience in Audience:
        names |= names_for(Subject.REWARD, audience, {}, OCCASIONAL if audience is Audience.PARTNER else ())
    contest = names_for(Subject.STAFF, Audience.STAFF, {}, ("promotion",))
    assert isinstance(contest["promotion"], Record)
    names["promotion.prize"] = contest["promotion"].fields["prize"]
    names |= {name: contest[name] for name in ("standings", "standing", "winners")}
    names["company"] = names_for(Subject.COMPANY, Audience.STAFF, {})["company"]
    rows: list[str] = []
    for name, what in names.items():
        rows += _rows(name, what)
    return rows


def _rows(path: str, what: Type) -> list[str]:
    match what:
        case Value(kind=kind, meaning=meaning, optional=optional):
            shown = f"{kind}{', may be empty' if optional and not path.startswith('links.referral') else ''}"
            return [f"| `{path}` | {shown} | {meaning} |"]
        case Listing(meaning=meaning, item=item):
            return [f"| `{path}` | list | {meaning} |", *_fields(f"{path}[]", item)]
        case Record(meaning=meaning):
            return [f"| `{path}` | record | {meaning} |", *_fields(path, what)]


def _fields(path: str, record: Record) -> list[str]:
    return [row for name, field in record.fields.items() for row in _rows(f"{path}.{name}", field)]


def test_the_context_table_is_that_of_the_code() -> None:
    table = DOCS.split("| Name | Type | Meaning |")[1].split("\n\n")[0]
    assert [line for line in table.split("\n") if line.startswith("| `")] == context_rows()


@pytest.mark.parametrize("name", [*FILTERS, *BRAND_FILTERS, *TESTS])
def test_every_filter_and_test_is_explained(name: str) -> None:
    assert f"`{name}" in DOCS


def test_every_block_is_explained_as_it_is_called() -> None:
    for name, arguments in re.findall(r"{% macro (\w+)\((.*?)\) %}", shared_sources()[BLOCKS_HTML]):
        if name != "button":
            assert f"`blocks.{name}({arguments})`" in DOCS


def test_every_kind_of_value_is_explained() -> None:
    for kind in Kind:
        assert f"{kind}" in DOCS


def test_the_example_is_an_email_that_works() -> None:
    (example,) = re.findall(r"```markdown\n(---\n.*?)```", DOCS, re.DOTALL)
    templates, problems = Templates.from_sources({**shared_sources(), "x.md": example}, PARSE_FACT)
    assert problems == ()
    assert templates.get("x").lint(Subject.REFERRAL, "partner") == ()
    assert templates.get("x").render(context()).subject == "Harborline Logistics wants a demo"


def test_the_messages_of_lint_that_are_shown_are_real() -> None:
    body = "---\nsubject: S\n---\n" + re.findall(r"```jinja\n(.*?)```", DOCS, re.DOTALL)[0]
    templates, problems = Templates.from_sources({**shared_sources(), "x.md": body}, PARSE_FACT)
    shown = re.findall(r"^x\.md:.*$", DOCS, re.MULTILINE)
    assert shown == [str(problem) for problem in (problems or templates.get("x").lint(Subject.REFERRAL, "partner"))]
