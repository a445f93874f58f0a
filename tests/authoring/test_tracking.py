"""`tracking` in program.yaml."""

import pytest

from engage.authoring import parse_programs
from engage.domain.errors import AuthoringError
from engage.domain.programs import Tracking
from tests.authoring.texts import PROGRAM, programs


def test_clicks_are_tracked_and_opens_are_not_unless_a_program_says_otherwise() -> None:
    assert programs()["acme"].tracking == Tracking(clicks=True, opens=False)
    assert programs(f"{PROGRAM}    tracking: {{opens: true}}\n")["acme"].tracking == Tracking(clicks=True, opens=True)
    assert programs(f"{PROGRAM}    tracking: {{clicks: false}}\n")["acme"].tracking == Tracking(False, False)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("tracking: {clicks: 'no'}", "'clicks' must be true or false"),
        ("tracking: {click: true}", "unknown key 'click'"),
    ],
)
def test_mistakes_are_named(line: str, problem: str) -> None:
    with pytest.raises(AuthoringError) as caught:
        parse_programs(f"{PROGRAM}    {line}\n", "program.yaml")
    assert problem in str(caught.value)
