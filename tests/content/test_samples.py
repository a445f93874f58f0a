"""Samples: files of made-up values are read as the schema has them, and what is wrong in one is said with its place."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from engage.content.samples import load_samples, read_sample
from engage.domain.errors import AuthoringError, InputError
from tests.support.command import ROOT


def write(folder: Path, **samples: str) -> Path:
    (folder / "_samples").mkdir()
    for name, source in samples.items():
        (folder / "_samples" / f"{name}.yaml").write_text(source)
    return folder


def test_what_a_sample_leaves_out_is_as_in_usual(tmp_path: Path) -> None:
    usual = "about: All.\npartner: {first_name: Dana, region: Texas}\nfacts: {wins: 2, open: 3}"
    samples = load_samples(write(tmp_path, usual=usual, bare="about: Less.\npartner:\n  region:\nfacts: {wins: 0}"))
    assert list(samples) == ["usual", "bare"]
    assert samples["bare"].of("any") == {"partner": {"first_name": "Dana", "region": ""}}
    assert samples["bare"].facts == {"wins": 0, "open": 3}


def test_items_of_a_list_leave_out_what_the_usual_first_one_says(tmp_path: Path) -> None:
    usual = "about: All.\nleaders:\n  - {place: 1, label: A, value: 7}\n  - {label: B}"
    samples = load_samples(write(tmp_path, usual=usual, other="about: One.\nleaders:\n  - {label: C}"))
    assert samples["usual"].of("any")["leaders"][1] == {"place": 1, "label": "B", "value": 7}
    assert samples["other"].of("any")["leaders"] == [{"place": 1, "label": "C", "value": 7}]


def test_one_email_may_be_given_something_else(tmp_path: Path) -> None:
    usual = "about: All.\ntier: {next: Gold}\nemails:\n  x/y: {tier: {next: Silver}, facts: {open_now: 0}}"
    sample = load_samples(write(tmp_path, usual=usual))["usual"]
    assert sample.of("x/y") == {"tier": {"next": "Silver"}, "facts": {"open_now": 0}}
    assert sample.of("x/z") == {"tier": {"next": "Gold"}}


def test_amounts_are_written_as_people_write_them() -> None:
    sample = read_sample("about: A.\nreferral: {amount: -12.5}\ntier: {metric: revenue, to_next: 300}", "a.yaml")
    assert sample.values["referral"]["amount"] == Decimal("-12.5")
    assert sample.values["tier"]["to_next"] == Decimal(300)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("partner: {frist_name: Dana}", "2:11: unknown field 'frist_name' of 'partner'; did you mean 'first_name'?"),
        ("parnter: {}", "2:1: unknown key 'parnter' in a sample; did you mean 'partner'?"),
        ("facts: {winns: 1}", "2:9: unknown fact 'winns'; did you mean 'wins'?"),
        ("reward:\n  amount:", "3:3: 'reward.amount' is never empty; write a value, or leave the line out"),
        ("reward: {due_at: soon}", "2:18: 'soon' is no date; write one such as 2026-11-21"),
        ("leaders: {place: 1}", "2:10: 'leaders' must be a list; begin each item with '- '"),
    ],
)
def test_a_mistake_is_named_with_its_place(line: str, problem: str) -> None:
    with pytest.raises(AuthoringError) as raised:
        read_sample(f"about: A.\n{line}", "a.yaml")
    assert [str(one) for one in raised.value.problems] == [f"a.yaml:{problem}"]


def test_without_a_usual_sample_the_others_say_too_little(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no sample"):
        load_samples(write(tmp_path, bare="about: Less."))


def test_the_docs_name_every_sample_and_their_example_can_be_read() -> None:
    docs = (ROOT / "docs" / "templates.md").read_text().partition("## Without data")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```yml\n(.*?)```", docs, re.DOTALL)
    assert read_sample(example, "x.yaml").emails == {"nudges/no_login_30_days": {"facts": {"open_now": 0}}}
    table = {name for row in re.findall(r"^\| (`.*?) \|", docs, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert table == set(load_samples(ROOT / "email_templates"))
