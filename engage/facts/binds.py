"""The binds that a statement takes from `now`: a statement is built once and filled for each instant."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engage.domain.programs import Program
from engage.domain.windows import BEGINNING
from engage.store.types import Instant

_END = datetime.max.replace(tzinfo=UTC)

Rule = Callable[[Program, datetime], Any]


class Binds:
    """Hands out bind parameters whose values follow from the program and `now`, each distinct one once."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._binds: dict[timedelta | str, sa.BindParameter[Any]] = {}
        self.now = self.ago(timedelta(0))

    def ago(self, elapsed: timedelta) -> sa.BindParameter[Any]:
        """The instant `elapsed` before now."""
        return self.derived(elapsed, Instant(), lambda _, now: before(now, elapsed))

    def derived(self, key: timedelta | str, type_: sa.types.TypeEngine[Any], rule: Rule) -> sa.BindParameter[Any]:
        """A bind of the value that `rule` gives; `key` says which rule it is."""
        if key not in self._binds:
            # Named by their order, not by their value: statements of one shape are compiled once.
            name = f"at_{len(self._rules)}"
            self._rules[name] = rule
            self._binds[key] = sa.bindparam(name, type_=type_)
        return self._binds[key]

    def at(self, program: Program, now: datetime) -> dict[str, Any]:
        """The values of all binds, by name."""
        return {name: rule(program, now) for name, rule in self._rules.items()}


def before(now: datetime, elapsed: timedelta) -> datetime:
    """`now - elapsed`, or the first or last instant there is."""
    try:
        return now - elapsed
    except OverflowError:
        return BEGINNING if elapsed > timedelta(0) else _END
