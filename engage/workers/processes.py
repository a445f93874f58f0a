"""Several processes held together: they stop together, and never outlive the one that started them."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import structlog

from engage.workers.stopping import StopSignal
from engage.workers.tether import Tethered

_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 20.0  # a worker takes at most 15

log = structlog.get_logger(__name__)


def supervise(
    commands: Sequence[Sequence[str]],
    announce: Callable[[], bool] = lambda: True,
    beside: Callable[[], bool] = lambda: True,
) -> int:
    """Runs `commands` until SIGTERM or SIGINT, which is passed on to each; 0 when all of them then ended with 0.

    `announce` is asked again and again until it says that it has found them ready and told so, `beside` whether what
    they need beside them, such as a server that the caller started, still runs.

    What ends by itself takes the others with it, and the exit code is 1: half of the processes gone must not go
    unnoticed, and whoever runs this (systemd, Docker) starts the whole again.
    """
    stop = StopSignal()
    with ExitStack() as stack:
        children = [stack.enter_context(Tethered(command)) for command in commands]
        told = announced = False
        while not told and beside() and all(child.running() for child in children):
            announced = announced or announce()
            told = stop.wait(_LOOK_SECONDS)
        if not told:
            ended = [child.pid for child in children if not child.running()]
            log.error("process_ended", pids=ended or "the Redis beside them", hint="all others are ended too")
        for child in children:
            child.ask_to_stop()
        codes = [_code(child) for child in children]
    return 0 if told and not any(codes) else 1


def _code(child: Tethered) -> int:
    # Not by asking again: a second signal ends a Python process that is just about to leave in order.
    try:
        return child.process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return child.stop(grace=0.0)
