"""What happens in the sample programme, as rows of its files: referrals with their statuses, logins, rewards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from engage.sources.sample import names

LADDER = ("submitted", "accepted", "qualified", "opportunity", "demo", "proposal", "negotiation", "won")
RETENTION = timedelta(days=183)
"""After which the second part of a reward is earned, if the customer has stayed."""
_REWARD = 0.1
_PARTS = (("win", 0.25, timedelta()), ("retention", 0.75, RETENTION))
_LOSING = 0.13  # of each step: of a hundred referrals some forty are won in the end


@dataclass(slots=True)
class Partner:
    """One partner. `part` is what they play for some campaign; most play none."""

    id: str
    owner: str
    region: str
    joined_at: datetime
    status: str = "active"
    part: str = ""
    cells: tuple[str, ...] = ()


@dataclass(slots=True)
class Files:
    """The rows of each file, without its header."""

    referrals: list[Sequence[object]] = field(default_factory=list)
    changes: list[Sequence[object]] = field(default_factory=list)
    logins: list[Sequence[object]] = field(default_factory=list)
    rewards: list[Sequence[object]] = field(default_factory=list)
    questions: list[Sequence[object]] = field(default_factory=list)


@dataclass(slots=True)
class Teller:
    """Writes down what happens up to `now`, by chance where nothing else is said."""

    chance: Random
    now: datetime
    files: Files

    def log_in(self, partner: Partner, *instants: datetime) -> None:
        known = sorted(at for at in instants if partner.joined_at <= at <= self.now)
        self.files.logins.extend((partner.id, iso(at)) for at in known)

    def refer(self, partner: Partner, at: datetime, *, unlucky: bool = False) -> None:
        """A referral that goes as it may; of the unlucky, well until it comes to signing."""
        self._write(partner, at, self._way(at, unlucky))

    def plot(self, partner: Partner, at: datetime, status: str, since: datetime, **cells: object) -> str:
        """A referral that has stood in `status` since then, on the ladder or beside it; its id. `cells` by column."""
        way = LADDER[1 : LADDER.index(status) + 1] if status in LADDER else ("accepted", "qualified", status)
        if status == "reopened":
            way = ("accepted", "qualified", "lost", status)
        step = (since - at) / max(len(way), 1)
        return self._write(partner, at, [(one, at + step * (place + 1)) for place, one in enumerate(way)], **cells)

    def _way(self, at: datetime, unlucky: bool) -> Iterable[tuple[str, datetime]]:
        """What becomes of a referral, and when; it ends won or lost, perhaps in the future."""
        for before, status in pairwise(LADDER):
            at += timedelta(hours=self.chance.randrange(8, 24 * 12))
            lost = self.chance.random() < _LOSING or (unlucky and before in ("proposal", "negotiation"))
            yield "lost" if lost else status, at
            if lost:
                return

    def _write(self, partner: Partner, at: datetime, way: Iterable[tuple[str, datetime]], **cells: object) -> str:
        chance, id_ = self.chance, f"r-{len(self.files.referrals) + 1:05}"
        amount = names.amount(chance)
        history = [(status, when) for status, when in way if when <= self.now]
        last = history[-1][0] if history else ""
        row: dict[str, object] = {
            "id": id_,
            "partner": partner.id,
            "lead_company": names.lead_company(chance),
            "lead_name": names.lead_person(chance),
            "method": chance.choice(names.METHODS),
            "product": chance.choice(names.PRODUCTS),
            "amount": amount,
            "salesperson": partner.owner,
            "submitted_at": iso(at),
            "loss_reason": chance.choice(names.LOSS_REASONS) if last == "lost" else "",
            "reversal_pending": "",
            **cells,
        }
        self.files.referrals.append(tuple(row.values()))
        self.files.changes.extend((id_, status, iso(when)) for status, when in history)
        if last == "won":
            self._reward(partner, id_, float(str(row["amount"])), history[-1][1])
        return id_

    def _reward(self, partner: Partner, referral: str, amount: float, won_at: datetime) -> None:
        """A quarter at the win, the rest once the customer has stayed; each is paid a month after it was earned."""
        for stage, share, later in _PARTS:
            at = won_at + later
            earned = at <= self.now
            due = at + timedelta(days=30)
            self.files.rewards.append(
                (
                    *(f"rw-{referral}-{stage}", partner.id, referral, names.REWARD, f"{amount * _REWARD * share:.2f}"),
                    *(stage, "" if stage == "win" else iso(at), iso(at) if earned else "", iso(due) if earned else ""),
                    *(iso(due) if due <= self.now else "", ""),
                )
            )


def iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
