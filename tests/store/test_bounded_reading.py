"""A reading that takes too long is given up, and the connection is as good as before."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.store.database import Database

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT count(*) FROM n"


def test_a_statement_that_takes_too_long_is_given_up(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    with pytest.raises(TimeoutError), database.read(at_most=timedelta(milliseconds=200)) as db:
        db.execute(sa.text(ENDLESS))
    with database.read() as db:
        assert db.execute(sa.text("SELECT 1")).scalar_one() == 1
    database.close()


def test_what_is_quick_is_not_disturbed_nor_is_what_comes_after_it(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    with database.read(at_most=timedelta(seconds=30)) as db:
        assert db.execute(sa.text("SELECT 1")).scalar_one() == 1
    with database.read() as db:
        if not database.is_sqlite:
            assert db.execute(sa.text("SHOW statement_timeout")).scalar_one() == "0"
        assert db.execute(sa.text("SELECT 1")).scalar_one() == 1
    database.close()
