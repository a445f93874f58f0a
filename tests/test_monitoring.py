"""What Prometheus and Grafana are given is right: rules that promtool takes, over metrics that there are, explained."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from engage.web.metrics import Metrics
from tests.support.statuses import a_status
from tests.support.unavailable import unavailable

ROOT = Path(__file__).parent.parent
MONITORING = ROOT / "monitoring"
RULES = MONITORING / "prometheus" / "alerts.yml"
_OF_PROMETHEUS = {"up"}
_NAMES = re.compile(r"\b(engage_\w+|up)\b(?=[{\[)\s=]|$)")


def known_metrics() -> set[str]:
    metrics = Metrics(a_status)
    metrics.answered(202, 0.1)
    names = re.findall(r"^(engage_\w+)", metrics.text().decode(), re.M)
    return set(names) | _OF_PROMETHEUS


def alerts() -> list[dict[str, Any]]:
    return [rule for group in YAML(typ="safe").load(RULES)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "grafana" / "engage.json").read_text())["panels"]
    return found


COMMANDS = ("check rules alerts.yml", "check config prometheus.yml", "test rules alerts_test.yml")


@pytest.mark.parametrize("command", COMMANDS)
def test_promtool_takes_the_rules_and_they_do_what_they_say(command: str) -> None:
    promtool = shutil.which("promtool") or unavailable("no promtool on the PATH; on Debian: apt-get install prometheus")
    done = subprocess.run([promtool, *command.split()], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts(), ids=lambda one: one["alert"])
def test_each_alert_is_over_metrics_that_there_are_and_is_explained(alert: dict[str, Any]) -> None:
    named = set(_NAMES.findall(alert["expr"]))
    assert named
    assert named <= known_metrics()
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.M)
    assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert alert["labels"]["severity"] in ("page", "ticket")


def test_each_panel_draws_metrics_that_there_are() -> None:
    for panel in panels():
        for target in panel["targets"]:
            named = set(_NAMES.findall(target["expr"]))
            assert named, panel["title"]
            assert named <= known_metrics(), panel["title"]


def test_panels_do_not_lie_over_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
