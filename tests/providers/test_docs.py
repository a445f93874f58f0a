"""docs/providers.md says of every answer what the code makes of it."""

import re
from collections.abc import Callable

import pytest

from engage.domain.messages import Outcome
from engage.providers.sendgrid_wire import outcome_of
from engage.providers.smtp import outcome_of_reply
from tests.support.command import ROOT

PAGE = (ROOT / "docs" / "providers.md").read_text()


def documented(section: str) -> Callable[[int], Outcome]:
    """The table of a section, as a function of the code: exact rows first, then `any other 4xx`, then any other."""
    rows = re.findall(
        r"^\| ([^|]*) \| `(\w+)` \|", PAGE.partition(f"### {section}")[2].partition("\n##")[0], re.MULTILINE
    )
    exact = {int(code): outcome for said, outcome in rows if said[0].isdigit() for code in re.findall(r"\d{3}", said)}
    classes = {said: outcome for said, outcome in rows if said.startswith("any other")}
    last = next(outcome for said, outcome in classes.items() if said in ("any other status", "any other reply"))
    return lambda code: Outcome(exact.get(code) or classes.get(f"any other {code // 100}xx") or last)


@pytest.mark.parametrize(
    ("section", "codes", "code_says"),
    [("HTTP", range(100, 600), outcome_of), ("SMTP", range(300, 600), outcome_of_reply)],
)
def test_the_tables_say_what_the_code_does(section: str, codes: range, code_says: Callable[[int], Outcome]) -> None:
    table = documented(section)
    assert [code for code in codes if table(code) is not code_says(code)] == []


def test_each_outcome_is_explained() -> None:
    assert set(re.findall(r"^- `(\w+)`:", PAGE, re.MULTILINE)) == {outcome.value for outcome in Outcome}
