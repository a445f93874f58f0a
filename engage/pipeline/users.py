"""What admins do with users: invite, give a role, reset, disable. Each change is kept in the audit log."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.accounts import Actor, LinkPurpose, Permission, Role, User
from engage.domain.errors import InputError
from engage.pipeline.logins import new_link
from engage.store import accounts
from engage.store.audit import Facts, note
from engage.store.intake.checks import normal_email
from engage.store.one_time_links import end_links
from engage.store.second_factors import remove_factor
from engage.store.sessions import end_sessions

LONGEST_NAME = 80
_LAST = "there would be no admin of every program left"


@dataclass(frozen=True, slots=True)
class Linked:
    """A user and a link of theirs that is shown once: what it holds, and until when it can be used."""

    user: User
    token: str
    until: datetime


def invite(
    db: Connection,
    email: str,
    name: str,
    role: Role,
    programs: Mapping[str, int] | None,
    actor: Actor,
    now: datetime,
    purpose: LinkPurpose = LinkPurpose.INVITE,
) -> Linked:
    """A new user, who chooses a password by the link. `programs`: ids by key, None for every program.

    Raises InputError for what is no address or no name, and an address that a user has.
    """
    address, shown = checked_email(email), _checked_name(name or email.strip().partition("@")[0])
    user = accounts.add_user(db, address, shown, role, _ids(programs), now)
    if user is None:
        raise InputError(f"there is a user {address} already", "change their role, or give them a new link")
    after = {"email": address, "name": shown, "role": role.value, "programs": _keys(programs)}
    note(db, actor, "user.invite", [_object(user)], now, after=after)
    return Linked(user, *new_link(db, user, purpose, now))


def give_role(
    db: Connection,
    user: User,
    role: Role,
    programs: Mapping[str, int] | None,
    known: Mapping[str, int],
    actor: Actor,
    why: str | None,
    now: datetime,
) -> None:
    """What the user may do from now on, with their next click. `known`: the ids of all programs, by key.

    Raises InputError when no admin would be left.
    """
    if not (role is Role.ADMIN and programs is None):
        _require_another_admin(db, user)
    before = {"role": user.role.value, "programs": _keys_of(user, known)}
    accounts.set_role(db, user.id, role, _ids(programs))
    after = {"role": role.value, "programs": _keys(programs)}
    note(db, actor, "user.role", [_object(user)], now, before=before, after=after, why=why)


def reset(db: Connection, user: User, actor: Actor, why: str | None, now: datetime, *, factor: bool = False) -> Linked:
    """A link by which the user chooses another password. `factor`: without a second factor, which they have lost.

    Their sessions go on until they use it, or end now if the second factor goes. Raises InputError for who is disabled.
    """
    if user.disabled:
        raise InputError(f"{user.email} is disabled", "enable them first")
    after: Facts | None = None
    if factor and user.has_second_factor:
        remove_factor(db, user.id)
        end_sessions(db, user.id)
        after = {"second_factor": None}
    note(db, actor, "user.reset", [_object(user)], now, after=after, why=why)
    return Linked(user, *new_link(db, user, LinkPurpose.RESET, now))


def disable(db: Connection, user: User, actor: Actor, why: str | None, now: datetime) -> None:
    """Nothing of the user's lets them in any more: their sessions and links end. Raises InputError as `give_role`."""
    _require_another_admin(db, user)
    accounts.set_disabled(db, user.id, now)
    end_sessions(db, user.id)
    end_links(db, user.id, now)
    note(db, actor, "user.disable", [_object(user)], now, why=why)


def enable(db: Connection, user: User, actor: Actor, why: str | None, now: datetime) -> None:
    """The user may log in again, as before."""
    accounts.set_disabled(db, user.id, None)
    note(db, actor, "user.enable", [_object(user)], now, why=why)


def login_url(public_url: str, token: str) -> str:
    """The address of a one-time link."""
    return f"{public_url}/console/link/{token}"


def checked_email(email: str) -> str:
    """As addresses of users are kept. Raises InputError for what is none."""
    try:
        return normal_email(email.strip()).lower()
    except ValueError as error:
        raise InputError(str(error), "write it as in ann@example.com") from None


def _checked_name(name: str) -> str:
    shown = " ".join(name.split())
    if not shown or len(shown) > LONGEST_NAME or not shown.isprintable():
        raise InputError(f"a name is one line of 1 to {LONGEST_NAME} characters", "say who it is")
    return shown


def _require_another_admin(db: Connection, user: User) -> None:
    others = accounts.other_admins(db, user.id)  # locks them: the user is looked at after that
    now = accounts.get_user(db, user.id)
    if now is not None and now.may_everywhere(Permission.MANAGE_USERS) and not others:
        raise InputError(_LAST, "make somebody else an admin first")


def _object(user: User) -> str:
    return f"user:{user.id}"


def _ids(programs: Mapping[str, int] | None) -> Collection[int] | None:
    return None if programs is None else programs.values()


def _keys(programs: Collection[str] | None) -> list[str] | None:
    return None if programs is None else sorted(programs)


def _keys_of(user: User, known: Mapping[str, int]) -> list[str] | None:
    return None if user.program_ids is None else sorted(key for key, id_ in known.items() if user.sees(id_))
