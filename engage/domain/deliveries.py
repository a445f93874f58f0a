"""The life of a delivery: its states, and the one table of transitions that the store applies."""

from enum import StrEnum

from engage.domain.errors import IllegalTransition


class DeliveryState(StrEnum):
    PENDING = "pending"  # due at `due_at`
    CLAIMED = "claimed"  # a worker holds its lease and composes it
    SENDING = "sending"  # committed before the socket opens
    ACCEPTED = "accepted"  # the provider took it
    RETRY = "retry"  # proven unsent; due again at `due_at`
    UNKNOWN = "unknown"  # it may or may not have been sent: never resent blindly
    DEAD = "dead"  # refused for good
    SUPPRESSED = "suppressed"  # the address must not be mailed
    SKIPPED = "skipped"  # decided against when looked at again
    CANCELLED = "cancelled"  # unsubscribed, left or erased before it went
    EXPIRED = "expired"  # not sent within `send_within`
    HELD = "held"  # composed and kept, not sent: SEND_TO does not let it out


_S = DeliveryState
TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.PENDING: frozenset({_S.CLAIMED, _S.CANCELLED, _S.EXPIRED}),
    _S.RETRY: frozenset({_S.CLAIMED, _S.CANCELLED, _S.EXPIRED}),
    _S.CLAIMED: frozenset(
        {_S.SENDING, _S.PENDING, _S.RETRY, _S.DEAD, _S.SUPPRESSED, _S.SKIPPED, _S.CANCELLED, _S.EXPIRED, _S.HELD}
    ),
    _S.SENDING: frozenset({_S.ACCEPTED, _S.RETRY, _S.UNKNOWN, _S.DEAD}),
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.DEAD, _S.PENDING}),
    _S.ACCEPTED: frozenset(),
    _S.DEAD: frozenset({_S.PENDING}),
    _S.SUPPRESSED: frozenset(),
    _S.SKIPPED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.HELD: frozenset(),
}
DUE = (_S.PENDING, _S.RETRY)


def require_legal(source: DeliveryState, target: DeliveryState) -> None:
    """Raises IllegalTransition unless a delivery may go from `source` to `target`."""
    if target not in TRANSITIONS[source]:
        raise IllegalTransition(f"a delivery cannot go from {source} to {target}")
