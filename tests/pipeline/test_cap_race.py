"""Workers that race for the last slots of a cap: `benchmarks.cap_race` in small."""

from pathlib import Path

import pytest

from tests.support.cap_race import KINDS, Race

TRIALS = 6


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), tuple(KINDS)], ids=[*KINDS, "all"])
def test_eight_workers_at_once_exceed_no_cap_and_find_the_same_winners(
    postgres_url: str, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    race = Race(postgres_url, tmp_path, kinds)
    for number in range(TRIALS):
        race.trial(contested=number % 2 == 1)
    race.close()
    assert race.score.over == []
    assert race.score.stumbles == []
    assert race.score.mails >= TRIALS * min(KINDS[kind] for kind in kinds)
    assert len(race.score.winners) == 1
