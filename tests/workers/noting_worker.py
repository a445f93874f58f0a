"""A worker process for tests: `python noting_worker.py REDIS_URL FOLDER` writes a line to FOLDER/done for what it does.

`note` notes its ids; `hold` notes that it began, then waits for FOLDER/gate before it notes its ids; `stumble` fails
the first time. FOLDER/ready-<process id> says that it is about to take messages.
"""

import os
import sys
import time
from pathlib import Path

import dramatiq

from engage.workers.broker import make_broker
from engage.workers.running import run_worker


def main(redis_url: str, folder: Path) -> None:
    broker = make_broker(redis_url)

    def say(line: str) -> None:
        done = os.open(folder / "done", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(done, f"{line}\n".encode())
        os.close(done)

    @dramatiq.actor(broker=broker)
    def note(ids: list[int]) -> None:
        say("noted " + " ".join(map(str, ids)))

    @dramatiq.actor(broker=broker)
    def hold(ids: list[int]) -> None:
        say("began " + " ".join(map(str, ids)))
        while not (folder / "gate").exists():
            time.sleep(0.01)
        note.fn(ids)

    @dramatiq.actor(broker=broker)
    def stumble(ids: list[int]) -> None:
        say("tried " + " ".join(map(str, ids)))
        if (folder / "done").read_text().count("tried") == 1:
            raise ValueError("the first time always fails")
        note.fn(ids)

    (folder / f"ready-{os.getpid()}").touch()
    run_worker(broker)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
