"""Packages from npm that tests ask: those of tests/npm, which `.ci/run` installs into a folder of its own."""

import os
from pathlib import Path

from tests.support.unavailable import unavailable


def npm_package(name: str) -> Path:
    """The folder of the package; where it is not installed, the test ends here."""
    found = Path(os.environ.get("ENGAGE_TEST_NPM", ""), "node_modules", name)
    if not found.is_dir():
        hint = "run npm ci --prefix FOLDER there, with tests/npm/package*.json in it"
        unavailable(f"no package {name}: set ENGAGE_TEST_NPM to a folder and {hint}")
    return found
