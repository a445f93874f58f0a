"""A newsletter to 20,000 partners, and beside it, in the same run, the way people write it today.

    .venv/bin/python -m benchmarks.bulk

Both sides send the same email to partners with the same numbers, through the same PostgreSQL, Valkey and HTTP provider
on loopback, with two worker processes each, in turns. Prints the emails a second of each, end to end, and the ratio;
exits 1 when engage is less than FLOOR times as fast, or when anybody got no email or two.
"""

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Callable

from benchmarks.celery_baseline import baseline
from benchmarks.engage_side import engage
from benchmarks.support import Taken, arrivals, standing

FLOOR = 5.0
ROUNDS = 2


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures bulk sending against one Celery task an email.")
    parser.add_argument("--partners", type=int, default=20_000, help="how many engage mails")
    parser.add_argument("--baseline", type=int, default=2_000, help="how many Celery mails")
    asked = parser.parse_args()
    celery_rates, engage_rates = [], []
    with standing() as services:
        for _ in range(ROUNDS):
            # Workers of the side that rests are not there to take part.
            with baseline(services) as celery:
                celery_rates.append(_rate("celery", celery.send, asked.baseline // ROUNDS, services.sink))
            with engage(services) as ours:
                engage_rates.append(_rate("engage", ours.send, asked.partners // ROUNDS, services.sink))
    ratio = statistics.mean(engage_rates) / statistics.mean(celery_rates)
    print(f"celery {statistics.mean(celery_rates):7,.0f} emails/s")
    print(f"engage {statistics.mean(engage_rates):7,.0f} emails/s")
    print(f"ratio  {ratio:9.1f} (at least {FLOOR:.0f} is promised)")
    return 0 if ratio >= FLOOR else 1


def _rate(side: str, send: Callable[[int], Taken], count: int, sink: str) -> float:
    """Emails a second; says how much time of processors an email took, of everything that runs here together."""
    taken = send(count)
    got = Counter(recipient for _, recipient, _ in arrivals(sink))
    if len(got) != count or set(got.values()) != {1}:
        sys.exit(f"{side}: {len(got):,} of {count:,} partners got {sum(got.values()):,} emails: each must get one")
    rate, each = count / taken.seconds, taken.processor / count * 1_000
    print(
        f"{side}: {count:6,} emails in {taken.seconds:6.1f} s, {rate:6,.0f} a second, {each:5.2f} ms of processor each"
    )
    return rate


if __name__ == "__main__":
    sys.exit(main())
