"""How `consent show` tells what stands and what was said: in sentences, and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.markup import escape

from engage.cli.context import console
from engage.domain.programs import Rhythm
from engage.pipeline.consent_shown import Shown
from engage.store.consent import Change
from engage.store.said import Said

_OFTEN = {Rhythm.INSTANT: "at once", Rhythm.DAILY: "once a day", Rhythm.OFF: "not at all"}


def shown_json(shown: Shown) -> dict[str, Any]:
    return {
        "email": shown.email,
        "suppressions": [{"reason": reason, "since": _iso(at)} for reason, at in shown.suppressions.items()],
        "noted": _dated(shown.noted),
        "partners": [_partner_json(shown, partner) for partner in shown.refused],
        "changes": [{**asdict(change), "at": _iso(change.at)} for change in shown.changes],
        "settings": [
            {**asdict(said), "at": _iso(said.at), "to": _iso(said.to) if isinstance(said.to, datetime) else said.to}
            for said in shown.settings
        ],
    }


def _partner_json(shown: Shown, partner: str) -> dict[str, Any]:
    language, pause = shown.languages.get(partner), shown.pauses.get(partner)
    return {
        "partner": partner,
        "refused": _dated(shown.refused[partner]),
        "agreed": _dated(shown.agreed[partner]),
        "rhythms": [
            {"topic": wish.topic, "rhythm": wish.rhythm, "since": _iso(wish.since), "how": wish.how}
            for wish in shown.rhythms[partner]
        ],
        "language": {"locale": language.locale, "since": _iso(language.since), "how": language.how}
        if language
        else None,
        "pause": {"until": _iso(pause.until), "since": _iso(pause.since), "how": pause.how}
        if pause and pause.until
        else None,
    }


def print_shown(shown: Shown, who: str) -> None:
    has = "have" if len(shown.refused) > 1 else "has"
    holders = f", which {' and '.join(shown.refused) or 'no partner'} {has}"
    console.print(f"[bold]{escape(shown.email or who)}[/]" + escape(holders if shown.email else ": no address"))
    for reason, since in shown.suppressions.items():
        console.print(f"  gets nothing: {reason.replace('_', ' ')}, since {_day(since)}")
    for topic, since in shown.noted.items():
        console.print(f"  {escape(topic)} was refused at this address, on {_day(since)}")
    for partner, topics in shown.refused.items():
        for topic, since in topics.items():
            console.print(escape(f"  {partner} is not mailed {topic}, since {_day(since)}"))
    for partner, topics in shown.agreed.items():
        for topic, since in topics.items():
            console.print(escape(f"  {partner} said yes to {topic}, on {_day(since)}"))
    for partner, rhythms in shown.rhythms.items():
        for wish in rhythms:
            console.print(escape(f"  {partner} wants {wish.topic} {_OFTEN[wish.rhythm]}, since {_day(wish.since)}"))
    for partner, language in shown.languages.items():
        console.print(escape(f"  {partner} reads in {language.locale}, since {_day(language.since)}"))
    for partner, pause in shown.pauses.items():
        if pause.until is not None:
            console.print(escape(f"  {partner} takes a break from marketing mail until {_day(pause.until)}"))
    if not shown.suppressions and not shown.noted and not shown.pauses and not any(shown.refused.values()):
        console.print("  nothing stands against mailing it")
    lines = [(change.at, _of_change(change)) for change in shown.changes]
    lines += [(said.at, _of_setting(said)) for said in shown.settings]
    for at, line in sorted(lines, key=lambda one: one[0]):
        console.print(escape(f"  {at:%Y-%m-%d %H:%M} UTC  {line}"))


def _of_change(change: Change) -> str:
    of = f" of {change.partner}" if change.partner else ""
    said = f"{'yes' if change.subscribed else 'no'} to {change.topic or 'everything'}{of} at {change.email}"
    return f"{said} ({_came(change.how, change.source)})"


def _of_setting(said: Said) -> str:
    match said.what:
        case "rhythm":
            what = f"{said.topic} {_OFTEN[Rhythm(str(said.to))]} for {said.partner}"
        case "language":
            what = f"language {said.to} for {said.partner}"
        case _ if isinstance(said.to, datetime):
            what = f"a break of {said.partner} until {_day(said.to)}"
        case _:
            what = f"no break any more of {said.partner}"
    return f"{what} ({_came(said.how, said.source)})"


def _came(how: str, source: str) -> str:
    return f"{how}, {source}" if source else how


def _dated(topics: Mapping[str, datetime]) -> list[dict[str, str]]:
    return [{"topic": topic, "since": _iso(at)} for topic, at in topics.items()]


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d} UTC"


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
