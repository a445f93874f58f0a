"""What people write into the consoles' forms and addresses, made fit to be kept and looked for."""

from engage.domain.errors import InputError
from engage.web.console.doors import Visit

LONGEST_WHY = 300
LONGEST = 200


def in_one_line(text: str, longest: int = LONGEST) -> str:
    """One line without control characters, cut off where it is too long."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:longest]


def why_of(visit: Visit) -> str:
    """Why somebody does it. Raises InputError when they do not say."""
    if not (why := in_one_line(visit.form.get("why", ""), LONGEST_WHY)):
        raise InputError("Say why", "it is kept in the audit log, for whoever asks later")
    return why


def asked_for(visit: Visit, name: str) -> str:
    """A value of the page's address, or of the form that was sent, which has the same names."""
    return in_one_line(visit.form.get(name, "") or visit.request.query_params.get(name, ""))
