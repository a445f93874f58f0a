"""The gate before a provider: may something be sent now, and how much. Pure: same inputs, same answer.

Three things can shut it. The breaker opens when attempts fail in a row, and lets one mail through at a time to see
whether the provider is back. The provider may ask to be left alone for a while. A pause lasts until an operator ends
it. A bucket of tokens, one a message, keeps to the provider's rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from engage.domain.messages import Outcome, SendResult

FAILURES_IN_A_ROW = 5
"""So many failures in a row open the breaker: one bad answer is no outage."""

FIRST_BREAK, LONGEST_BREAK = timedelta(seconds=2), timedelta(seconds=60)
"""How long the breaker stays open: doubled with each mail that was tried in vain."""

UNSAID_WAIT = timedelta(seconds=2)
"""How long a provider is left alone that says "too many requests" and not for how long."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""How far ahead of ours another machine's clock may be and still be believed."""

REFUSED = "our credentials are refused"
"""How the reason of a pause begins that the provider caused."""

_TOO_MANY = 429
_NOT_NOW = range(450, 460)  # SMTP (RFC 5321, 4.2.3): this mailbox, this content, not now: nothing about the server
_ALMOST = 1e-9  # a token that lacks less than this, by rounding, is whole


@dataclass(frozen=True, slots=True)
class Gate:
    """What all workers share about one provider.

    `failures` counts those in a row, `opened` how often the breaker opened without a success in between. Nothing is
    sent before `shut_until`; who tries a mail with the breaker open has until `probe_until`. `tokens` were in the
    bucket at `tokens_at`; without that it is full.
    """

    failures: int = 0
    opened: int = 0
    shut_until: datetime | None = None
    probe_until: datetime | None = None
    reason: str | None = None
    paused_at: datetime | None = None
    paused_why: str | None = None
    resumed_at: datetime | None = None
    resumed_why: str | None = None
    tokens: float = 0.0
    tokens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """Send."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Probe:
    """The breaker is open and it is time to try one mail: whoever takes the probe may send one, nobody else."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Shut:
    """Send nothing. `until` is when to ask again; None: when an operator has resumed sending."""

    gate: Gate
    until: datetime | None
    reason: str


Passage = Open | Probe | Shut


@dataclass(frozen=True, slots=True)
class Taken:
    """So many messages may be sent; after `wait` the rest of those wanted, or as many as fit the bucket, may be too."""

    granted: int
    wait: timedelta = timedelta(0)


def passage(gate: Gate, now: datetime) -> Passage:
    """Whether something may be sent at `now`."""
    if gate.paused_at is not None:
        return Shut(gate, None, gate.paused_why or "")
    if gate.shut_until is not None and now < gate.shut_until:
        return Shut(gate, gate.shut_until, gate.reason or "")
    if not gate.opened:
        return Open(gate)
    if gate.probe_until is not None and now < gate.probe_until:
        return Shut(gate, gate.probe_until, gate.reason or "")
    return Probe(gate)


class State(StrEnum):
    """How a gate stands, in one word."""

    OPEN = "goes on"
    RESTING = "rests"  # the provider asked to be left alone
    BROKEN = "waits"  # the breaker is open
    PAUSED = "paused"  # everything waits for an operator


def state_of(gate: Gate, now: datetime) -> State:
    """How the gate stands at `now`."""
    if gate.paused_at is not None:
        return State.PAUSED
    if gate.opened:
        return State.BROKEN
    return State.RESTING if isinstance(passage(gate, now), Shut) else State.OPEN


def stands(gate: Gate, now: datetime) -> str:
    """How the gate stands at `now`, as what is said of "sending"."""
    match state_of(gate, now):
        case State.PAUSED:
            return f"is paused since {gate.paused_at:%Y-%m-%d %H:%M} UTC: {gate.paused_why}"
        case State.BROKEN:
            return f"waits for the provider; one mail is tried from {gate.shut_until:%H:%M:%S} UTC on ({gate.reason})"
        case State.RESTING:
            return f"rests until {gate.shut_until:%H:%M:%S} UTC: {gate.reason}"
        case State.OPEN:
            return "goes on"


