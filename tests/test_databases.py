"""The tests' own databases: each test has one to itself, on both kinds, and none is left behind."""

import shutil
import subprocess
import sys

import psutil
import pytest
import sqlalchemy as sa

from tests.support.command import ROOT
from tests.support.waiting import wait_for


@pytest.mark.parametrize("_turn", [1, 2])
def test_a_test_never_sees_what_another_wrote(database_url: str, _turn: int) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        assert "partners" in sa.inspect(connection).get_table_names()
        assert "left_behind" not in sa.inspect(connection).get_table_names()
        connection.execute(sa.text("CREATE TABLE left_behind (turn integer)"))
    engine.dispose()


@pytest.mark.parametrize("_turn", [1, 2])
def test_nor_what_it_counted(database_url: str, _turn: int) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        added = connection.execute(sa.text("INSERT INTO programs (key) VALUES ('p') RETURNING id"))
        assert added.scalar_one() == 1
    engine.dispose()


def test_an_empty_database_has_nothing_in_it(empty_database_url: str) -> None:
    engine = sa.create_engine(empty_database_url)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.postgres
@pytest.mark.slow
def test_a_server_of_ours_ends_with_a_killed_test_run() -> None:
    code = (
        "from tests.support.postgres import PostgresServer; import time; server = PostgresServer(); "
        "print(server.pid, server.folder, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid, folder = process.stdout.readline().split()
    process.kill()
    process.communicate()
    wait_for(lambda: not psutil.pid_exists(int(pid)), "PostgreSQL to end")
    shutil.rmtree(folder)
