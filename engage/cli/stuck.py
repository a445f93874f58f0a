"""What `unknown` and `dead` share: choosing deliveries, listing them, saying what became of them."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape

from engage.bootstrap import Services
from engage.cli.context import console, library_of, print_json, services
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import UsageError
from engage.pipeline.settling import Move, parse_ids, written_id
from engage.store.settling import Stuck, Tried, Which, stuck

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As the list names them: d-12.")]
CampaignOption = Annotated[str | None, typer.Option("--campaign", metavar="NAME", help="All of this campaign.")]
ErrorOption = Annotated[
    str | None, typer.Option("--error", metavar="TEXT", help="All whose reason has this text in it.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many to show at the most.")]
AddressesOption = Annotated[bool, typer.Option("--addresses", help="Show email addresses too.")]


def chosen(ids: list[str] | None, campaign: str | None, error: str | None = None, everything: bool = False) -> Which:
    """What a command is to act on. Raises UsageError unless it was said in one way."""
    if campaign == "" or error == "":
        raise UsageError("an empty text chooses nothing", "--all means all of them")
    some = campaign is not None or error is not None
    if [bool(ids), some, everything].count(True) != 1:
        raise UsageError("say in one way which deliveries", "name ids such as d-12, or choose several: see --help")
    return Which(parse_ids(ids or ()), campaign, error)


def act(move: Move, which: Which, why: str, as_json: bool, said: str) -> None:
    """Does it, and says so: `said` follows the number of mails, be it one or more."""
    with services() as built:
        library_of(built)
        moved = built.move(move, which, why)
    if as_json:
        print_json([{"id": written_id(id_), "state": move.value[1]} for id_ in moved.ids])
    else:
        many = "1 mail" if len(moved.ids) == 1 else f"{len(moved.ids):,} mails"
        console.print(f"{many} {said}")


def show(state: DeliveryState, which: Which, limit: int, addresses: bool, as_json: bool, hint: str) -> None:
    """Lists deliveries that wait for somebody; `hint` says what can be done."""
    with services() as built:
        found, total = _found(built, state, which, limit)
    if as_json:
        print_json({"total": total, "deliveries": [_as_json(one, addresses) for one in found]})
        return
    for one in found:
        _print(one, state, addresses)
    if not total:
        of = f" of campaign '{which.campaign}'" if which.campaign is not None else ""
        of += f" with '{which.error}' in its reason" if which.error is not None else ""
        console.print(escape(f"Nothing{of} is {state}."))
        return
    if total > len(found):
        console.print(f"{len(found):,} of {total:,} are shown; --limit shows more.")
    console.print(hint)


def _found(built: Services, state: DeliveryState, which: Which, limit: int) -> tuple[list[Stuck], int]:
    with built.database.read() as db:
        return stuck(db, state, which, limit)


def _print(one: Stuck, state: DeliveryState, addresses: bool) -> None:
    to = f"{one.recipient} ({one.email})" if addresses and one.email else one.recipient
    since = f"{state} since {_at(one.since)}" if one.since else str(state)
    console.print(f"[bold]{written_id(one.id)}[/]  {escape(f'{one.campaign}, {one.template}, to {to}')}, {since}")
    subject = f"'{one.subject}'" if one.subject else "never handed over"
    console.print(f"  {escape(f'{subject}; step {one.step}, occasion {one.occasion}')}")
    console.print(f"  {escape(one.reason or 'no reason is known')}")
    for tried in one.tried:
        console.print(f"  attempt {tried.number} at {_at(tried.started_at)}: {escape(_became(tried))}")
    if one.looked_up_at:
        console.print(f"  the provider's records did not have it at {_at(one.looked_up_at)}")


def _became(tried: Tried) -> str:
    if tried.outcome is None:
        return "no answer was stored"
    return f"{tried.outcome}: {tried.detail}" if tried.detail else tried.outcome


def _as_json(one: Stuck, addresses: bool) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": written_id(one.id),
        "public_id": one.public_id,
        "campaign": one.campaign,
        "step": one.step,
        "template": one.template,
        "recipient": one.recipient,
        "occasion": one.occasion,
        "subject": one.subject,
        "since": _iso(one.since),
        "reason": one.reason,
        "attempts": [
            {
                "number": tried.number,
                "started_at": _iso(tried.started_at),
                "outcome": tried.outcome,
                "status": tried.status,
                "detail": tried.detail,
            }
            for tried in one.tried
        ],
        "looked_up_at": _iso(one.looked_up_at),
        "expires_at": _iso(one.expires_at),
    }
    return shown | ({"email": one.email} if addresses else {})


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None
