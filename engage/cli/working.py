"""`worker` and `scheduler`: the processes that do the work."""

from typing import Annotated

import typer

from engage.cli.context import queue_of, require_redis, services
from engage.cli.ports import command
from engage.cli.watched import watched
from engage.logs import configure
from engage.settings import Settings
from engage.workers.actors import declare_actors
from engage.workers.at_work import TellsWhatItDoes
from engage.workers.broker import make_broker
from engage.workers.heart import start_heart
from engage.workers.processes import supervise
from engage.workers.running import run_worker
from engage.workers.scheduler import Scheduler
from engage.workers.stopping import StopSignal


def register(app: typer.Typer) -> None:
    app.command()(worker)
    app.command()(scheduler)


def worker(
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes to run.")] = 1,
) -> None:
    """Do the work: match events, carry out runs, deliver."""
    settings = Settings.load()
    configure(settings.log_format.value)
    redis_url = require_redis(settings)
    if processes > 1:
        raise typer.Exit(supervise([command("worker")] * processes))
    broker = make_broker(redis_url)
    with services(settings, log_level="INFO") as built:
        built.library()  # what nobody can work with is said now, and the first event need not wait for the templates
        declare_actors(broker, lambda: built)
        broker.add_middleware(telling := TellsWhatItDoes(built.clock))
        built.replay_journal()
        with watched(built, "worker"), start_heart(built, "worker", telling.doing):
            run_worker(broker, stopping=built.stopping.set)


def scheduler() -> None:
    """Open the run of each schedule's slot, and sweep up what was left undone."""
    settings = Settings.load()
    require_redis(settings)
    stop = StopSignal()
    with services(settings, queue_of(settings), log_level="INFO") as built:
        built.library()
        with watched(built, "scheduler"), start_heart(built, "scheduler"):
            Scheduler(built).run(stop)
