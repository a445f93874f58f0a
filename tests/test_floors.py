"""The floors hold: imports go down only, every package has its place, no module is a drawer for anything."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT

MODULES = sorted((ROOT / "engage").rglob("*.py"))
FORBIDDEN = [
    ("engage.domain.errors", "engage.store"),  # up
    ("engage.policy", "engage.content"),  # sideways
    ("engage.store", "engage.clock"),  # now is an argument
    ("engage.providers", "dramatiq"),  # only workers know it
    ("engage.domain.errors", "sqlalchemy"),  # pure
]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def a_copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "engage", tmp_path / "engage", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_an_import_that_goes_up_or_sideways_breaks_the_check(a_copy: Path) -> None:
    for module, imported in FORBIDDEN:
        path = a_copy / "engage" / module.replace("engage.", "", 1).replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.write_text(f"{path.read_text()}\nimport {imported}\n")
    done = lint_imports(a_copy)
    assert done.returncode == 1
    for module, imported in FORBIDDEN:
        assert re.search(rf"{re.escape(module)} ->\s+{re.escape(imported)} ", done.stdout), done.stdout


@pytest.mark.slow
def test_a_package_without_a_floor_breaks_the_check(a_copy: Path) -> None:
    (a_copy / "engage" / "elsewhere.py").write_text('"""Nobody said where this belongs."""\n')
    done = lint_imports(a_copy)
    assert done.returncode == 1
    assert "engage.elsewhere" in done.stdout


def test_every_module_says_what_it_promises() -> None:
    silent = [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_no_module_is_a_drawer_for_anything() -> None:
    assert [path for path in MODULES if path.stem in ("utils", "util", "helpers", "helper", "common", "misc")] == []


def test_no_module_has_outgrown_one_concept() -> None:
    written = [path for path in MODULES if "versions" not in path.parts]  # Alembic writes those
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in written}
    assert {path: lines for path, lines in sizes.items() if lines > 500} == {}
