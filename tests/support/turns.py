"""Two threads on a database of their own connections, one at a time, handed on before each statement as told."""

import threading
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import sqlalchemy as sa

from engage.store.database import Database

_BLOCKED = 0.1
"""Seconds after which who waits for a turn goes on: the other one waits, in the database, for a lock of its own."""


class Turns:
    """Before each statement the next of `order` (0 or 1, over and over) has the turn, as long as it is there."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = cycle(order or [0, 1])
        self._turn = next(self._order)
        self._there = {0, 1}
        self._changed = threading.Condition()
        self._me = threading.local()

    def watch(self, database: Database) -> None:
        sa.event.listen(database.engine, "before_cursor_execute", self._before)

    def unwatch(self, database: Database) -> None:
        sa.event.remove(database.engine, "before_cursor_execute", self._before)

    def run(self, one: Callable[[], None], other: Callable[[], None]) -> None:
        """Runs both to their ends; raises what either raised."""
        raised: list[BaseException] = []
        threads = [
            threading.Thread(target=self._body, args=(number, work, raised), daemon=True)
            for number, work in enumerate((one, other))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "both wait for each other"
        if raised:
            raise raised[0]

    def _body(self, number: int, work: Callable[[], None], raised: list[BaseException]) -> None:
        self._me.number = number
        try:
            work()
        except BaseException as error:  # noqa: BLE001  raised again by `run`
            raised.append(error)
        finally:
            with self._changed:
                self._there.discard(number)
                self._changed.notify_all()

    def _before(self, *_: Any) -> None:
        number = getattr(self._me, "number", None)
        if number is None:
            return
        with self._changed:
            self._turn = next(self._order)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._turn == number or self._turn not in self._there, timeout=_BLOCKED)
