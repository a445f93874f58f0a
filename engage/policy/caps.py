"""Who wins where frequency caps leave less room than there are mails. Pure: same inputs, same winners.

Promise: the candidates of a dispatch window are decided together, by rank, so that the order in which they were found
changes nothing; and a mail that passes `Ledger.refusal` breaks no cap, in any stretch of time, at the instants at which
mails really go out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from engage.domain.campaigns import Outranked
from engage.domain.decisions import Defer, Reason, Skip
from engage.domain.limits import FrequencyCap, Per
from engage.domain.programs import Program

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Rank = tuple[int, str, str, str, str, str]
"""Place in the program's `order`, campaign, program, recipient, occasion, step: the lowest comes first."""


def window_end(at: datetime, length: timedelta) -> datetime:
    """When the dispatch window ends that `at` falls in: windows are multiples of `length` since the epoch.

    An instant on a boundary belongs to the window that ends there.
    """
    return at + (_EPOCH - at) % length


def competes(program: Program, topic: str) -> bool:
    """Whether mails of the topic, other than alerts, are held to caps: transactional mail never is.

    A topic that has been taken out of the program's file since was that of a marketing mail for all that is known.
    """
    known = program.topics.get(topic)
    return bool(program.frequency_caps) and not (known and known.transactional)


def place(program: Program, campaign: str) -> int:
    """The campaign's place in the program's `order`, from 0; those that are not in it share the last, by name."""
    return program.order.index(campaign) if campaign in program.order else len(program.order)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose mails a mail is one of: ids, None where there is nobody, as a mail to staff is no partner's."""

    partner: int | None
    company: int | None
    address: int | None
    program: int

    def by(self, per: Per) -> int | None:
        return {
            Per.PARTNER: self.partner,
            Per.COMPANY: self.company,
            Per.ADDRESS: self.address,
            Per.PROGRAM: self.program,
        }[per]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mail that may go out if caps leave room. `caps` are all of its program; `ghost`: it is held out, never sent.

    Not `counts`: it has to find room, and takes none.
    """

    id: int
    rank: Rank
    whose: Whose
    topic: str
    campaign: str
    caps: tuple[FrequencyCap, ...]
    ghost: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Use:
    """A mail that takes room: of this campaign, since `at`; None: its room is reserved, it has yet to go out."""

    at: datetime | None
    campaign: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A cap leaves no room: `taken_by` are the campaigns whose mails take it, one a mail, in order of time.

    `free_at`: when all caps may leave room again, if what has reserved room goes out now and nothing else does.
    """

    cap: FrequencyCap
    taken_by: tuple[str, ...]
    free_at: datetime


class Ledger:
    """The mails that take room, by cap and whose they are; `caps` are all in play, of several programs perhaps."""

    def __init__(self, caps: Collection[FrequencyCap], uses: Mapping[tuple[FrequencyCap, int], Iterable[Use]]) -> None:
        self._caps = frozenset(caps)
        self._uses = {key: list(found) for key, found in uses.items()}

    def refusal(self, candidate: Candidate, now: datetime) -> Refusal | None:
        """Why the candidate may not go out at `now`; None: every cap that concerns it has room."""
        refusals = [self._refused(cap, id_, now) for cap, id_ in concerning(candidate.caps, candidate)]
        found = [refusal for refusal in refusals if refusal is not None]
        return max(found, key=attrgetter("free_at")) if found else None

    def taken(self, cap: FrequencyCap, id_: int, now: datetime) -> list[Use]:
        """The mails that take room under the cap at `now`."""
        begins = now - cap.length  # which is not in the stretch itself: it is after that, up to and including now
        return [use for use in self._uses.get((cap, id_), ()) if use.at is None or use.at > begins]

    def _refused(self, cap: FrequencyCap, id_: int, now: datetime) -> Refusal | None:
        uses = self.taken(cap, id_, now)
        if len(uses) < cap.at_most:
            return None
        uses.sort(key=lambda use: (use.at or now, use.campaign))
        last_to_leave = uses[len(uses) - cap.at_most]
        return Refusal(cap, tuple(use.campaign for use in uses), (last_to_leave.at or now) + cap.length)

    def take(self, candidate: Candidate) -> None:
        """The mail takes room from now on, under every cap in play: an address's mails count whatever their program."""
        for key in concerning(self._caps, candidate):
            self._uses.setdefault(key, []).append(Use(None, candidate.campaign))


def concerning(caps: Iterable[FrequencyCap], candidate: Candidate) -> list[tuple[FrequencyCap, int]]:
    """Those of the caps that count the candidate, each with the id of whose mails it counts."""
    of_topic = (cap for cap in caps if cap.topic in (None, candidate.topic))
    ids = ((cap, candidate.whose.by(cap.per)) for cap in of_topic)
    return [(cap, id_) for cap, id_ in ids if id_ is not None]


def contest(candidates: Sequence[Candidate], ledger: Ledger, now: datetime) -> dict[int, Refusal | None]:
    """Decides the candidates together, the highest in rank first: by id, None for who wins.

    `ledger` then has the winners, ghosts among them: those who are held out take the room that they would have had,
    so that nobody gets a mail because they do not.
    """
    decided: dict[int, Refusal | None] = {}
    for candidate in sorted(candidates, key=attrgetter("rank")):
        refusal = decided[candidate.id] = ledger.refusal(candidate, now)
        if refusal is None and candidate.counts:
            ledger.take(candidate)
    return decided


def after_losing(
    outranked: Outranked, refusal: Refusal, window: timedelta, expires_at: datetime, *, ghost: bool
) -> Defer | Skip:
    """What becomes of a mail for which there is no room: its campaign says so.

    One that is deferred competes in the first window in which there can be room, if it may still be sent then.
    """
    if outranked is Outranked.DEFER:
        until = window_end(refusal.free_at, window)
        return Defer(until, Reason.FREQUENCY_CAP) if until < expires_at else Skip(Reason.FREQUENCY_CAP)
    if outranked is Outranked.FOLD and not ghost:  # who is held out is not told in a newsletter either
        return Skip(Reason.FOLDED)
    return Skip(Reason.FREQUENCY_CAP)
