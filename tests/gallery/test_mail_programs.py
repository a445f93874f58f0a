"""Every email in Gmail, Outlook and Apple Mail: what one of them does not know has a fallback that the docs name.

What they know is said by the tables of caniemail.com, in the npm package `caniemail`.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gallery.shown import FAMILIES, family
from tests.support.command import ROOT
from tests.support.npm import npm_package
from tests.support.unavailable import unavailable

ASK = Path(__file__).parent / "caniemail.mjs"
CLIENTS = {"gmail.*": "Gmail", "outlook.*": "Outlook", "apple-mail.*": "Apple Mail"}
HEADING = "| Not everywhere | Unknown to | Instead |"


@pytest.fixture(scope="session")
def unsupported() -> dict[str, dict[str, list[str]]]:
    """By feature: the `clients` that do not know it, and the `emails` that use it."""
    folder = npm_package("caniemail").parents[1]
    node = shutil.which("node") or unavailable("no Node.js on the PATH; on Debian: apt-get install nodejs")
    shown = [one for name in FAMILIES for one in family(name)[0] if one.sample == "usual"]
    emails = {str(one): one.message.html for one in shown}
    command = [node, str(ASK), str(folder), *CLIENTS]
    answer = subprocess.run(command, input=json.dumps(emails), capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, dict[str, list[str]]] = json.loads(answer.stdout)
    return found


def fallbacks() -> dict[str, str]:
    """The table of docs/templates.md: by feature, the mail programs that do not know it."""
    lines = (ROOT / "docs" / "templates.md").read_text().splitlines()
    rows: dict[str, str] = {}
    for line in lines[lines.index(HEADING) + 2 :]:
        if not line.startswith("|"):
            break
        feature, unknown_to, instead = (cell.strip() for cell in line.strip("|").split("|"))
        assert instead, feature
        rows[feature.strip("`")] = unknown_to
    return rows


@pytest.mark.slow
def test_what_a_mail_program_does_not_know_has_a_fallback_in_the_docs(
    unsupported: dict[str, dict[str, list[str]]],
) -> None:
    families = {
        feature: ", ".join(
            name for glob, name in CLIENTS.items() if any(c.startswith(glob[:-1]) for c in one["clients"])
        )
        for feature, one in unsupported.items()
    }
    assert families == fallbacks()
