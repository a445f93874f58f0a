"""What the pages of docs/ show of the language is what engage reads."""

import re
import shutil
from contextlib import suppress
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from engage.authoring import load_campaigns, parse_campaign, parse_programs
from engage.authoring.campaigns import KEYS
from engage.authoring.programs import KEYS as PROGRAM_KEYS
from engage.authoring.schedules import cron_of
from engage.authoring.topics import TOPIC_KEYS
from engage.domain.campaigns import AgainKind, CatchUp, EventKind
from engage.domain.conditions import Comparator
from engage.domain.errors import AuthoringError
from engage.domain.facts import CATALOGUE, Fact, FactType, Subject
from engage.pipeline.judging import judge
from tests.authoring.examples import EXAMPLES, ROOT, completed_campaign, completed_program, is_further, top_keys

GUIDE = "\n".join((ROOT / "docs" / name).read_text() for name in ("campaigns.md", "program.md"))
FIRST = (ROOT / "docs" / "first-campaign.md").read_text()
SHIPPED = load_campaigns(ROOT / "campaigns")


@pytest.mark.parametrize("source", EXAMPLES)
def test_each_example_is_read(source: str) -> None:
    keys = set(top_keys(source))
    if keys == {"programs"}:
        assert parse_programs(source, "program.yaml")
    elif is_further(source):
        whole, (file,) = completed_program("holidays: true"), re.findall("# (campaigns/programs/.*)", source)
        assert list(parse_programs(whole, "program.yaml", {file: source}))[1:] == [Path(file).stem]
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
    FactType.MULTIPLE: "multiple",
    FactType.DAYS_SINCE: "days",
    FactType.TEXT: "text",
    None: "as declared",
}


def fact_row(fact: Fact, example: str) -> list[str]:
    takes = (
        ["window"] * fact.windows
        + ["`last`"] * fact.last
        + ["`method`"] * fact.methods
        + ["`by`"] * fact.by
        + ["`name`"] * fact.named
        + ["`question`"] * fact.asked
    )
    kind = "count or amount" if fact.name in ("to_next_tier", "to_keep_tier") else TYPES[fact.type]
    of = ", ".join((fact.subject, *fact.over))
    return [f"`{fact.name}`", of, kind, ", ".join(takes), fact.feed or "", fact.meaning, example]


def test_the_table_of_facts_is_the_catalogue() -> None:
    rows = {words(row[0])[0]: row for row in cells("## Facts")}

    assert list(rows) == list(CATALOGUE)
    assert list(rows.values()) == [fact_row(fact, rows[fact.name][-1]) for fact in CATALOGUE.values()]


@pytest.mark.parametrize("heading", ["## Facts", "| comparator |"])
def test_each_example_in_a_table_is_read(heading: str) -> None:
    for row in cells(heading):
        example = words(row[-1])[0]
        subject = {"partners": "company", "reward_stage": "reward"}.get(words(row[0])[0], "referral")
        when = f'for: {subject}\nwhen: {{every: "day 09:00"}}\nagain: never\n'
        campaign = completed_campaign(f"{when}where:\n  - {example}\n")
        assert parse_campaign(campaign, "example.yaml", SHIPPED.programs).where


def test_the_tables_list_every_word_of_the_language() -> None:
    assert [words(row[0])[0] for row in cells("| comparator |")] == list(Comparator)
    assert {word for row in cells("## The keys of a campaign") for word in words(row[0])} == set(KEYS)
    program_table = cells("# program.yaml")
    assert {words(row[0])[0] for row in program_table} == set(PROGRAM_KEYS)
    assert {words(row[0])[0] for row in cells("| key of a topic |")} == set(TOPIC_KEYS)
    assert all("](#" in row[0] for row in (*cells("## The keys of a campaign"), *program_table)), "each has a section"
    assert [words(row[0])[0].removesuffix(" 60d") for row in cells("### again")] == list(AgainKind)
    assert [words(row[0])[0] for row in cells("### catch_up")] == list(CatchUp)


def test_the_table_of_subjects_names_each_and_its_facts() -> None:
    assert [words(row[0])[0] for row in cells("| `for` | facts |")] == list(Subject)
    for subject in Subject:
        when = f'for: {subject}\nwhen: {{every: "day 09:00"}}\nagain: never\n'
        for row in cells("## Facts"):
            fact = CATALOGUE[words(row[0])[0]]
            campaign = completed_campaign(f"{when}where:\n  - {words(row[-1])[0]}\n")
            if fact.allows(subject):
                assert parse_campaign(campaign, "example.yaml", SHIPPED.programs).subject is subject
            else:
                with pytest.raises(AuthoringError, match=f"'{fact.name}' is a fact of"):
                    parse_campaign(campaign, "example.yaml", SHIPPED.programs)


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
