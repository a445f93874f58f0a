"""What updates cost: a fixed number of statements, however many there are at once."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.programs import Rhythm
from engage.pipeline.match import match_events
from tests.support.engage import Engage
from tests.support.topics import GATHER, add_correction, say, wishes


def statements(engage: Engage, many: int, name: str) -> int:
    """How many it takes to match two changes of so many partners, every other one of whom wants them once a day."""
    for number in range(many):
        partner = engage.partner(f"{name}{number}")
        engage.refers(partner, f"of-{partner}")
        if number % 2:
            wishes(engage, partner, Rhythm.DAILY)
        for status, days_ago in (("won", 0.2), ("reopened", 0.1)):
            engage.becomes(partner, f"of-{partner}", status, days_ago=days_ago)
    ids = [id_ for task, ids, _ in engage.queue.waiting if task == "match" for id_ in ids]
    engage.queue.waiting.clear()
    seen: list[str] = []
    database, library = engage.services.database, engage.services.library()

    def note(_connection: object, _cursor: object, text: str, *_: object) -> None:
        seen.append(text)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    with database.write() as db:
        match_events(db, library, ids, engage.now)
    sa.event.remove(database.engine, "before_cursor_execute", note)
    return len(seen)


@pytest.mark.postgres  # SQLite runs one prepared statement many times
def test_a_fixed_number_of_statements_however_many_updates(
    authored: tuple[Path, Path], tmp_path: Path, postgres_url: str
) -> None:
    say(authored, "collapse: 10m", "regression: correct", GATHER)
    add_correction(authored)
    engage = Engage(postgres_url, tmp_path, *authored)
    statements(engage, 2, "first")  # which stores the version of the daily mail's campaign
    assert statements(engage, 4, "few") == statements(engage, 24, "many") < 50
    engage.services.close()
