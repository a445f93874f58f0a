"""Tells operators of alarms: each in the log at once, and by the channel that is set until it takes it.

Promise: of two schedulers at once one sends an alarm. One whose sender died in between may come twice, none is lost.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from engage.domain.errors import ServiceUnreachable
from engage.providers.alarm_channel import AlarmChannel
from engage.store.alarms import STALE, alarm_sent, alarms_done, claim_alarms
from engage.store.database import Database

log = structlog.get_logger(__name__)


def send_alarms(database: Database, channel: AlarmChannel | None, clock: Callable[[], datetime]) -> None:
    """Sends what is due. Nothing is held open in the database meanwhile; the first that fails ends it for now."""
    now = clock()
    with database.write() as db:
        claimed = claim_alarms(db, now)
        if channel is None:
            alarms_done(db, [one.id for one in claimed])
    for one in claimed:
        if not one.tries:
            log.error("alarm", kind=one.kind, said=one.said, raised_at=one.raised_at.isoformat())
    if channel is None:
        return
    for one in claimed:
        try:
            channel.send(one.kind, one.said, one.raised_at)
        except ServiceUnreachable as error:
            log.error("alarm_not_sent", error=error.message, hint=error.hint)
            old = [late.id for late in claimed if late.raised_at <= now - STALE]
            with database.write() as db:
                alarms_done(db, old)
            return
        with database.write() as db:
            alarm_sent(db, one.id, clock())
