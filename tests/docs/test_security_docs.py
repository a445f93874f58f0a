"""docs/security.md names every door there is, and tests that are there."""

import re
from pathlib import Path

from engage.web.app import build_app
from tests.docs.test_docs import code, table
from tests.support.command import ROOT
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped
from tests.support.strangers import routes_of

PAGE = ROOT / "docs" / "security.md"


def test_every_route_has_a_row_among_the_doors(sqlite_url: str, tmp_path: Path) -> None:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    app = build_app(engage.services)
    engage.services.close()
    named = [path for row in table(PAGE, "## The doors") for path in code(row[0])]
    begins = tuple(path.removesuffix("…") for path in named if path.endswith("…"))
    missing = {path for _, path in routes_of(app) if path not in named and not path.startswith(begins)}
    assert missing == set(), "a new door: say in docs/security.md who may come in, and what proves it"
    served = [path for _, path in routes_of(app)] + ["/static/"]
    assert [one for one in named if not any(path.startswith(one.removesuffix("…")) for path in served)] == []


def test_the_tests_that_it_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", PAGE.read_text())
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
