"""Whatever happens to the parent, no child of ours is left behind, and Valkey is such a child."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from engage.domain.errors import ServiceUnreachable
from engage.workers.embedded import EmbeddedValkey
from engage.workers.tether import Tethered
from tests.support.waiting import wait_for

# A parent with a Valkey server, which it started in a thread that has ended since.
PARENT = """
import sys, threading, time
from pathlib import Path
from engage.workers.embedded import EmbeddedValkey
servers = []
thread = threading.Thread(target=lambda: servers.append(EmbeddedValkey(Path(sys.argv[1]))))
thread.start()
thread.join()
print(servers[0].pid, servers[0].port, flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
PARENT_OF_STUBBORN = f"""
import subprocess, sys, time
from engage.workers.tether import Tethered
child = Tethered([sys.executable, "-c", {STUBBORN!r}], output=subprocess.PIPE, grace=1)
assert child.process.stdout.readline() == b"up\\n"
print(child.pid, flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def session_of(pid: int) -> list[int]:
    """Every living process of the session that `pid` leads: the command and its watcher."""
    return [one.pid for one in psutil.process_iter() if alive(one.pid) and _session(one.pid) == pid]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "a folder")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid, port = map(int, process.stdout.readline().split())
    yield process, pid, port
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_valkey_ends_with_its_parent(parent: tuple[subprocess.Popen[str], int, int], how: signal.Signals) -> None:
    process, pid, port = parent
    assert redis.Redis(port=port).ping()
    process.send_signal(how)
    process.wait()
    wait_for(lambda: not session_of(pid), "Valkey and its watcher to end")


@pytest.mark.slow
def test_a_child_that_ignores_sigterm_is_killed_when_its_parent_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT_OF_STUBBORN], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate()
    wait_for(lambda: not session_of(pid), "the stubborn child to be killed")


def test_stopping_leaves_neither_the_command_nor_its_watcher() -> None:
    child = Tethered(["sleep", "600"])
    assert child.running()
    assert child.stop() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM
    wait_for(lambda: not session_of(child.pid), "the watcher to end")


def test_a_command_that_does_not_stop_is_killed() -> None:
    child = Tethered([sys.executable, "-c", STUBBORN], output=subprocess.PIPE, grace=1)
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == b"up\n"
    assert child.stop() == -signal.SIGKILL
    assert child.process.stdout.read() == b""


def test_a_command_that_ends_by_itself_leaves_its_exit_code() -> None:
    child = Tethered([sys.executable, "-c", "import sys; sys.exit(int(sys.argv[1]))", "7"])
    wait_for(lambda: not child.running(), "the command to end")
    assert child.stop() == 7


def test_a_command_that_does_not_exist_ends_at_once() -> None:
    assert Tethered(["/no/such/command"], output=subprocess.DEVNULL).process.wait(10) == 127


def test_ctrl_c_in_the_terminal_reaches_only_the_parent() -> None:
    with Tethered(["sleep", "600"]) as child:
        assert os.getsid(child.pid) != os.getsid(0)


# -- the server itself -------------------------------------------------------------------------------------------------


def test_valkey_keeps_what_it_holds_in_a_folder_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    with EmbeddedValkey(folder) as server:
        redis.Redis.from_url(server.url).set("campaign", "spring")
    with EmbeddedValkey(folder) as server:
        assert redis.Redis.from_url(server.url).get("campaign") == b"spring"


def test_valkey_never_evicts_and_listens_on_loopback_only() -> None:
    with EmbeddedValkey() as server:
        client = redis.Redis.from_url(server.url, decode_responses=True)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        listening = [one.laddr.ip for one in psutil.Process(server.pid).net_connections() if one.status == "LISTEN"]
        assert listening == ["127.0.0.1"]


def test_valkey_without_a_folder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with EmbeddedValkey():
        assert os.listdir(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServiceUnreachable, match=r"did not start on port .*; see that the port is free"):
            EmbeddedValkey(port=taken.getsockname()[1])
