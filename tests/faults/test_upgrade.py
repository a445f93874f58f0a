"""An upgrade needs no silence: real processes of the version before go on while the new ones come, on both databases.

The version before is the last commit whose schema is older; where the history is not there (a shallow clone, an archive
of the sources), the test is skipped and says so.
"""

import io
import os
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

BEFORE = "ae28a9f"
"""The last commit whose newest migration is 0007. Raise it with each release."""

DEALS = [f"deal{number}" for number in range(90)]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the version before."""
    packed = subprocess.run(["git", "archive", BEFORE, "engage"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip(f"commit {BEFORE} is not here: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


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
