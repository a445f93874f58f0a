"""How decisions are said by `plan` and `explain`."""

from collections.abc import Sequence
from datetime import datetime

from engage.domain.decisions import Decision, Defer, Reason, Skip
from engage.pipeline.cap_room import Taken
from engage.pipeline.plan import Later


def decision_json(decision: Decision | Later) -> dict[str, object]:
    if isinstance(decision, Later):
        at = {"at": decision.at.isoformat().replace("+00:00", "Z")} if decision.at else {}
        return {"decision": decision.kind, "reason": None, "after": decision.after, **at}
    reason = decision.reason.value if isinstance(decision, Defer | Skip) else None
    until = {"until": decision.until.isoformat().replace("+00:00", "Z")} if isinstance(decision, Defer) else {}
    return {"decision": decision.kind, "reason": reason, **until}


def caps_json(caps: Sequence[Taken]) -> list[dict[str, object]]:
    return [{"cap": str(one.cap), "used": one.used} for one in caps]


def minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def words(reason: Reason) -> str:
    if reason is Reason.CONDITION_NO_LONGER_HOLDS:
        return "condition does not hold"  # in an explanation it need not have held before
    return reason.replace("_", " ")
