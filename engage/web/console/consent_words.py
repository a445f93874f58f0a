"""What was said of being mailed, in words. Pure."""

from dataclasses import dataclass
from datetime import datetime

from engage.pipeline.consent_shown import Shown


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """Something that was said of being mailed: what, by whom it came, and where from."""

    at: datetime
    what: str
    how: str
    source: str


def changes_shown(shown: Shown, external_id: str) -> list[ChangeShown]:
    """All that was said by the partner, for them or at their address, the latest first."""
    found = []
    for one in shown.changes:
        whose = "" if one.partner in (None, external_id) else ", by somebody else at the address"
        what = f"{'yes' if one.subscribed else 'no'} to {one.topic or 'everything'}{whose}"
        found.append(ChangeShown(one.at, what, one.how, one.source))
    for setting in shown.settings:
        if setting.partner != external_id:
            continue
        to = f"{setting.to:%Y-%m-%d}" if isinstance(setting.to, datetime) else setting.to
        what = {
            "rhythm": f"{setting.topic}: {to}",
            "language": f"reads in {to}",
            "pause": f"a break until {to}" if to else "no break any more",
        }[setting.what]
        found.append(ChangeShown(setting.at, what, setting.how, setting.source))
    return sorted(found, key=lambda one: one.at, reverse=True)
