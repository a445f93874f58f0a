"""Years of history in a PostgreSQL within minutes: for what must not cost more the longer an installation runs.

Written by SQL alone, not through the pipeline: rows look as it leaves them, and are many.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store import tables
from engage.store.database import Database

_GREAT = (tables.enrollments, tables.deliveries, tables.attempts, tables.decisions, tables.feedback, tables.events)

# Of each thousand mails: how many came to which end. The newest are still to go out, and a few wait for somebody.
_STATE = """CASE
    WHEN g > :mails - :waiting THEN 'pending'
    WHEN g % 10000 = 7 THEN 'unknown'
    WHEN g % 5000 = 3 THEN 'dead'
    WHEN g % 1000 < 60 THEN 'skipped'
    WHEN g % 1000 < 80 THEN 'suppressed'
    ELSE 'accepted' END"""
_AT = ":begins + (g::float8 / :mails) * CAST(:lasts AS interval)"
_WHO = "1 + (g::bigint * 7919) % :partners"

_STATEMENTS = (
    "INSERT INTO addresses (id, email) SELECT g, 'x' || g || '@example.com' FROM generate_series(1, :partners) g",
    """INSERT INTO partners (id, program_id, external_id, email, address_id, first_name, last_name, status, joined_at,
        attributes) SELECT g, :program, 'x-' || g, 'x' || g || '@example.com', g, 'Pat', 'Number ' || g, 'active',
        :begins, '{}' FROM generate_series(1, :partners) g""",
    """INSERT INTO partner_versions (program_id, partner_id, valid_from, status)
        SELECT :program, g, :begins, 'active' FROM generate_series(1, :partners) g""",
    f"""INSERT INTO events (program_id, kind, key, partner_id, occurred_at, observed_at, source)
        SELECT :program, 'partner.logged_in', 'login:' || g, {_WHO}, at, at, 'history'
        FROM (SELECT g, :begins + (g::float8 / (:mails / 5)) * CAST(:lasts AS interval) AS at
              FROM generate_series(1, :mails / 5) g) one""",
    """INSERT INTO occasions (id, program_id, campaign, version_id, key, occurred_at)
        SELECT n, :program, name, version_id, 'history', :begins FROM some_campaigns""",
    f"""INSERT INTO enrollments (id, program_id, campaign, version_id, occasion_id, key, partner_id, entered_at, state,
        step, reached_at, due_at) SELECT g, :program, name, version_id, n, 'event:' || g, {_WHO}, {_AT},
        CASE WHEN walks THEN 'active' ELSE 'done' END, CASE WHEN walks THEN 'send' END,
        CASE WHEN walks THEN {_AT} END, CASE WHEN walks THEN :later END
        FROM (SELECT g, g % (:mails / :walking) = 1 AS walks FROM generate_series(1, :mails) g) one
        JOIN some_campaigns ON n = 1 + g % :campaigns""",
    f"""INSERT INTO deliveries (id, program_id, public_id, campaign, version_id, step, recipient, occasion,
        enrollment_id, partner_id, address_id, template, topic, lane, state, reason, due_at, expires_at,
        attempts, claims, provider_id, created_at, settled_at, counts_at, held_out)
        SELECT g, :program, md5(g::text), name, version_id, 'send', 'partner:x-' || who, 'event:' || g, g, who, who,
        name, 'tips', CASE WHEN g % 3 = 0 THEN 'transactional' ELSE 'bulk' END, state,
        CASE WHEN state IN ('dead', 'unknown') THEN '550 no such user' WHEN state = 'skipped' THEN 'frequency_cap' END,
        at, at + interval '3 days', 1, 0, CASE WHEN state = 'accepted' THEN 'x-' || g END, at,
        CASE WHEN state <> 'pending' THEN at + interval '1 minute' END, CASE WHEN state = 'accepted' THEN at END, false
        FROM (SELECT g, {_STATE} AS state, {_AT} AS at, {_WHO} AS who FROM generate_series(1, :mails) g) one
        JOIN some_campaigns ON n = 1 + g % :campaigns""",
    """INSERT INTO attempts (program_id, delivery_id, number, lease, subject, started_at, finished_at, outcome, status,
        detail) SELECT :program, id, 1, 'x', 'A subject of some length', settled_at, settled_at, state,
        CASE state WHEN 'accepted' THEN 202 ELSE 550 END, reason FROM deliveries
        WHERE state IN ('accepted', 'dead', 'unknown') ORDER BY id""",
    """INSERT INTO decisions (program_id, enrollment_id, step, phase, decision, reason, "values", decided_at)
        SELECT :program, id, 'send', 'enroll', CASE state WHEN 'skipped' THEN 'skip' ELSE 'send' END, reason,
        '{"logins": 3}', created_at FROM deliveries ORDER BY id""",
    """INSERT INTO feedback (natural_key, kind, occurred_at, observed_at, program_id, delivery_id, address_id, soft,
        machine, url, raw) SELECT 'h-' || id, CASE WHEN id % 20 = 0 THEN 'clicked' ELSE 'delivered' END, settled_at,
        settled_at, :program, id, address_id, false, false, CASE WHEN id % 20 = 0 THEN 'https://example.com/' END, '{}'
        FROM deliveries WHERE state = 'accepted' ORDER BY id""",
    """INSERT INTO webhooks (provider, received_at, body, absorbed_at)
        SELECT 'sendgrid', at, '[]', at FROM (SELECT :begins + (g::float8 / (:mails / 200)) * CAST(:lasts AS interval)
        AS at FROM generate_series(1, :mails / 200) g) one""",
    """INSERT INTO runs (program_id, campaign, version_id, slot, as_of, state, matched, started_at, finished_at)
        SELECT :program, name, version_id, to_char(day, 'YYYY-MM-DD"T"09:00'), day, 'done', 100, day, day
        FROM generate_series(:begins, :ends, interval '1 day') day CROSS JOIN some_campaigns""",
)


def fill(
    database: Database,
    program_id: int,
    mails: int,
    ends: datetime,
    lasts: timedelta,
    partners: int,
    waiting: int = 5_000,
    walking: int | None = None,
) -> None:
    """So many mails of a program's campaigns, with all that belongs to them, evenly over the time before `ends`.

    The newest `waiting` are due; so many partners, or one for 2,000 mails, are `walking` through a journey and go on
    three days later. To be called once, of a program that the library knows and that has nothing else yet.
    """
    bound = {
        "program": program_id,
        "mails": mails,
        "waiting": waiting,
        "walking": walking or mails // 2_000,
        "partners": partners,
        "begins": ends - lasts,
        "ends": ends,
        "later": ends + timedelta(days=3),
        "lasts": lasts,
    }
    with database.engine.connect() as db, db.begin():
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")  # what refers to what is known to be there
        db.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        made = """CREATE TEMPORARY TABLE some_campaigns ON COMMIT DROP AS
            SELECT row_number() OVER (ORDER BY campaign) AS n, campaign AS name, max(id) AS version_id
            FROM campaign_versions WHERE program_id = :program GROUP BY campaign"""
        db.execute(sa.text(made), bound)
        bound["campaigns"] = db.exec_driver_sql("SELECT count(*) FROM some_campaigns").scalar_one()
        # What is written in the transaction that has emptied its table need not go into the log, if that is minimal.
        db.exec_driver_sql(f"TRUNCATE {', '.join(table.name for table in _GREAT)} CASCADE")
        with _without_indexes(db):
            for statement in _STATEMENTS:
                db.execute(sa.text(statement), bound)
        for table in ("addresses", "partners", "occasions", "enrollments", "deliveries"):
            db.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("VACUUM ANALYZE")


@contextmanager
def _without_indexes(db: Connection) -> Iterator[None]:
    """Great tables are filled without their indexes, which are made once: several times as quick."""
    indexes = [index for table in _GREAT for index in table.indexes]
    unique = [one for table in _GREAT for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    for index in indexes:
        index.drop(db)
    for constraint in unique:
        db.execute(sa.schema.DropConstraint(constraint))
    yield
    for index in indexes:
        index.create(db)
    for constraint in unique:
        db.execute(sa.schema.AddConstraint(constraint))
