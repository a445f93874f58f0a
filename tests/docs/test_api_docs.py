"""docs/api.md holds: its curl commands do what it says on a real installation, and its tables are complete."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from engage.web.v1.models import EVENT_MODELS, EVENT_TYPES, Sent
from engage.web.v1.resources import LOGINS, UPSERTED
from tests.support.command import ROOT, EngageCommand
from tests.support.unavailable import unavailable
from tests.support.waiting import wait_for

TEXT = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_curl_commands_are_answered_as_the_page_says(run_engage: EngageCommand, unused_port: int) -> None:
    if shutil.which("curl") is None:
        unavailable("no curl on the PATH")
    steps = [(kind, text) for _, kind, text in BLOCKS if kind in ("curl", "answer")]
    assert [kind for kind, _ in steps] == ["curl", "answer"] * (len(steps) // 2)
    create = re.search(r"engage (key create crm .*)\)", TEXT)
    assert create
    here = {"ENGAGE_PORT": str(unused_port)}
    key = run_engage(*create[1].split(), env=here).out.strip()
    run_engage.start("web", env=here)
    url = f"http://127.0.0.1:{unused_port}"
    wait_for(lambda: _run(f"curl -s {url}/readyz", {}) != "", "engage web")
    for (_, command), (_, answer) in zip(steps[::2], steps[1::2], strict=True):
        said = _run(command.replace("curl -X", "curl -s -X"), {"ENGAGE": url, "KEY": key})
        assert json.loads(said) == json.loads(answer), command
    (program,) = (text for _, kind, text in BLOCKS if kind == "client")
    (printed,) = (text for _, kind, text in BLOCKS if kind == "said")
    done = _run(
        'exec "$PYTHON" -c "$PROGRAM"', {"ENGAGE": url, "KEY": key, "PYTHON": sys.executable, "PROGRAM": program}
    )
    assert done == printed


def _run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def test_every_path_and_event_is_in_the_tables_with_its_fields() -> None:
    for resource in (*UPSERTED, LOGINS):
        (row,) = re.findall(rf"^\| `/v1/{resource.name}`[^|]* \| (.*) \|$", TEXT, re.MULTILINE)
        _assert_named(row, resource.models[0])
    for kind, model in zip(EVENT_TYPES, EVENT_MODELS, strict=True):
        (row,) = re.findall(rf"^\| [^|]*`{kind}`[^|]* \| (.*) \|$", TEXT, re.MULTILINE)
        _assert_named(row, model, but={"type"})


def _assert_named(row: str, model: type[Sent], but: frozenset[str] | set[str] = frozenset()) -> None:
    fields = {name: field for name, field in model.model_fields.items() if name not in but}
    assert set(re.findall(r"`(\w+)`", row)) == set(fields)
    assert set(re.findall(r"\*\*`(\w+)`\*\*", row)) == {name for name, field in fields.items() if field.is_required()}