def after(gate: Gate, results: Sequence[SendResult], now: datetime) -> Gate:
    """The gate after these results, in their order; the very same value when they change nothing."""
    for result in results:
        if result.outcome is Outcome.ACCEPTED and result.retry_at is None:
            gate = _closed(gate)
        else:
            gate = _after(gate, result, now)
    return gate


def _after(gate: Gate, result: SendResult, now: datetime) -> Gate:
    if result.auth_failed:
        return paused(gate, f"{REFUSED}: {result.detail}", now)
    if result.status == _TOO_MANY or result.outcome is Outcome.ACCEPTED:
        return _left_alone(_closed(gate), result.retry_at or now + UNSAID_WAIT, now)
    if result.outcome is Outcome.DEAD:
        return _closed(gate) if result.status is not None else gate  # who refuses a message is there
    if result.status in _NOT_NOW:
        return gate
    return _failed(gate, result, now)


def _closed(gate: Gate) -> Gate:
    if not gate.opened:
        return replace(gate, failures=0) if gate.failures else gate
    return replace(gate, failures=0, opened=0, shut_until=None, probe_until=None, reason=None)


def _left_alone(gate: Gate, until: datetime, now: datetime) -> Gate:
    if until <= max(now, gate.shut_until or now):
        return gate
    return replace(gate, shut_until=until, reason="the provider takes no more for now")


def _failed(gate: Gate, result: SendResult, now: datetime) -> Gate:
    if gate.opened and gate.shut_until is not None and now < gate.shut_until:
        return gate  # it was on its way when the breaker opened
    failures = gate.failures + 1
    if not gate.opened and failures < FAILURES_IN_A_ROW:
        return replace(gate, failures=failures)
    until = now + min(FIRST_BREAK * 2.0 ** min(gate.opened, 16), LONGEST_BREAK)
    return replace(
        gate,
        failures=failures,
        opened=gate.opened + 1,
        shut_until=max(moment for moment in (until, gate.shut_until, result.retry_at) if moment is not None),
        probe_until=None,
        reason=f"{failures} attempts in a row failed: {result.detail}",
    )


def paused(gate: Gate, why: str, now: datetime) -> Gate:
    """Everything waits for an operator. A gate that is paused already keeps its time and its reason."""
    return gate if gate.paused_at is not None else replace(gate, paused_at=now, paused_why=why)


def resumed(gate: Gate, why: str, now: datetime) -> Gate:
    """An operator lets mail out: whatever shut the gate is over."""
    return Gate(resumed_at=now, resumed_why=why, tokens=gate.tokens, tokens_at=gate.tokens_at)


def take(gate: Gate, wanted: int, rate: float, now: datetime) -> tuple[Gate, Taken]:
    """Takes up to `wanted` messages out of the bucket; `rate` is in messages a second.

    The bucket holds what comes in one second, and at least one message. With nothing granted the gate is the same.
    """
    full, held = max(1.0, rate), tokens_in(gate, rate, now)
    granted = min(wanted, int(held + _ALMOST))
    left = max(0.0, held - granted)
    wait = timedelta(0)
    if granted < wanted:
        missing = min(wanted - granted, int(full)) - left
        wait = timedelta(microseconds=math.ceil(missing / rate * 1_000_000))
    if not granted:
        return gate, Taken(0, wait)
    since = None if _of_a_wrong_clock(gate, now) else gate.tokens_at
    return replace(gate, tokens=left, tokens_at=max(now, since or now)), Taken(granted, wait)


def tokens_in(gate: Gate, rate: float, now: datetime) -> float:
    """How many messages the bucket holds at `now`."""
    full, since = max(1.0, rate), gate.tokens_at
    if since is None or _of_a_wrong_clock(gate, now):
        return full
    return min(full, gate.tokens + rate * max(0.0, (now - since).total_seconds()))


def _of_a_wrong_clock(gate: Gate, now: datetime) -> bool:
    """Nobody is to wait for the time of a clock that was wrong."""
    return gate.tokens_at is not None and gate.tokens_at - now > CLOCKS_DIFFER
