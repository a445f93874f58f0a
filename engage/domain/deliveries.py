"""The life of a delivery: its states, who may move it from which to which, and what the provider reports of it."""

from enum import StrEnum

from engage.domain.errors import IllegalTransition


class DeliveryState(StrEnum):
    PENDING = "pending"  # due at `due_at`
    CLAIMED = "claimed"  # a worker holds its lease and composes it
    SENDING = "sending"  # committed before the socket opens
    ACCEPTED = "accepted"  # the provider took it
    RETRY = "retry"  # proven unsent; due again at `due_at`
    UNKNOWN = "unknown"  # it may or may not have been sent: never resent blindly
    DEAD = "dead"  # refused for good, or nothing can come of it: an operator tries it again or drops it
    SUPPRESSED = "suppressed"  # the address must not be mailed
    SKIPPED = "skipped"  # decided against when looked at again
    CANCELLED = "cancelled"  # unsubscribed, left, erased or dropped before it went
    EXPIRED = "expired"  # not sent within `send_within`
    HELD = "held"  # composed and kept, not sent: SEND_TO does not let it out


class By(StrEnum):
    """Who moves a delivery."""

    WORKER = "worker"  # under the lease of its claim
    SWEEPER = "sweeper"  # because time has passed
    CONSENT = "consent"  # because somebody said no
    CONTEST = "contest"  # because frequency caps leave room for others only, or it need not compete any more
    ERASURE = "erasure"  # because its recipient is forgotten
    RESTORE = "restore"  # because the database was brought back from a backup: it may have gone out since
    MERGE = "merge"  # because two records turned out to be one
    OPERATOR = "operator"  # by a command or on the console
    NEWS = "news"  # because of what happened since: another mail tells of it, or it is no longer true
    EVIDENCE = "evidence"  # because the provider has it: its webhook, its records or our journal say so


_S = DeliveryState
_TRIED = frozenset(_S) - {_S.ACCEPTED, _S.HELD}
"""The states in which a delivery can be that has been handed over once: an operator may have had it sent again."""

TRANSITIONS: dict[By, dict[DeliveryState, frozenset[DeliveryState]]] = {
    By.WORKER: {
        _S.PENDING: frozenset({_S.CLAIMED}),
        _S.RETRY: frozenset({_S.CLAIMED}),
        _S.CLAIMED: frozenset(
            {_S.SENDING, _S.PENDING, _S.DEAD, _S.SUPPRESSED, _S.SKIPPED, _S.CANCELLED, _S.EXPIRED, _S.HELD}
        ),
        _S.SENDING: frozenset({_S.ACCEPTED, _S.RETRY, _S.UNKNOWN, _S.DEAD}),
    },
    By.SWEEPER: {
        _S.PENDING: frozenset({_S.EXPIRED}),
        _S.RETRY: frozenset({_S.EXPIRED}),
        _S.CLAIMED: frozenset({_S.PENDING, _S.DEAD}),
        _S.SENDING: frozenset({_S.UNKNOWN}),
    },
    By.CONTEST: {_S.PENDING: frozenset({_S.SUPPRESSED, _S.SKIPPED, _S.CANCELLED, _S.EXPIRED})},
    By.CONSENT: {_S.PENDING: frozenset({_S.CANCELLED}), _S.RETRY: frozenset({_S.CANCELLED})},
    By.MERGE: {
        _S.PENDING: frozenset({_S.CANCELLED}),
        _S.RETRY: frozenset({_S.CANCELLED}),
        _S.CLAIMED: frozenset({_S.PENDING}),
    },
    By.ERASURE: {state: frozenset({_S.CANCELLED}) for state in (_S.PENDING, _S.CLAIMED, _S.RETRY)},
    By.RESTORE: {state: frozenset({_S.UNKNOWN}) for state in (_S.PENDING, _S.CLAIMED, _S.RETRY, _S.SENDING)},
    By.OPERATOR: {
        _S.UNKNOWN: frozenset({_S.PENDING, _S.ACCEPTED, _S.CANCELLED}),
        _S.DEAD: frozenset({_S.PENDING, _S.CANCELLED}),
    },
    By.NEWS: {_S.PENDING: frozenset({_S.SKIPPED}), _S.RETRY: frozenset({_S.SKIPPED})},
    By.EVIDENCE: {state: frozenset({_S.ACCEPTED}) for state in _TRIED},
}
"""The one table of transitions. What is not in it is a bug, and an error."""

DUE = (_S.PENDING, _S.RETRY)
ENDS = (_S.ACCEPTED, _S.DEAD, _S.SUPPRESSED, _S.SKIPPED, _S.CANCELLED, _S.EXPIRED, _S.HELD)


def require_legal(by: By, source: DeliveryState, target: DeliveryState) -> None:
    """Raises IllegalTransition unless `by` may move a delivery from `source` to `target`."""
    if target not in TRANSITIONS[by].get(source, frozenset()):
        raise IllegalTransition(f"{by} cannot move a delivery from {source} to {target}")


class Reported(StrEnum):
    """What the provider reports of a delivery that it took: a second column, which never replaces the state.

    In the order of rank: the highest that was ever reported stays, so that late and shuffled events end the same.
    """

    PROCESSED = "processed"  # about to be handed to the recipient's server
    DEFERRED = "deferred"  # that server asked to be tried again later
    DROPPED = "dropped"  # the provider did not try: the address is on one of its lists
    DELIVERED = "delivered"  # that server took it
    BOUNCED = "bounced"  # that server refused it, at once or after taking it
    COMPLAINED = "complained"  # the recipient reported it as spam


RANK: dict[Reported, int] = {reported: rank for rank, reported in enumerate(Reported)}
