"""What has happened in a made-up programme, told to engage as it happens and kept as a plain list beside it.

The list is what facts are recomputed from, by `tests.facts.brute`: it shares nothing with what engage stores.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from engage.domain.programs import QUALIFIED_KINDS, Program
from engage.domain.records import ReferralRecord, RewardRecord
from engage.domain.windows import BEGINNING
from tests.facts.brute import Brute, Partner, PartnerVersion, Referral, ReferralVersion, Reward, World


@dataclass
class Person:
    """A partner. `stands`: from when on they had which status."""

    name: str
    id: int
    stands: list[tuple[datetime, str]]
    zone: str = "America/New_York"
    joined_at: datetime | None = None
    logins: list[datetime] = field(default_factory=list)


@dataclass
class Deal:
    """A referral. `way`: when it reached which status, in order; `doubts`: from when on its win was in doubt or not."""

    record: ReferralRecord
    id: int
    partner: str
    way: list[tuple[datetime, str]]
    doubts: list[tuple[datetime, bool]] = field(default_factory=lambda: [(BEGINNING, False)])

    def status(self, now: datetime) -> str:
        return [status for at, status in self.way if at <= now][-1]


@dataclass
class Life:
    """All of it. Whatever is asked is asked as of an instant."""

    program: Program
    people: dict[str, Person] = field(default_factory=dict)
    deals: dict[str, Deal] = field(default_factory=dict)
    rewards: dict[str, RewardRecord] = field(default_factory=dict)

    def of(self, partner: str) -> list[Deal]:
        return [deal for deal in self.deals.values() if deal.partner == partner]

    def first_referral(self, partner: str) -> datetime | None:
        return min((deal.way[0][0] for deal in self.of(partner)), default=None)

    def last_login(self, partner: str, now: datetime) -> datetime | None:
        return max((at for at in self.people[partner].logins if at <= now), default=None)

    def as_of(self, now: datetime) -> Brute:
        """The facts of that instant, worked out one by one."""
        world = World(
            self.program,
            [self._partner(person) for person in self.people.values()],
            [
                Referral(deal.id, self.people[deal.partner].id, list(self._versions(deal)))
                for deal in self.deals.values()
            ],
            [
                Reward(number, self.people[one.partner].id, None, one.amount, one.earned_at, one.reversed_at)
                for number, one in enumerate(self.rewards.values(), start=1)
                if one.earned_at is not None
            ],
        )
        return Brute(world, now)

    def _partner(self, person: Person) -> Partner:
        spans = [*person.stands, (None, "")]
        versions = [PartnerVersion(at, end, status) for (at, status), (end, _) in pairwise(spans) if at is not None]
        return Partner(person.id, person.joined_at, versions, logins=person.logins)

    def _versions(self, deal: Deal) -> Iterator[ReferralVersion]:
        kinds = {status.key: status.kind for status in self.program.ladder}
        edges = sorted({at for at, _ in deal.way} | {at for at, _ in deal.doubts if at > deal.way[0][0]})
        record, qualified_at = deal.record, None
        for start, end in pairwise([*edges, None]):
            assert start is not None
            since, status = [(at, status) for at, status in deal.way if at <= start][-1]
            if qualified_at is None and kinds[status] in QUALIFIED_KINDS:
                qualified_at = since
            yield ReferralVersion(
                start,
                end,
                status,
                str(kinds[status]),
                since,
                qualified_at is not None,
                qualified_at,
                deal.way[0][0],
                record.amount,
                record.method,
                record.product,
                record.salesperson,
                [doubt for at, doubt in deal.doubts if at <= start][-1],
            )
