"""Runs the scenarios and prints one line each: `.venv/bin/python -m tests.faults`, or `make faults`.

Exits 1 on any breach. With CI=true a scenario that cannot run here is a breach too.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engage.logs import configure
from engage.workers.tether import Tethered
from tests.faults.processes import fork_server
from tests.faults.registry import BOTH, SCENARIOS, Scenario
from tests.faults.servers import NoSmallDisk, keep_mounts_to_ourselves
from tests.faults.stage import Breach, Measured, Where

IN_CI = os.environ.get("CI", "").lower() in ("true", "1")


@dataclass(slots=True)
class Line:
    """One scenario on one database."""

    scenario: str
    database: str
    verdict: str  # ok, BREACH or not run
    counted: str
    seconds: float
    breaches: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def main() -> int:
    asked = _arguments()
    configure(level="ERROR")
    began = time.monotonic()
    lines = _play_all(asked, asked.database) if asked.database else _play_beside(BOTH)
    seconds = round(time.monotonic() - began, 1)
    told = {"seconds": seconds, "scenarios": [asdict(line) for line in lines]}
    if path := asked.lane or asked.json:
        path.write_text(json.dumps(told, indent=2) + "\n")
    if asked.lane is None:
        _print_summary(lines, seconds)
    return 1 if not lines or any(line.verdict == "BREACH" for line in lines) else 0


def _play_beside(databases: Sequence[str]) -> list[Line]:
    """Plays on all of these at the same time, each in a process of its own: scenarios mostly wait."""
    with tempfile.TemporaryDirectory(prefix="engage-faults-") as name, ExitStack() as stack:
        files = [Path(name) / database for database in databases]
        command = [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
        lanes = [
            stack.enter_context(Tethered([*command, "--database", database, "--lane", file], env=os.environ))
            for database, file in zip(databases, files, strict=True)
        ]
        for lane in lanes:
            lane.process.wait()
        return [Line(**line) for file in files for line in json.loads(file.read_text())["scenarios"]]


def _play_all(asked: argparse.Namespace, database: str) -> list[Line]:
    lines: list[Line] = []
    keep_mounts_to_ourselves()
    with tempfile.TemporaryDirectory(prefix="engage-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own user has to find its way
        context = fork_server(folder)
        for scenario in SCENARIOS:
            if asked.only and scenario.name not in asked.only:
                continue
            scale = asked.scale if asked.scale is not None else scenario.small if asked.small else 1.0
            if database in scenario.databases:
                lines.append(_play(scenario, Where(context, folder, scale, asked.keep), database))
                _print(lines[-1])
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Breaks engage and counts its mail.")
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    parser.add_argument("only", nargs="*", metavar="SCENARIO", help=f"run only these: {names}")
    parser.add_argument("--database", choices=("sqlite", "postgres"), help="run only on this one")
    parser.add_argument("--small", action="store_true", help="each scenario small: five minutes in all")
    parser.add_argument("--scale", type=float, help="the size of each scenario; 1 is what is promised")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--keep", type=Path, help="copy what each scenario leaves (logs, database) to this folder")
    parser.add_argument("--lane", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.only) - {scenario.name for scenario in SCENARIOS}:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {names}")
    return asked


def _play(scenario: Scenario, where: Where, database: str) -> Line:
    began = time.monotonic()
    verdict = "ok"
    try:
        measured = scenario.run(where, database)
        verdict = "BREACH" if measured.breaches else "ok"
    except NoSmallDisk as error:
        verdict, measured = "NOT RUN", Measured(f"no small disk can be mounted here (it takes root): {error}")
        if IN_CI:
            verdict, measured = "BREACH", Measured(measured.counted, ["in CI nothing may be left out"])
    except Breach as breach:
        verdict, measured = "BREACH", Measured("", [str(breach)])
    except Exception as error:  # noqa: BLE001 - the other scenarios are to be run all the same
        traceback.print_exc()
        verdict, measured = "BREACH", Measured("", [f"{type(error).__name__}: {error}"])
    seconds = time.monotonic() - began
    return Line(
        scenario.name, database, verdict, measured.counted, round(seconds, 1), measured.breaches, measured.figures
    )


def _print(line: Line) -> None:
    print(f"{line.scenario:14} {line.database:9} {line.seconds:6.1f} s  {line.verdict:7} {line.counted}", flush=True)
    for breach in line.breaches:
        print(f"{'':34}{breach}", flush=True)


def _print_summary(lines: list[Line], seconds: float) -> None:
    bad = sum(line.verdict == "BREACH" for line in lines)
    left_out = sum(line.verdict == "NOT RUN" for line in lines)
    print(
        f"{len(lines)} scenarios in {seconds / 60:.1f} minutes: {len(lines) - bad - left_out} hold, {bad} with a breach"
        + (f", {left_out} could not run here" if left_out else "")
    )


if __name__ == "__main__":
    sys.exit(main())
