"""The campaigns folder: good files load though others are wrong, and every problem is reported at once."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.authoring import load_campaigns
from tests.authoring.texts import PROGRAM, campaign_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "campaigns"
    found.mkdir()
    (found / "program.yaml").write_text(PROGRAM)
    (found / "good.yaml").write_text(campaign_text())
    return found


def lint(folder: Path) -> list[str]:
    return [str(problem) for problem in load_campaigns(folder).problems]


def test_campaigns_are_found_at_any_depth(folder: Path) -> None:
    (folder / "nudges" / "deep").mkdir(parents=True)
    (folder / "nudges" / "deep" / "y.yaml").write_text(campaign_text(campaign="campaign: y"))

    authored = load_campaigns(folder)

    assert list(authored.programs) == ["acme"]
    assert {key: one.path for key, one in authored.campaigns.items()} == {
        ("acme", "x"): "campaigns/good.yaml",
        ("acme", "y"): "campaigns/nudges/deep/y.yaml",
    }
    assert authored.problems == ()
    assert authored.program_sources == {"campaigns/program.yaml": PROGRAM}


def test_good_files_load_though_others_are_wrong(folder: Path) -> None:
    (folder / "bad.yaml").write_text(campaign_text(topic="topic: tipps"))
    (folder / "worse.yaml").write_text("campaign: [\n")

    authored = load_campaigns(folder)

    assert list(authored.campaigns) == [("acme", "x")]
    assert [str(problem) for problem in authored.problems] == [
        "campaigns/bad.yaml:2:8: unknown topic 'tipps'; did you mean 'tips'?",
        "campaigns/worse.yaml:2:1: this is not YAML: expected the node content, but found '<stream end>'; "
        "look at quotes, brackets and indentation up to this place",
    ]


def test_only_campaigns_lie_there(folder: Path) -> None:
    (folder / "_notes.md").write_text("ideas")
    (folder / "_drafts").mkdir()
    (folder / "_drafts" / "x.yaml").write_text("anything")
    (folder / ".DS_Store").write_bytes(b"\x00")
    (folder / "list.csv").write_text("a,b")
    (folder / "short.yml").write_text(campaign_text())
    (folder / "sub").mkdir()
    (folder / "sub" / "program.yaml").write_text(PROGRAM)

    no_campaign = "this is not a campaign; name campaigns x.yaml, and begin the names of other files with _"
    assert lint(folder) == [
        f"campaigns/list.csv:1:1: {no_campaign}",
        f"campaigns/short.yml:1:1: {no_campaign}",
        "campaigns/sub/program.yaml:1:1: program.yaml lies in the wrong place; move it to campaigns/",
    ]


def test_a_name_belongs_to_one_campaign(folder: Path) -> None:
    (folder / "twin.yaml").write_text("# the same again\n" + campaign_text())

    assert lint(folder) == [
        "campaigns/twin.yaml:2:11: campaign 'x' stands in campaigns/good.yaml too; "
        "each campaign of a program has a name of its own"
    ]


def test_the_order_names_campaigns_that_exist(folder: Path) -> None:
    (folder / "program.yaml").write_text(PROGRAM + "    order: [x, xx]\n")

    authored = load_campaigns(folder)

    assert [str(problem) for problem in authored.problems] == [
        "campaigns/program.yaml:28:16: the order names 'xx', and 'acme' has no such campaign; did you mean 'x'?"
    ]
    assert list(authored.campaigns) == [("acme", "x")]


def test_without_a_program_the_yaml_of_campaigns_is_judged_all_the_same(folder: Path) -> None:
    (folder / "program.yaml").unlink()
    (folder / "bad.yaml").write_text("a: 1\na: 2\n")

    authored = load_campaigns(folder)

    assert (authored.programs, authored.campaigns) == ({}, {})
    assert [str(problem) for problem in authored.problems] == [
        "campaigns/bad.yaml:2:1: 'a' stands here twice; it is already on line 1",
        "campaigns/program.yaml:1:1: there is no program.yaml; begin with the one in docs/program.md",
    ]


def test_problems_of_the_program_come_together_with_those_of_campaigns(folder: Path) -> None:
    (folder / "program.yaml").write_text(PROGRAM.replace("Europe/Berlin", "Europe/Berln"))
    (folder / "bad.yaml").write_text(campaign_text(topic="topic: tipps"))

    authored = load_campaigns(folder)

    assert (authored.programs, authored.campaigns, authored.program_sources) == ({}, {}, {})
    assert [str(problem) for problem in authored.problems] == [
        "campaigns/bad.yaml:2:8: unknown topic 'tipps'; did you mean 'tips'?",
        "campaigns/program.yaml:4:11: unknown zone 'Europe/Berln'; did you mean 'Europe/Berlin'?",
    ]


def test_a_file_that_is_not_utf_8(folder: Path) -> None:
    (folder / "latin.yaml").write_bytes(b"# caf\xe9\n" + campaign_text().encode())

    assert lint(folder) == ["campaigns/latin.yaml:1:6: this is not UTF-8 text; save the file as UTF-8"]


def test_a_file_from_windows_reads_like_any_other(folder: Path) -> None:
    (folder / "good.yaml").write_bytes(b"\xef\xbb\xbf" + campaign_text().replace("\n", "\r\n").encode())

    assert lint(folder) == []


def test_a_link_that_leads_nowhere(folder: Path) -> None:
    (folder / "gone.yaml").symlink_to(folder / "nowhere.yaml")

    assert lint(folder) == [
        "campaigns/gone.yaml:1:1: the file cannot be read (No such file or directory); look at its permissions"
    ]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert lint(tmp_path / "campaings") == [
        "campaings:1:1: there is no such folder; name the folder that holds program.yaml"
    ]


# Bytes of all kinds, and campaigns with a piece cut out or put in.
damaged = st.tuples(st.integers(0, 400), st.integers(0, 30), st.binary(max_size=6)).map(
    lambda cut: (
        (text := campaign_text(where="where:\n  - wins: {last: 9d, is: 0}").encode())[: cut[0]]
        + cut[2]
        + text[cut[0] + cut[1] :]
    )
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(damaged, st.binary(max_size=80)))
def test_whatever_a_file_holds_it_loads_or_is_reported(folder: Path, content: bytes) -> None:
    (folder / "odd.yaml").write_bytes(content)

    authored = load_campaigns(folder)

    odd = [one for one in authored.campaigns.values() if one.path == "campaigns/odd.yaml"]
    assert len(odd) + bool([problem for problem in authored.problems if problem.file == "campaigns/odd.yaml"]) == 1
    assert ("acme", "x") in authored.campaigns


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(PROGRAM)), st.integers(0, 40), st.binary(max_size=6))
def test_whatever_program_yaml_holds_it_loads_or_is_reported(folder: Path, at: int, cut: int, new: bytes) -> None:
    (folder / "program.yaml").write_bytes(PROGRAM.encode()[:at] + new + PROGRAM.encode()[at + cut :])

    authored = load_campaigns(folder)

    assert authored.programs or authored.problems


ALLIES = "program: allies\ninherits: acme\nname: Acme and Allies\nbrand: {from: allies@example.com}\n"


@pytest.fixture
def further(folder: Path) -> Path:
    (folder / "programs").mkdir()
    (folder / "programs" / "allies.yaml").write_text(ALLIES)
    return folder


def test_a_further_program_stands_in_a_file_of_its_own(further: Path) -> None:
    authored = load_campaigns(further)

    assert authored.problems == ()
    assert list(authored.programs) == ["acme", "allies"]
    assert authored.programs["allies"].lineage == ("allies", "acme")
    assert authored.programs["allies"].brand.portal_url == authored.programs["acme"].brand.portal_url
    assert list(authored.campaigns) == [("acme", "x")]
    assert authored.program_sources == {"campaigns/program.yaml": PROGRAM, "campaigns/programs/allies.yaml": ALLIES}


def test_what_is_wrong_with_a_further_program_is_said_in_its_file(further: Path) -> None:
    (further / "programs" / "allies.yaml").write_text(ALLIES + "zone: Berlin\norder: [x]\nwithout: [y]\ntopics: 3\n")
    (further / "programs" / "local.yaml").write_text("program: local\ninherits: alies\n")

    problems = "\n".join(lint(further))

    assert "campaigns/programs/allies.yaml:5:7: unknown zone 'Berlin'; did you mean" in problems
    assert "campaigns/programs/allies.yaml:8:9: " in problems
    assert "campaigns/programs/local.yaml:2:11: unknown program 'alies'; did you mean 'allies'?" in problems
    assert "campaigns/program.yaml" not in problems


def test_a_mistake_in_what_is_inherited_is_said_where_it_stands(further: Path) -> None:
    (further / "program.yaml").write_text(PROGRAM.replace("currency: EUR", "currency: Euro"))

    assert [problem.split(": ")[0] for problem in lint(further)] == ["campaigns/program.yaml:6:15"]


def test_what_a_further_program_names_must_be_there(further: Path) -> None:
    (further / "programs" / "allies.yaml").write_text(ALLIES + "order: [x, z]\nwithout: [y]\n")

    assert lint(further) == [
        "campaigns/programs/allies.yaml:5:12: the order names 'z', and 'allies' has no such campaign; known are x",
        "campaigns/programs/allies.yaml:6:11: 'allies' is without 'y', and inherits no such campaign; known are x",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("friends.yaml", ALLIES, "friends.yaml:1:10: program 'allies' stands in a file of another name; call the file"),
        ("acme.yaml", "program: acme\n", "acme.yaml:1:10: program 'acme' stands in program.yaml too; remove one"),
        ("y.yaml", campaign_text(), "y.yaml:1:1: this is a campaign, and programs/ holds programs; move it elsewhere"),
        ("y.yaml", "name: Y\n", "y.yaml:1:1: the file does not say which program it is; begin with program: and"),
        ("y.yaml", "- a\n", "y.yaml:1:1: a program's file must be keys with values; write 'key: value' lines"),
        ("y.yaml", "a: [\n", "y.yaml:2:1: this is not YAML"),
        ("y.yml", ALLIES, "y.yml:1:1: this is not a program; name programs programs/<key>.yaml"),
        ("deep/allies.yaml", ALLIES, "deep/allies.yaml:1:1: this is not a program; name programs programs/<key>.yaml"),
    ],
)
def test_a_file_among_programs_is_one_program_called_by_its_key(folder: Path, name: str, text: str, said: str) -> None:
    file = folder / "programs" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)

    (problem,) = lint(folder)
    assert problem.startswith(f"campaigns/programs/{said}")
