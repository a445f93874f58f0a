"""An upgrade needs no silence: real processes of the version before go on while the new ones come, on both databases.

The version before is the last commit whose schema is older. Where it is not there, in a shallow clone or an archive of
the sources, the test is skipped and says why; a whole clone has it, or the test fails.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engage.workers.tether import Tethered
from tests.support.command import ROOT, EngageCommand
from tests.support.installation import Installation, Web
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

DEALS = [f"deal{number}" for number in range(90)]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the version before."""
    if git("rev-parse", "--is-inside-work-tree") is None:
        pytest.skip("the sources of the version before are in no archive of this one: run it in a clone")
    before = version_before()
    packed = git("archive", before, "engage")
    if packed is None and git("rev-parse", "--is-shallow-repository") == b"true\n":
        pytest.skip(f"{before} is beyond the end of this shallow clone: git fetch --unshallow")
    assert packed is not None, f"{before} is not in this clone, though it is whole"
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def version_before() -> str:
    """The commit before the one that brought the newest migration; the newest while that is not committed."""
    newest = max((ROOT / "engage" / "store" / "migrations" / "versions").glob("[0-9]*.py"))
    brought = git("log", "--diff-filter=A", "--format=%H", "--", str(newest.relative_to(ROOT))) or b""
    return f"{brought.decode().split()[0]}^" if brought.strip() else "HEAD"


def git(*arguments: str) -> bytes | None:
    """What git answers, None if it cannot."""
    if (program := shutil.which("git")) is None:
        return None
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


Start = Callable[..., Tethered]


@pytest.fixture
def installation(run_engage: EngageCommand, empty_database_url: str, valkey_url: str, unused_port: int) -> Installation:
    return Installation(run_engage, empty_database_url, redis_url=valkey_url, port=str(unused_port))


@pytest.fixture
def start_older(installation: Installation, older: Path) -> Iterator[Start]:
    """Starts a command of the version before, with the settings of the installation."""
    started: list[Tethered] = []
    own = {name: value for name, value in os.environ.items() if not name.startswith("ENGAGE_")}
    environment = own | {"ENGAGE_DATA_DIR": str(installation.folder / "var")} | installation.env
    environment |= {"PYTHONPATH": str(older), "PYTHONDONTWRITEBYTECODE": "1"}

    def begin(*arguments: str) -> Tethered:
        with (installation.folder / f"older-{arguments[0]}.log").open("ab") as log:
            command = [Path(sys.executable), "-m", "engage", *arguments]
            started.append(Tethered(command, cwd=installation.folder, env=environment, output=log.fileno()))
        return started[-1]

    yield begin
    for process in started:
        process.ask_to_stop()
    for process in started:
        process.stop()


def wins(installation: Installation, deals: list[str]) -> None:
    installation.deals(*deals)
    told = installation.imports("--live")
    assert told.code == 0, told.err


def test_no_mail_is_lost_or_doubled_while_old_and_new_processes_work_side_by_side(
    installation: Installation, start_older: Start, unused_port: int
) -> None:
    made, web = start_older("migrate"), Web(unused_port)
    wait_for(lambda: not made.running(), "the schema of the version before")
    page = start_older("web", "--with-mailbox")
    web.wait_until_up(page, installation.folder / "older-web.log")
    crew = [start_older("worker"), start_older("scheduler")]
    imports_older(installation, start_older, DEALS[:30])
    wait_for(lambda: len(web.mails()) >= 5, "mails of the version before")

    assert installation.run("migrate").code == 0
    wins(installation, DEALS[:60])
    wait_for(lambda: len(web.mails()) >= 60, "what old workers send with the new schema", 120)

    installation.start("worker")
    installation.start("scheduler")
    wins(installation, DEALS)
    for process in crew:  # amid it
        assert process.running(), (installation.folder / "older-worker.log").read_text()[-2000:]
        process.ask_to_stop()
    wait_for(lambda: len(web.mails()) >= len(DEALS), "the rest", 120)
    for process in crew:
        process.stop()
    assert Counter(web.subjects()) == Counter(f"{name.title()} Ltd signed" for name in DEALS)
    for log in installation.folder.glob("*.log"):
        assert "Traceback" not in log.read_text(), f"{log.name}: {log.read_text()[-3000:]}"


def imports_older(installation: Installation, start_older: Start, deals: list[str]) -> None:
    """The version before takes the export, as news."""
    installation.deals(*deals)
    arguments = (str(installation.export), "--mapping", str(installation.folder / "mapping.yaml"))
    taking = start_older("import", *arguments, "--live")
    wait_for(lambda: not taking.running(), "the import of the version before")
