"""The fold of a referral's status changes into versions: what it was from when to when. Pure.

Changes are ordered by when they happened; at one instant a submission comes first, then the order of arrival decides.
When the same status was told several times in a row with different dates, the source corrected itself and the date
told last is the true one. A status without a date holds from the referral's beginning, or since it was first seen;
it yields to a neighbouring dated change to the same status, which knows more, and to any change that was observed
later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engage.domain.programs import QUALIFIED_KINDS, Program, StatusKind
from engage.domain.windows import BEGINNING


@dataclass(frozen=True, slots=True)
class Change:
    """A dated status change; `sequence` is its place in the order of arrival at the referral.

    Where two referrals were merged, it counts on from one to the other: then `arrival` says which was told first.
    """

    status: str
    at: datetime
    sequence: int
    observed_at: datetime

    @property
    def arrival(self) -> tuple[datetime, int]:
        return self.observed_at, self.sequence


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a referral's way. `undated_since` None: the undated status has always held."""

    changes: tuple[Change, ...] = ()
    submitted_at: datetime | None = None
    undated_status: str | None = None
    undated_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """The referral from `valid_from` (included) to `valid_to` (excluded; None: still).

    `since` is when it reached the status, None if undated; `qualified_at` when, by then, it had first reached
    qualified or beyond; `qualified` whether it had, dated or not.
    """

    valid_from: datetime
    valid_to: datetime | None
    status: str
    kind: StatusKind
    since: datetime | None
    qualified_at: datetime | None
    qualified: bool


@dataclass(frozen=True, slots=True)
class _Moment:
    status: str
    at: datetime
    change: Change | None  # None: the undated status


_SUBMISSION, _ALWAYS, _CHANGE, _SEEN = range(4)  # the order at one instant
_ALONE = (BEGINNING, 0)


def opening_status(program: Program) -> str:
    """The status of a referral of which no source has told one: the ladder's first submission."""
    return (*program.statuses_of(StatusKind.SUBMITTED), program.ladder[0].key)[0]


def fold(history: History, program: Program) -> tuple[Version, ...]:
    """The versions of a referral, oldest first, without gaps; never empty."""
    kinds = {status.key: status.kind for status in program.ladder}
    moments = _without_echo(_ordered(_corrected(history.changes, kinds), history, kinds))
    if not moments or (moments[0].change is None and moments[0].at == history.undated_since):
        # What held before an undated status was first seen is not kept; that it had been submitted is certain.
        moments = [_Moment(opening_status(program), history.submitted_at or BEGINNING, None), *moments]
    starts = [moment.at for moment in moments]
    if moments[0].change is not None and history.submitted_at is not None:
        starts[0] = min(starts[0], history.submitted_at)
    versions = []
    qualified_at, qualified = None, False
    for moment, start, end in zip(moments, starts, (*starts[1:], None), strict=True):
        # A status that has left the ladder counts as open and no more.
        kind = kinds.get(moment.status, StatusKind.ACCEPTED)
        since = moment.at if moment.change else None
        if kind in QUALIFIED_KINDS:
            qualified_at, qualified = qualified_at or since, True
        if start != end:
            versions.append(Version(start, end, moment.status, kind, since, qualified_at, qualified))
    return tuple(versions)


def doubted(versions: Sequence[Version], doubts: Sequence[tuple[datetime, bool]]) -> Iterator[tuple[Version, bool]]:
    """The versions, parted where a doubt begins or ends, each with whether it is in doubt.

    `doubts`: (from when on, whether), oldest first, the first from before all versions.
    """
    for version in versions:
        for (begins, in_doubt), ends in zip(doubts, (*(at for at, _ in doubts[1:]), None), strict=True):
            start = max(begins, version.valid_from)
            end = ends if version.valid_to is None else min(ends or version.valid_to, version.valid_to)
            if end is None or start < end:
                yield replace(version, valid_from=start, valid_to=end), in_doubt


def counting(changes: Sequence[Change], program: Program) -> list[Change]:
    """The changes in order, without those that only correct another's date: of each run of one status the true one."""
    return _corrected(changes, {status.key: status.kind for status in program.ladder})


def neighbours(history: History, change: Change, program: Program) -> tuple[str | None, str | None]:
    """The statuses that come just before and just after a change of the history."""
    kinds = {status.key: status.kind for status in program.ladder}
    moments = _ordered(history.changes, history, kinds)
    place = next(index for index, moment in enumerate(moments) if moment.change == change)
    before = moments[place - 1].status if place > 0 else None
    return before, moments[place + 1].status if place + 1 < len(moments) else None


def _place(change: Change, kinds: Mapping[str, StatusKind]) -> tuple[datetime, int, tuple[datetime, int]]:
    rank = _SUBMISSION if kinds.get(change.status) is StatusKind.SUBMITTED else _CHANGE
    return change.at, rank, change.arrival


def _corrected(changes: Sequence[Change], kinds: Mapping[str, StatusKind]) -> list[Change]:
    """The changes in order, of each run of one status only the one that was told last."""
    corrected: list[Change] = []
    for change in sorted(changes, key=lambda each: _place(each, kinds)):
        if corrected and corrected[-1].status == change.status:
            if change.arrival > corrected[-1].arrival:
                corrected[-1] = change
        else:
            corrected.append(change)
    return corrected


def _ordered(changes: Sequence[Change], history: History, kinds: Mapping[str, StatusKind]) -> list[_Moment]:
    """Changes in order, with the undated status in its place among them."""
    placed = [(_place(change, kinds), _Moment(change.status, change.at, change)) for change in changes]
    undated, since = history.undated_status, history.undated_since
    if undated is not None and since is None:
        instants = [*(change.at for change in changes), history.submitted_at or BEGINNING]
        start = min(instants) if history.submitted_at else BEGINNING
        placed.append(((start, _ALWAYS, _ALONE), _Moment(undated, start, None)))
    elif undated is not None and since is not None and not _outdated(history.changes, since, kinds):
        placed.append(((since, _SEEN, _ALONE), _Moment(undated, since, None)))
    return [moment for _, moment in sorted(placed, key=lambda pair: pair[0])]


def _outdated(changes: Sequence[Change], since: datetime, kinds: Mapping[str, StatusKind]) -> bool:
    """Whether a change was observed after the undated status; a submission date that is told late is none."""
    return any(each.observed_at > since and kinds.get(each.status) is not StatusKind.SUBMITTED for each in changes)


def _without_echo(moments: list[_Moment]) -> list[_Moment]:
    """The moments without the undated one where a dated neighbour tells the same status."""
    return [
        moment
        for index, moment in enumerate(moments)
        if moment.change or all(other.status != moment.status for other in _beside(moments, index))
    ]


def _beside(moments: Sequence[_Moment], index: int) -> Sequence[_Moment]:
    return [*moments[max(index - 1, 0) : index], *moments[index + 1 : index + 2]]
