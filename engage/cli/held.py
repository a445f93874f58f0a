"""`held`: runs and bursts of status changes that wait for an operator, who releases or drops them."""

from typing import Annotated

import typer
from rich.markup import escape

from engage.cli.context import JsonOption, WhyOption, console, library_of, print_json, services
from engage.pipeline.holding import Decided, Hold, HoldId, Outlook

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="As `engage held list` names them: run-12.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="List, release or drop what is held.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(release)
    group.command()(drop)
    app.add_typer(group, name="held")


def list_(as_json: JsonOption = False) -> None:
    """List what is held: runs that too many would enter or whose feeds are silent, and bursts of status changes."""
    with services() as built:
        library_of(built)
        found = built.held()
    if as_json:
        print_json([_hold_json(hold) for hold in found])
        return
    for hold in found:
        what = f"{hold.of}, slot {hold.slot}" if hold.slot else f"status changes from '{hold.of}'"
        console.print(f"[bold]{hold.id}[/]  {escape(what)}, held since {hold.since:%Y-%m-%d %H:%M} UTC")
        console.print(f"  {escape(hold.message)}")
        if hold.outlook:
            ahead = hold.outlook
            console.print(
                f"  Released now, {ahead.may_send:,} may send mail; {ahead.too_old:,} are too old to send any."
            )
    if found:
        console.print(
            "engage held release ID --why TEXT lets it go on; engage held drop ID --why TEXT ends it for good."
        )
    else:
        console.print("Nothing is held.")


def release(ids: IdsArgument, why: WhyOption, as_json: JsonOption = False) -> None:
    """Let what is held go on, as of now. All of the ids or none."""
    with services() as built:
        library_of(built)
        _print(built.release([HoldId.parse(id_) for id_ in ids], why), "released", as_json)


def drop(ids: IdsArgument, why: WhyOption, as_json: JsonOption = False) -> None:
    """End what is held for good: a run's slot does not come again, changes stay history. All of the ids or none."""
    with services() as built:
        _print(built.drop([HoldId.parse(id_) for id_ in ids], why), "dropped", as_json)


def _print(decided: list[Decided], state: str, as_json: bool) -> None:
    if as_json:
        print_json(
            [{"id": str(d.id), "state": state, "message": d.message, **_outlook_json(d.outlook)} for d in decided]
        )
        return
    for one in decided:
        console.print(f"{escape(one.message)}.")


def _hold_json(hold: Hold) -> dict[str, object]:
    about: dict[str, object] = {"source": hold.of}
    if hold.slot:
        about = {"campaign": hold.of, "slot": hold.slot}
    if hold.changes:
        about["statuses"] = hold.changes.statuses
        about |= {
            "changes": hold.changes.changes,
            "referrals": hold.changes.referrals,
            "partners": hold.changes.partners,
        }
    return {
        "id": str(hold.id),
        "kind": hold.id.kind.value,
        "program": hold.program,
        **about,
        "since": hold.since.isoformat().replace("+00:00", "Z"),
        "message": hold.message,
        **_outlook_json(hold.outlook),
    }


def _outlook_json(outlook: Outlook | None) -> dict[str, object]:
    return {"may_send": outlook.may_send, "too_old": outlook.too_old} if outlook else {}
