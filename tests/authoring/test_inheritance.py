"""Programs that inherit from others: one short file says what is different."""

from pathlib import Path

import pytest

from engage.authoring import load_campaigns, parse_programs
from engage.authoring.inheritance import inherited
from engage.domain.errors import AuthoringError
from engage.domain.programs import Program
from tests.authoring.texts import PROGRAM, campaign_text

CHILD = """\
  allies:
    inherits: acme
    name: Acme & Allies
    brand: {color: "#123456"}
    limits: {status_changes_per_hour: 5}
    topics: {tips: {label: Tips for allies}}
"""


def programs(*children: str) -> dict[str, Program]:
    return parse_programs(PROGRAM + "".join(children), "program.yaml")


def problems(*children: str) -> list[str]:
    with pytest.raises(AuthoringError) as caught:
        programs(*children)
    return [str(problem) for problem in caught.value.problems]


def test_what_a_program_does_not_say_its_parent_says() -> None:
    acme, allies = programs(CHILD).values()
    assert (allies.brand.name, allies.brand.color, allies.brand.from_email) == (
        "Acme & Allies",
        "#123456",
        "partners@example.com",
    )
    assert allies.status_changes_per_hour == 5
    assert [topic.label for topic in allies.topics.values()] == ["Your referrals", "Tips for allies"]
    assert (allies.topics["tips"].kind, allies.topics["status"]) == (acme.topics["tips"].kind, acme.topics["status"])
    for name in ("zone", "currency", "ladder", "tiers", "feeds", "attributes"):
        assert getattr(allies, name) == getattr(acme, name)
    assert (acme.brand.color, acme.status_changes_per_hour, acme.topics["tips"].label) == ("#1f4b99", 1000, "Tips")
    assert (acme.lineage, allies.lineage) == (("acme",), ("allies", "acme"))


def test_a_program_may_inherit_from_one_that_inherits_in_whatever_order_they_stand() -> None:
    ladder = "[{status: submitted, label: A}, {status: won, label: B}]"
    found = programs(f"  local: {{inherits: allies, zone: Europe/Paris, ladder: {ladder}}}\n", CHILD)
    assert list(found) == ["acme", "local", "allies"]
    local = found["local"]
    assert (local.brand.color, local.zone, len(local.ladder)) == ("#123456", "Europe/Paris", 2)
    assert local.lineage == ("local", "allies", "acme")


@pytest.mark.parametrize(
    ("child", "said"),
    [
        ("  b: {inherits: acmee}\n", ["28:17: unknown program 'acmee'; did you mean 'acme'?"]),
        ("  b: {inherits: b}\n", ["28:17: 'b' inherits from itself; take one 'inherits' out"]),
        (
            "  b: {inherits: c}\n  c: {inherits: b}\n  d: {inherits: b}\n",
            [
                "28:17: 'b' inherits from itself; take one 'inherits' out",
                "29:17: 'c' inherits from itself; take one 'inherits' out",
            ],
        ),
        (
            "  b: {inherits: acme, brand: {colour: red}}\n",
            ["28:31: unknown key 'colour' in brand; did you mean 'color'?"],
        ),
    ],
)
def test_mistakes_are_named_once(child: str, said: list[str]) -> None:
    assert [problem.removeprefix("program.yaml:") for problem in problems(child)] == said


def test_a_program_can_be_without_something_only_if_it_inherits() -> None:
    with pytest.raises(AuthoringError, match="'without' leaves out what is inherited"):
        parse_programs(PROGRAM + "    without: [x]\n", "program.yaml")


def test_a_mistake_of_the_parent_is_reported_once() -> None:
    with pytest.raises(AuthoringError) as caught:
        parse_programs(PROGRAM.replace("Europe/Berlin", "Europe/Berln") + CHILD, "program.yaml")
    assert len(caught.value.problems) == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "campaigns"
    found.mkdir()
    (found / "program.yaml").write_text(PROGRAM + CHILD)
    for name in ("x", "y"):
        (found / f"{name}.yaml").write_text(campaign_text(campaign=f"campaign: {name}"))
    return found


def effective(folder: Path) -> dict[str, list[str]]:
    """The names of each program's campaigns."""
    authored = load_campaigns(folder)
    assert authored.problems == ()
    more, unfit = inherited(authored.campaigns, authored.programs)
    assert unfit == []
    names: dict[str, list[str]] = {key: [] for key in authored.programs}
    for program, name in sorted({**authored.campaigns, **more}):
        names[program].append(name)
    return names


def test_campaigns_of_the_parent_are_the_childs_too_unless_it_is_without_them(folder: Path) -> None:
    assert effective(folder) == {"acme": ["x", "y"], "allies": ["x", "y"]}
    (folder / "program.yaml").write_text(PROGRAM + CHILD + "    without: [y]\n    order: [x]\n")
    assert effective(folder) == {"acme": ["x", "y"], "allies": ["x"]}


def test_a_campaign_of_the_child_replaces_the_one_of_that_name_and_others_are_its_own(folder: Path) -> None:
    (folder / "allied.yaml").write_text(
        campaign_text(campaign="campaign: x", program="program: allies", why="why: Ours")
    )
    (folder / "own.yaml").write_text(campaign_text(campaign="campaign: own", program="program: allies"))
    assert effective(folder) == {"acme": ["x", "y"], "allies": ["own", "x", "y"]}
    authored = load_campaigns(folder)
    assert authored.campaigns["allies", "x"].why == "Ours"
    assert authored.campaigns["acme", "x"].why == ""


def test_what_a_grandchild_has_follows_from_each_on_the_way(folder: Path) -> None:
    (folder / "program.yaml").write_text(PROGRAM + CHILD + "    without: [y]\n  local: {inherits: allies}\n")
    (folder / "own.yaml").write_text(campaign_text(campaign="campaign: own", program="program: allies"))
    assert effective(folder) == {"acme": ["x", "y"], "allies": ["own", "x"], "local": ["own", "x"]}


def test_names_that_are_not_there_are_found_in_order_and_without(folder: Path) -> None:
    (folder / "program.yaml").write_text(PROGRAM + CHILD + "    without: [z]\n    order: [x, w]\n")
    assert [problem.message for problem in load_campaigns(folder).problems] == [
        "'allies' is without 'z', and inherits no such campaign",
        "the order names 'w', and 'allies' has no such campaign",
    ]


def test_what_does_not_fit_the_child_is_a_problem_of_the_campaigns_file(folder: Path) -> None:
    (folder / "program.yaml").write_text(
        PROGRAM
        + CHILD
        + "    tiers: {metric: wins, period: year, steps: [{tier: top, label: T, threshold: 1, benefit: b}]}\n"
    )
    (folder / "x.yaml").write_text(campaign_text(campaign="campaign: x", where="where: [tier: {is: gold}]"))
    authored = load_campaigns(folder)
    _, unfit = inherited(authored.campaigns, authored.programs)
    (problem,) = unfit
    assert (problem.file, problem.message) == (
        "campaigns/x.yaml",
        "in program 'allies', which inherits it: unknown tier 'gold'",
    )
