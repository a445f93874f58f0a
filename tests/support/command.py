"""Runs the command `engage` as a person's shell would, away from this person's own settings."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engage.workers.tether import Tethered
from tests.support.forking import Forks

ROOT = Path(__file__).resolve().parents[2]
ENGAGE = Path(sys.executable).with_name("engage")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a finished command left: its exit code, and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@cache
def _forks() -> Forks:
    forks = Forks(ROOT)
    atexit.register(forks.stop)
    return forks


class EngageCommand:
    """`engage` in a folder of its own, with its data there and the campaigns and templates of the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Tethered] = []

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 120.0) -> Ran:
        """Runs to the end, in a process forked from one that has imported everything. `env` holds settings."""
        command = [str(ENGAGE), *map(str, arguments)]
        done = _forks().run(command, self.folder, self._environment(env), timeout)
        return Ran(done.returncode, done.stdout, done.stderr)

    def run_fresh(self, *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 120.0) -> Ran:
        """Runs to the end as a shell would run it: the program itself, in an interpreter that knows nothing yet."""
        done = subprocess.run(
            [str(ENGAGE), *map(str, arguments)],
            cwd=self.folder,
            env=self._environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    __call__ = run

    def start(self, *arguments: str | Path, env: Mapping[str, str] | None = None, log: Path | None = None) -> Tethered:
        """Starts a command that goes on; `stop_all` ends it. What it says goes to `log`, or nowhere."""
        with (log or Path(os.devnull)).open("ab") as output:
            process = Tethered(
                [ENGAGE, *arguments], cwd=self.folder, env=self._environment(env), output=output.fileno()
            )
        self._started.append(process)
        return process

    def stop_all(self) -> None:
        for process in self._started:
            process.ask_to_stop()
        for process in self._started:
            process.stop()

    def _environment(self, given: Mapping[str, str] | None) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("ENGAGE_")}
        defaults = {
            "ENGAGE_DATA_DIR": str(self.folder / "var"),
            "ENGAGE_CAMPAIGNS_DIR": str(ROOT / "campaigns"),
            "ENGAGE_TEMPLATES_DIR": str(ROOT / "email_templates"),
        }
        return {**own, **defaults, **(given or {})}
