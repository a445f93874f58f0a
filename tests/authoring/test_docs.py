"""What docs/campaigns.md and docs/first-campaign.md show is what engage reads."""

import re
import shutil
from contextlib import suppress
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from engage.authoring import load_campaigns, parse_campaign, parse_programs
from engage.authoring.campaigns import KEYS
from engage.authoring.document import Mapping, read_document
from engage.authoring.programs import KEYS as PROGRAM_KEYS
from engage.authoring.schedules import cron_of
from engage.domain.campaigns import AgainKind, CatchUp, EventKind
from engage.domain.conditions import Comparator
from engage.domain.errors import AuthoringError
from engage.domain.facts import CATALOGUE, Fact, FactType, Subject
from engage.pipeline.judging import judge
from tests.authoring.texts import PARTS

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "campaigns.md").read_text()
FIRST = (ROOT / "docs" / "first-campaign.md").read_text()
SHIPPED = load_campaigns(ROOT / "campaigns")
EXAMPLES = [
    pytest.param(match[1], id=f"{name}:{text[: match.start()].count(chr(10)) + 1}")
    for name, text in (("campaigns.md", GUIDE), ("first-campaign.md", FIRST))
    for match in re.finditer(r"```yaml\n(.*?)```", text, re.DOTALL)
]


def top_keys(source: str) -> list[str]:
    node = read_document(source, "example.yaml")
    assert isinstance(node, Mapping)
    return [key.text for key, _ in node.entries]


def completed_campaign(source: str) -> str:
    """An excerpt of a campaign with the keys that it does not show."""
    keys = top_keys(source)
    rest = [text for name, text in PARTS.items() if name.rstrip("_") not in keys]
    if "event:" in source:
        rest = [text for text in rest if not text.startswith("again")]
    return "\n".join([*rest, source])


def completed_program(source: str) -> str:
    """An excerpt of a program in the place of the same keys of the whole one that the guide shows."""
    whole = next(example.values[0] for example in EXAMPLES if example.values[0].startswith("programs:"))
    lines = whole.split("\n")
    head, sections = lines[:2], re.split(r"\n(?=    \w)", "\n".join(lines[2:]))
    kept = [section for section in sections if section.split(":")[0].strip() not in top_keys(source)]
    return "\n".join([*head, *kept, *(f"    {line}" for line in source.split("\n"))])


@pytest.mark.parametrize("source", EXAMPLES)
def test_each_example_is_read(source: str) -> None:
    keys = set(top_keys(source))
    if keys == {"programs"}:
        assert parse_programs(source, "program.yaml")
    elif keys <= set(KEYS):
        assert parse_campaign(completed_campaign(source), "example.yaml", SHIPPED.programs)
    else:
        assert keys <= set(PROGRAM_KEYS)
        assert parse_programs(completed_program(source), "program.yaml")


def cells(heading: str) -> list[list[str]]:
    """The rows of the first table at or after a line of the guide, without the table's own two."""
    lines = iter(GUIDE[GUIDE.index(f"\n{heading}") + 1 :].split("\n"))
    table = takewhile(lambda line: line.startswith("|"), dropwhile(lambda line: not line.startswith("|"), lines))
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table][2:]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


TYPES = {
    FactType.COUNT: "count",
    FactType.MONEY: "amount",
    FactType.RATIO: "ratio",
    FactType.DAYS_SINCE: "days",
    FactType.TEXT: "text",
    None: "as declared",
}


def fact_row(fact: Fact, example: str) -> list[str]:
    takes = (
        ["window"] * fact.windows
        + ["`method`"] * fact.methods
        + ["`by`"] * fact.by
        + ["`name`"] * fact.named
        + ["`question`"] * fact.asked
    )
    kind = "count or amount" if fact.name == "to_next_tier" else TYPES[fact.type]
    return [f"`{fact.name}`", fact.subject, kind, ", ".join(takes), fact.feed or "", fact.meaning, example]


def test_the_table_of_facts_is_the_catalogue() -> None:
    rows = {words(row[0])[0]: row for row in cells("## Facts")}

    assert list(rows) == list(CATALOGUE)
    assert list(rows.values()) == [fact_row(fact, rows[fact.name][-1]) for fact in CATALOGUE.values()]


@pytest.mark.parametrize("heading", ["## Facts", "| comparator |"])
def test_each_example_in_a_table_is_read(heading: str) -> None:
    when = "for: referral\nwhen: {event: referral.status_changed}\n"
    for row in cells(heading):
        example = words(row[-1])[0]
        campaign = completed_campaign(f"{when}where:\n  - {example}\n")
        assert parse_campaign(campaign, "example.yaml", SHIPPED.programs).where


def test_the_tables_list_every_word_of_the_language() -> None:
    assert [words(row[0])[0] for row in cells("| comparator |")] == list(Comparator)
    assert {word for row in cells("## The keys of a campaign") for word in words(row[0])} == set(KEYS)
    program_table = cells("| key | needed | what it says |\n|---|---|---|\n| `name`")
    assert {words(row[0])[0] for row in program_table} == set(PROGRAM_KEYS)
    assert [words(row[0])[0].removesuffix(" 60d") for row in cells("### again")] == list(AgainKind)
    assert [words(row[0])[0] for row in cells("### catch_up")] == list(CatchUp)


def test_the_table_of_events_says_what_each_may_be_for() -> None:
    for row in cells("| event |"):
        event = words(row[0])[0]
        allowed = []
        for subject in Subject:
            text = completed_campaign(f"for: {subject}\nwhen: {{event: {event}}}\n")
            with suppress(AuthoringError):
                allowed.append(parse_campaign(text, "example.yaml", SHIPPED.programs).subject)
        assert sorted(row[-1].split(", ")) == sorted(allowed)
    assert [words(row[0])[0] for row in cells("| event |")] == list(EventKind)


def test_the_table_of_schedules_is_understood() -> None:
    for row in cells("| written | due |"):
        assert cron_of(words(row[0])[0])


def test_the_first_campaign_is_as_its_guide_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "campaigns", tmp_path / "campaigns")
    shutil.copytree(ROOT / "email_templates", tmp_path / "email_templates")
    campaign, mail = (re.search(rf"```{kind}\n(.*?)```", FIRST, re.DOTALL) for kind in ("yaml", "markdown"))
    assert campaign is not None
    assert mail is not None
    file = tmp_path / "campaigns" / "nudges" / "first_referral.yaml"
    (tmp_path / "email_templates" / "nudges" / "first_referral.md").write_text(mail[1])

    file.write_text(campaign[1])
    assert judge(tmp_path / "campaigns", tmp_path / "email_templates").problems == ()

    file.write_text(campaign[1].replace("- referrals", "- refferals"))
    (problem,) = judge(tmp_path / "campaigns", tmp_path / "email_templates").problems
    assert str(problem) in FIRST
