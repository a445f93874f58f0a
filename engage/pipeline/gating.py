"""Keeps the gate before a provider: asks it before sending, tells it afterwards what became of that.

Promise: while all is well, asking reads one row and telling writes nothing. Nothing that one worker learns is lost
because another learns something at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.domain import gates
from engage.domain.gates import Gate, Open, Passage, Probe, Taken
from engage.domain.messages import SendResult
from engage.store.alarms import raise_alarm
from engage.store.database import Database
from engage.store.gates import keep_gate, lock_gate, read_gate, take_probe

PAUSED = "sending_paused"
"""The kind of alarm that a pause raises."""


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """`provider` names the gate, such as `sendgrid api.sendgrid.com`. `rate` is in messages a second; None: any."""

    provider: str
    rate: float | None = None

    def passage(self, db: Connection, now: datetime) -> Passage:
        """Whether something may be sent at `now`: one row is read, nothing is locked. Hand it to `note` afterwards."""
        return gates.passage(self.gate(db), now)

    def take_probe(self, db: Connection, now: datetime, lasting: timedelta) -> bool:
        """After `Probe`: whether it is the caller who may send exactly one message. Of all workers one wins.

        `lasting` is how long nobody else tries, unless `note` says sooner what became of it.
        """
        return take_probe(db, self.provider, now, lasting)

    def note(self, db: Connection, passage: Passage, results: Sequence[SendResult], now: datetime) -> None:
        """Tells the gate what became of messages that it let pass, in the transaction that stores their results.

        After a probe that was taken it is to be told even when nothing was sent, so that another may try.
        """
        if isinstance(passage, Open) and gates.after(passage.gate, results, now) is passage.gate:
            return
        before = lock_gate(db, self.provider)
        after = gates.after(before, results, now)
        if isinstance(passage, Probe):
            after = replace(after, probe_until=None)
        keep_gate(db, self.provider, before, after)
        if after.paused_at != before.paused_at:
            said = f"All sending by {self.provider} is paused: {after.paused_why}"
            raise_alarm(
                db, PAUSED, f"{said}. Mend it, restart the workers, then: engage sending resume --why TEXT", now
            )

    def take(self, database: Database, wanted: int, now: datetime) -> Taken:
        """How many of `wanted` messages the provider's rate allows now, in a transaction of its own."""
        if self.rate is None:
            return Taken(wanted)
        with database.write() as db:
            before = lock_gate(db, self.provider)
            after, taken = gates.take(before, wanted, self.rate, now)
            keep_gate(db, self.provider, before, after)
        return taken

    def pause(self, db: Connection, why: str, now: datetime) -> bool:
        """Everything waits until somebody resumes; False when it did already, and its reason stays."""
        before = lock_gate(db, self.provider)
        after = gates.paused(before, why, now)
        keep_gate(db, self.provider, before, after)
        return after is not before

    def resume(self, db: Connection, why: str, now: datetime) -> bool:
        """Lets mail out again, whatever shut the gate; False when nothing did."""
        before = lock_gate(db, self.provider)
        if isinstance(gates.passage(before, now), Open):
            return False
        keep_gate(db, self.provider, before, gates.resumed(before, why, now))
        return True

    def gate(self, db: Connection) -> Gate:
        """The gate as it was last stored, to look at."""
        return read_gate(db, self.provider)
