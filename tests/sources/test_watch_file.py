"""sources.yaml: what is read, and what is said when it is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from engage.domain.errors import AuthoringError
from engage.sources import load_sources
from engage.sources.watched import FolderSource, HubSpot, PushSource, Salesforce, SqlSource
from tests.support.crm import SOURCES
from tests.support.intake import crm_program
from tests.support.pushing import SOURCES as PUSHED

PROGRAMS = {"p": crm_program()}
ONE = """\
sources:
  - source: deals
    url: sqlite:///crm.db
    query: SELECT * FROM deals;
    cursor: updated_at
    referral: {external_id: id, partner: contact}
"""


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "sources.yaml"
    path.write_text(text)
    with pytest.raises(AuthoringError) as caught:
        load_sources(path, PROGRAMS)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_no_file_is_no_sources(tmp_path: Path) -> None:
    assert load_sources(tmp_path / "sources.yaml", PROGRAMS).sources == ()


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(ONE)
    (source,) = load_sources(tmp_path / "sources.yaml", PROGRAMS).sources
    assert isinstance(source, SqlSource)
    assert (source.every, source.overlap, source.limit, source.key) == (timedelta(minutes=1), None, None, "")
    assert source.query == "SELECT * FROM deals"


def test_folders_and_mappings_are_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("files: [{file: a.csv, partner: {external_id: id}}]")
    text = "sources: [{source: nightly, folder: drops, mapping: m.yaml, every: 1h, status_changes_per_hour: 50}]"
    (tmp_path / "sources.yaml").write_text(text)
    (source,) = load_sources(tmp_path / "sources.yaml", PROGRAMS).sources
    assert isinstance(source, FolderSource)
    assert (source.folder, source.limit) == (tmp_path / "drops", 50)


def test_systems_that_push_name_the_variable_of_their_secret(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(PUSHED)
    hubspot, salesforce = load_sources(tmp_path / "sources.yaml", PROGRAMS).sources
    assert isinstance(hubspot, PushSource)
    assert isinstance(salesforce, PushSource)
    assert (hubspot.sender, hubspot.limit, hubspot.kind) == (HubSpot("HUBSPOT_CLIENT_SECRET"), None, "hubspot")
    assert salesforce.sender == Salesforce("SALESFORCE_HOOK_SECRET", "00D7F00000107XsUAI")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{env: HUBSPOT_CLIENT_SECRET}", "fd9b7e39-5b2a", "'secret' does not stand in this file; write {env: NAME}"),
        ("{env: HUBSPOT_CLIENT_SECRET}", "{env: fd9b7e39-5b2a}", "'env' is not the name of a variable"),
        ("{secret: {env: HUBSPOT_CLIENT_SECRET}}", "{}", "'hubspot' has no 'secret'; add it"),
        (", organization: 00D7F00000107XsUAI", "", "'salesforce' has no 'organization'; add it"),
        ("00D7F00000107XsUAI", "00d7f", "'00d7f' is not the id of an organization"),
        ("{secret: {env: HUB", "{portal: 1, secret: {env: HUB", "unknown key 'portal' in 'hubspot'"),
        ("    referral:\n", "    every: 5m\n    referral:\n", "unknown key 'every' in a source"),
    ],
)
def test_what_is_wrong_with_one_is_said_without_its_secret(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in PUSHED
    (found,) = problems(tmp_path, PUSHED.replace(old, new, 1))
    assert said in found
    assert "fd9b" not in found


def test_no_password_is_shown(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(ONE.replace("sqlite:///crm.db", "postgresql://ann:secret@crm/x"))
    assert "secret" not in repr(load_sources(tmp_path / "sources.yaml", PROGRAMS))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("query: SELECT", "query: DELETE", "4:12: 'query' is not a SELECT; write one, such as SELECT * FROM deals"),
        ("    cursor: updated_at\n", "", "2:5: a source has no 'cursor'; add it"),
        ("cursor", "cursr", "5:5: unknown key 'cursr' in a source; did you mean 'cursor'?"),
        ("sqlite:///crm.db", "crm.db", "3:10: 'url' is not a database URL; write one such as"),
        ("sqlite:///crm.db", "{env: A, b: c}", "3:19: unknown key 'b' in 'url'"),
        ("updated_at", "updated_at\n    overlap: 10s", "6:14: '10s' is neither a duration nor a number"),
        ("updated_at", "updated_at\n    every: soon", "6:12: 'soon' is not a duration"),
        ("external_id: id", "external: id", "unknown key 'external' in referral; did you mean 'external_id'?"),
        ("    referral: {external_id: id, partner: contact}\n", "", "2:5: a source makes no records; add one of"),
        ("source: deals", "source: My deals", "'My deals' cannot be a source's name"),
        ("    url: sqlite:///crm.db\n", "    folder: x\n    mapping: none.yaml\n", "none.yaml cannot be read"),
    ],
)
def test_every_problem_says_where_it_is_and_what_to_write(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert any(said in problem for problem in problems(tmp_path, ONE.replace(old, new))), problems(
        tmp_path, ONE.replace(old, new)
    )


def test_a_name_that_stands_twice_is_said(tmp_path: Path) -> None:
    twice = SOURCES.replace("crm-partners", "crm-deals")
    assert problems(tmp_path, twice) == ["8:5: source 'crm-deals' stands here twice; give it another name"]


def test_problems_of_a_mapping_stand_at_their_place_in_it(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("files: [{file: a.csv, partnr: {external_id: id}}]")
    (problem,) = problems(tmp_path, "sources: [{source: nightly, folder: drops, mapping: m.yaml}]")
    assert problem.endswith("m.yaml:1:23: unknown key 'partnr' in a file; did you mean 'partner'?")
