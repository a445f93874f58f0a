"""Whether frequency caps hold when workers race for the last slots.

    .venv/bin/python -m benchmarks.cap_race [--trials 1000] [--workers 8]

PostgreSQL, and as many workers as said, each with connections of its own. In each trial sixteen mails to four partners
(three of one company, two of them at one address) are due at once, and all workers deliver them at the same time; in
every second trial they first decide the contest at the same time. The trials are divided among installations with one
kind of cap each, and one with all of them. What the provider was handed is counted afterwards. Exits 1 when a cap was
exceeded, a worker stumbled, or a contest had different winners than the one before.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.cap_race import KINDS, Race, Score
from tests.support.postgres import PostgresServer
from tests.support.schema import prepare

CHOICES = (*((kind,) for kind in KINDS), tuple(KINDS))


def main() -> int:
    parser = argparse.ArgumentParser(description="Races for the last slots of frequency caps.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    each = -(-options.trials // len(CHOICES))
    failed = False
    with PostgresServer() as databases:
        for kinds in CHOICES:
            url = databases.create()
            prepare(url)
            began = time.monotonic()
            score = run(url, kinds, each, options.workers)
            databases.drop(url)
            failed |= say(kinds, score, time.monotonic() - began)
    return int(failed)


def run(url: str, kinds: tuple[str, ...], trials: int, workers: int) -> Score:
    with TemporaryDirectory(prefix="engage-race-") as folder, ExitStack() as stack:
        race = Race(url, Path(folder), kinds, workers)
        stack.callback(race.close)
        for number in range(trials):
            race.trial(contested=number % 2 == 1)
        return race.score


def say(kinds: tuple[str, ...], score: Score, seconds: float) -> bool:
    """Prints the score; returns whether anything is wrong."""
    name = kinds[0] if len(kinds) == 1 else "all together"
    print(
        f"{name:>12}: {score.trials} trials, {score.mails} mails, {len(score.over)} over a cap, "
        f"{len(score.stumbles)} stumbles, {len(score.winners)} set of winners, {seconds:.0f} s",
        flush=True,
    )
    for line in (score.over + score.stumbles)[:5]:
        print(f"  {line}")
    return bool(score.over or score.stumbles or len(score.winners) != 1)


if __name__ == "__main__":
    sys.exit(main())
