"""kill -9 at each failpoint, again and again, while status updates and newsletters are on their way."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field

from engage import failpoints
from engage.domain.deliveries import DeliveryState
from tests.faults import ledger
from tests.faults.feeding import open_newsletter
from tests.faults.ledger import MOST_UNKNOWN_A_KILL
from tests.faults.processes import Feed, Killed, Member
from tests.faults.settling import settle_by_webhooks
from tests.faults.stage import Breach, Measured, Stage, Where, stage

KILLS, MESSAGES = 250, 2_500  # for each database
PARTNERS, NEWSLETTERS = 100, 5
LISTED_WITHIN = 60.0
_AHEAD = 30  # changes fed in before they are needed: whoever is to be killed must get something to do
_STUCK_SECONDS = 120.0
_PLACES = [name for name in failpoints.NAMES if not name.startswith("contest-")]  # where there are caps: see `caps`
_ROLES = {"intake-committed": "feeder", "sweeping": "scheduler"}
_MOST_HITS = {"intake-committed": 2, "claimed": 2, "rendered": 2, "settled": 4, "sweeping": 2}  # others: 6


def run(where: Where, database: str) -> Measured:
    """250 kills over all failpoints, 2,500 messages: none lost, none sent twice, the ambiguous ones listed in time."""
    began = time.monotonic()
    with stage(where, database) as on:
        on.has_partners(where.scaled(PARTNERS, 10))
        game = _Game(on, where.scaled(KILLS, len(_PLACES)), where.scaled(MESSAGES))
        game.play()
        killing = time.monotonic() - began
        game.finish()
        found = on.ledger()
        breaches, by_kill = game.breaches(), game.unknown_by_kill()
        settled = settle_by_webhooks(on)
        per_failpoint = Counter(one.failpoint for one in game.killed)
        worst = max(game.listed_after.values(), default=0.0)
        figures = {
            "kills": len(game.killed),
            "kills_by_failpoint": dict(per_failpoint),
            "seconds_of_killing": round(killing, 1),
            "unknown_listed_within_seconds": round(worst, 2),
            "most_unknown_of_a_kill": max(by_kill.values(), default=0),
            **settled.figures,
            **found.figures(),
        }
        counted = (
            f"{len(game.killed)} kills, {min(per_failpoint.values())}+ at each of {len(per_failpoint)} failpoints; "
            f"{found.counted()}; listed within {worst:.1f} s; {settled.said}"
        )
        return Measured(counted, [*found.breaches, *breaches, *settled.breaches], figures)


@dataclass(slots=True)
class _Game:
    """Two workers, a scheduler and a feeder; whoever is killed is followed by one that is armed for the next kill."""

    on: Stage
    kills: int
    messages: int
    killed: list[Killed] = field(default_factory=list)
    listed_after: dict[int, float] = field(default_factory=dict)
    _fed: Feed | None = None
    _chance: random.Random = field(default_factory=lambda: random.Random(4))

    def play(self) -> None:
        on = self.on
        changes = self.messages - NEWSLETTERS * on.partners
        shared = on.feed()
        self._fed = shared
        each, more = divmod(self.kills, len(_PLACES))
        left = Counter({name: each + (n < more) for n, name in enumerate(_PLACES)})
        armed: list[Member] = []

        def next_one(role: str) -> None:
            """Starts one of this role, armed with what is most wanted of it; unarmed when it has been killed enough."""
            mine = [name for name in _PLACES if _ROLES.get(name, "worker") == role]
            under_way = Counter(one.failpoint for one in armed)
            name = max(mine, key=lambda name: left[name] - under_way[name])
            said = ""
            if left[name] - under_way[name] > 0:
                said = f"{name}:{self._chance.randint(1, _MOST_HITS.get(name, 6))}"
            start = {"worker": on.crew.worker, "scheduler": on.crew.scheduler}
            member = on.crew.feeder(shared, said) if role == "feeder" else start[role](said)
            if said:
                armed.append(member)

        for role in ("worker", "worker", "scheduler", "feeder"):
            next_one(role)
        last_kill = time.monotonic()
        while left.total() > 0:
            done = len(self.killed) / self.kills
            self._open_newsletters(done)
            waited = time.monotonic() - last_kill
            # Nobody is killed who has nothing to do: feed a little more when it takes long.
            shared.allowed.value = max(shared.allowed.value, int(changes * done) + _AHEAD + int(10 * waited))
            for member, kill in on.crew.ended(0.2):
                if member in armed:
                    armed.remove(member)
                    left[kill.failpoint] -= 1
                    self.killed.append(kill)
                    on.note(f"killed a {kill.role} at {kill.failpoint}")
                    last_kill = time.monotonic()
                next_one(member.role)
            self._note_listed()
            if waited > _STUCK_SECONDS:
                raise Breach(f"nobody was killed for {waited:.0f} s; still to come: {+left}")
        shared.allowed.value = max(changes, shared.allowed.value)

    def finish(self) -> None:
        """Lets what waits come to its end: nobody is killed any more."""
        on, shared = self.on, self._fed
        assert shared is not None
        self._open_newsletters(1.0)
        on.fed(shared)
        on.settle(meanwhile=self._note_listed)
        self._note_listed()

    def breaches(self) -> list[str]:
        most = max(self.unknown_by_kill().values(), default=0)
        late = [seconds for seconds in self.listed_after.values() if seconds > LISTED_WITHIN]
        missed = {name for name in _PLACES if not any(one.failpoint == name for one in self.killed)}
        return [
            *([f"{most} unknown after one kill"] if most > MOST_UNKNOWN_A_KILL else []),
            *([f"{len(late)} unknown listed only after {max(late):.0f} s"] if late else []),
            *([f"never killed at {', '.join(sorted(missed))}"] if missed else []),
        ]

    def unknown_by_kill(self) -> Counter[float]:
        """How many deliveries each kill left unknown: a lease is of one worker, and ended with the next kill of one."""
        moments = sorted(one.at for one in self.killed if one.role == "worker")
        tried = ledger.started(self.on.database, self.listed_after)
        last_of_lease: dict[str, float] = {}
        for lease, at in tried.values():
            last_of_lease[lease] = max(last_of_lease.get(lease, 0.0), at.timestamp())
        return Counter(
            next((moment for moment in moments if moment >= last_of_lease[lease] - 0.05), 0.0)
            for lease, _ in tried.values()
        )

    def _open_newsletters(self, done: float) -> None:
        while self.on.newsletters < NEWSLETTERS * min(1.0, done + 0.1) - 0.5:
            open_newsletter(self.on.services, self.on.newsletters)
            self.on.newsletters += 1

    def _note_listed(self) -> None:
        """Since when each ambiguous delivery is listed, counted from its attempt, which was before the kill."""
        new = ledger.ids_in(self.on.database, DeliveryState.UNKNOWN) - self.listed_after.keys()
        now = time.time()
        for id_, (_, at) in (ledger.started(self.on.database, new) if new else {}).items():
            self.listed_after[id_] = now - at.timestamp()
