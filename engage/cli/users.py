"""`user`: who may use the consoles. Also the way in when nobody can log in any more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import Connection

from engage.authoring.reader import did_you_mean
from engage.bootstrap import Services
from engage.cli.context import JsonOption, WhyIfAnyOption, WhyOption, console, library_of, print_json, services
from engage.domain.accounts import COMMAND_LINE, Role, User
from engage.domain.errors import InputError
from engage.pipeline.users import Linked, disable, enable, give_role, invite, login_url, reset
from engage.queueing import NoQueue
from engage.store.accounts import all_users, find_user

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The user's address.")]
ProgramsOption = Annotated[
    list[str] | None,
    typer.Option("--program", help="Only this program; say it once for each."),
]
RoleArgument = Annotated[Role, typer.Argument(help="What they may do: docs/consoles.md has the table.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Make, list, change and disable the users of the consoles.", no_args_is_help=True)
    group.command("add")(add)
    group.command("list")(list_)
    group.command("role")(role)
    group.command("reset")(reset_)
    group.command("disable")(disable_)
    group.command("enable")(enable_)
    app.add_typer(group, name="user")


def add(
    email: EmailArgument,
    role: Annotated[Role, typer.Option("--role", help="What they may do: docs/consoles.md has the table.")],
    name: Annotated[str, typer.Option("--name", help="What they are called; without it, as their address.")] = "",
    program: ProgramsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a user and print a link, this once, by which they choose a password."""
    with services(queue=NoQueue()) as built:
        programs = _programs(built, program)
        _ = built.signer  # makes the secret key if there is none: a server that others reach does not start without
        with built.database.write() as db:
            linked = invite(db, email, name, role, programs, COMMAND_LINE, built.clock())
        _print_link(built, linked, "There is a user now: {}, {}.", as_json)


def list_(as_json: JsonOption = False) -> None:
    """List all users."""
    with services(queue=NoQueue()) as built:
        programs = library_of(built).program_ids
        with built.database.read() as db:
            users = all_users(db)
    if as_json:
        print_json([_json(user, programs) for user in users])
        return
    if not users:
        console.print("There is no user yet. Make one: engage user add EMAIL --role admin")
        return
    table = Table("address", "name", "role", "programs", "logs in by", box=None, padding=(0, 2, 0, 0))
    for user in users:
        said = (user.email, user.name, user.role.value, ", ".join(_keys(user, programs) or ["all"]), _ways(user))
        table.add_row(*map(escape, said))
    console.print(table, soft_wrap=False)


def role(email: EmailArgument, role: RoleArgument, why: WhyOption, program: ProgramsOption = None) -> None:
    """Give a user another role, and the programs in which it counts."""
    with services(queue=NoQueue()) as built:
        programs, known = _programs(built, program), library_of(built).program_ids
        with built.database.write() as db:
            user = _user(db, email)
            give_role(db, user, role, programs, known, COMMAND_LINE, why, built.clock())
    where = "every program" if programs is None else ", ".join(programs)
    console.print(escape(f"{user.email} is {role.value} in {where}, from the next click on."))


def reset_(
    email: EmailArgument,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Take the second factor away too, and end all sessions now.")
    ] = False,
    why: WhyIfAnyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a link, this once, by which a user chooses another password; using it ends all sessions."""
    with services(queue=NoQueue()) as built:
        with built.database.write() as db:
            linked = reset(db, _user(db, email), COMMAND_LINE, why, built.clock(), factor=second_factor)
        _print_link(built, linked, "A new way in for {}, {}.", as_json)


def disable_(email: EmailArgument, why: WhyOption) -> None:
    """Let a user in no more: sessions and links end now."""
    with services(queue=NoQueue()) as built, built.database.write() as db:
        user = _user(db, email)
        disable(db, user, COMMAND_LINE, why, built.clock())
    console.print(escape(f"{user.email} is not let in any more."))


def enable_(email: EmailArgument, why: WhyOption) -> None:
    """Let a user in again who was disabled."""
    with services(queue=NoQueue()) as built, built.database.write() as db:
        user = _user(db, email)
        enable(db, user, COMMAND_LINE, why, built.clock())
    console.print(escape(f"{user.email} may log in again."))


def _user(db: Connection, email: str) -> User:
    wanted = email.strip().lower()
    user = find_user(db, wanted)
    if user is None:
        raise InputError(f"there is no user {wanted}", did_you_mean(wanted, [one.email for one in all_users(db)]))
    return user


def _programs(built: Services, keys: list[str] | None) -> dict[str, int] | None:
    if not keys:
        return None
    known = library_of(built).program_ids
    for key in keys:
        if key not in known:
            raise InputError(f"there is no program '{key}'", did_you_mean(key, known))
    return {key: known[key] for key in keys}


def _print_link(built: Services, linked: Linked, said: str, as_json: bool) -> None:
    url, user = login_url(built.settings.public_url, linked.token), linked.user
    if as_json:
        print_json({"email": user.email, "role": user.role.value, "link": url, "until": _iso(linked.until)})
        return
    console.print(escape(said.format(user.email, user.role.value)))
    console.print(escape(f"  {url}"))
    until = f"{linked.until:%Y-%m-%d %H:%M} UTC"
    console.print(f"Give them this link, and nobody else: it lets in once, until {until}, and is not shown again.")


def _keys(user: User, programs: Mapping[str, int]) -> list[str] | None:
    return None if user.program_ids is None else [key for key, id_ in programs.items() if user.sees(id_)]


def _ways(user: User) -> str:
    if user.disabled:
        return "disabled"
    password = "password" if user.has_password else "no password yet"
    return f"{password} and app" if user.has_second_factor else password


def _json(user: User, programs: Mapping[str, int]) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "programs": _keys(user, programs),
        "has_password": user.has_password,
        "has_second_factor": user.has_second_factor,
        "disabled": user.disabled,
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
