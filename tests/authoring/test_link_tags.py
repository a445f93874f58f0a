"""`link_tags` and `locales` in program.yaml."""

import pytest

from engage.authoring import parse_programs
from engage.domain.errors import AuthoringError
from engage.domain.programs import LinkTags
from tests.authoring.texts import PROGRAM, programs


def problems(line: str) -> list[str]:
    with pytest.raises(AuthoringError) as caught:
        parse_programs(f"{PROGRAM}    {line}\n", "program.yaml")
    return [problem.message for problem in caught.value.problems]


def test_a_program_names_the_parameters_of_its_links_and_the_hosts_that_get_them() -> None:
    rule = 'hosts: [partners.example.com, example.org], utm_source: engage, utm_content: "{campaign}.{step}"'
    assert programs(f"{PROGRAM}    link_tags: {{{rule}}}\n")["acme"].link_tags == LinkTags(
        (("utm_source", "engage"), ("utm_content", "{campaign}.{step}")), ("partners.example.com", "example.org")
    )
    assert programs()["acme"].link_tags is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("link_tags: {utm_source: engage}", "link_tags has no 'hosts'"),
        ("link_tags: {hosts: [partners.example.com]}", "link_tags adds nothing"),
        ("link_tags: {hosts: [https://example.com/], a: b}", "'https://example.com/' is not a host"),
        ('link_tags: {hosts: example.com, a: "{camapign}"}', "unknown value '{camapign}'"),
        ('link_tags: {hosts: example.com, a: "{campaign"}', "a brace in '{campaign' has no other half"),
        ("link_tags: {hosts: example.com, a: {campaign}}", "'a' must be a text"),
        ("link_tags: {hosts: example.com, 'a b': c}", "'a b' cannot be the name of a parameter"),
        ("locales: [en, zz_ZZ]", "unknown locale 'zz_ZZ'"),
    ],
)
def test_mistakes_are_named(line: str, problem: str) -> None:
    assert problems(line) == [problem]


def test_a_program_names_the_locales_in_which_its_emails_are_to_be_there() -> None:
    assert programs(PROGRAM + "    locales: [en, de-AT, en]\n")["acme"].locales == ("en", "de_AT")
