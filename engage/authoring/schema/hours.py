"""When mail may go out: windows and quiet hours, of campaigns, topics and programs alike."""

from engage.authoring.hours import DAYS
from engage.authoring.schema.values import BOOLEAN, END_TIME, TIME, Schema, keys, one_of, one_or_more, said

_WINDOW = {
    "days": said("On which days the window opens; without it, every day.", one_or_more(one_of(DAYS))),
    "from": said("When it opens, on the partner's own clock.", TIME),
    "to": said("When it closes; earlier than `from`, it runs over midnight.", END_TIME),
    "holidays": said("Whether it opens on public holidays of the partner's country.", BOOLEAN),
}
_QUIET = {
    "from": said("When they begin, on the partner's own clock.", TIME),
    "to": said("When they end; earlier than `from`, they run over midnight.", END_TIME),
}


def send_window() -> Schema:
    """`send_window: {days: weekdays, from: "09:00", to: "17:00", holidays: false}`."""
    both_or_none = {"from": ["to"], "to": ["from"]}
    return keys("send_window", (), _WINDOW, dependentRequired=both_or_none)


def quiet_hours() -> Schema:
    """`quiet_hours: {from: "21:00", to: "08:00"}`."""
    return keys("quiet_hours", tuple(_QUIET), _QUIET)
