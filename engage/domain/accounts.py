"""Who may do what in the consoles: roles, what each allows, and in which programs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    ADMIN = "admin"
    MARKETING = "marketing"
    OPS = "ops"
    SALES = "sales"
    READ_ONLY = "read-only"


class Permission(StrEnum):
    """What a page or a button asks for. Whoever lacks it does not see the one, and is refused by the other."""

    SEE_OPERATIONS = "see-operations"  # queues, workers, deliveries, sources, what is held
    OPERATE = "operate"  # retry, resend, settle, drop, release; pause and resume
    SEE_CAMPAIGNS = "see-campaigns"  # campaigns, plans, previews, calendar, stories, editions
    PAUSE_CAMPAIGNS = "pause-campaigns"
    SEE_PARTNERS = "see-partners"  # a partner's page, with all that was sent and decided
    FORGET_PARTNERS = "forget-partners"  # export and erase what is held of one
    SEE_COACHING = "see-coaching"
    COACH = "coach"  # claim, snooze and resolve alerts
    SEE_AUDIT = "see-audit"
    MANAGE_USERS = "manage-users"


_SEE = frozenset({Permission.SEE_OPERATIONS, Permission.SEE_CAMPAIGNS, Permission.SEE_PARTNERS})

ALLOWED: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MARKETING: _SEE | {Permission.PAUSE_CAMPAIGNS, Permission.SEE_COACHING, Permission.COACH},  # of their desk
    Role.OPS: _SEE | {Permission.OPERATE, Permission.PAUSE_CAMPAIGNS, Permission.FORGET_PARTNERS, Permission.SEE_AUDIT},
    Role.SALES: frozenset({Permission.SEE_PARTNERS, Permission.SEE_COACHING, Permission.COACH}),
    Role.READ_ONLY: _SEE | {Permission.SEE_COACHING},
}
"""What each role may do; what is not here is refused."""


class LinkPurpose(StrEnum):
    """What a one-time link is for."""

    LOGIN = "login"  # lets in once: the first admin of a demo
    INVITE = "invite"  # a new user chooses a first password
    RESET = "reset"  # a user who forgot theirs chooses another


@dataclass(frozen=True, slots=True)
class User:
    """A user as pages know them. `program_ids` None: every program, also those that come later."""

    id: int
    email: str
    name: str
    role: Role
    program_ids: frozenset[int] | None
    has_password: bool
    has_second_factor: bool
    disabled: bool = False

    def may(self, permission: Permission, program_id: int | None = None) -> bool:
        """Whether their role allows it and, if a program is named, whether they are let into it.

        What concerns the installation as a whole (sending, workers, users) is named with no program: changing that
        takes somebody who is let into every program (`may_everywhere`).
        """
        allowed = not self.disabled and permission in ALLOWED[self.role]
        return allowed and (program_id is None or self.sees(program_id))

    def may_everywhere(self, permission: Permission) -> bool:
        """Whether they may do it to the installation as a whole."""
        return self.program_ids is None and self.may(permission)

    def sees(self, program_id: int) -> bool:
        """Whether they are let into the program."""
        return self.program_ids is None or program_id in self.program_ids


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, for the audit log. `user_id` None: somebody at the command line. `origin`: where from."""

    name: str
    user_id: int | None = None
    origin: str | None = None


COMMAND_LINE = Actor("command line")
