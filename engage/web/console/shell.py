"""The frame of each console page: where one is, where one may go, what was just done, and the policy of its scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from engage.bootstrap import Services
from engage.content.words import PLAIN
from engage.domain.accounts import Permission, User
from engage.reporting.words import span
from engage.web.console.doors import HOME, Visit
from engage.web.rendering import page, root_of

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Scripts of this host's own only, none inline and none made of text; `data:` for the QR code of a second factor."""

_SAID = "console-said"
_LONGEST_SAID = 400


@dataclass(frozen=True, slots=True)
class Tab:
    """A part of the consoles, seen by who has the permission; None: by everybody."""

    path: str
    label: str
    permission: Permission | None
    everywhere: bool = False

    def seen_by(self, user: User) -> bool:
        may = user.may_everywhere if self.everywhere else user.may
        return self.permission is None or may(self.permission)


TABS = (
    Tab(HOME, "Overview", None),
    Tab(f"{HOME}/deliveries", "Deliveries", Permission.SEE_OPERATIONS),
    Tab(f"{HOME}/held", "Held", Permission.SEE_OPERATIONS),
    Tab(f"{HOME}/machinery", "Machinery", Permission.SEE_OPERATIONS),
    Tab(f"{HOME}/campaigns", "Campaigns", Permission.SEE_CAMPAIGNS),
    Tab(f"{HOME}/calendar", "Calendar", Permission.SEE_CAMPAIGNS),
    Tab(f"{HOME}/stories", "Stories", Permission.SEE_CAMPAIGNS),
    Tab(f"{HOME}/partners", "Partners", Permission.SEE_PARTNERS),
    Tab(f"{HOME}/coaching", "Coaching", Permission.SEE_COACHING),
    Tab(f"{HOME}/users", "Users", Permission.MANAGE_USERS, everywhere=True),
    Tab(f"{HOME}/audit", "Audit", Permission.SEE_AUDIT),
)


def show(visit: Visit, name: str, status: int = 200, **values: object) -> Response:
    """The page console/`name` in the frame.

    Its template extends console/frame.html and knows `values` and: `visit`, `user`, `csrf` (for each form:
    `{{ field_csrf() }}`), `P` (permissions, for `visit.may(P.OPERATE)`), `tabs`, `here` (the path of the tab that this
    is), `said` (what was just done), `when(at)` and `ago(at)`, `static`, `root`.
    """
    path = visit.request.url.path
    tabs = [tab for tab in TABS if tab.seen_by(visit.user)]
    below = (tab.path for tab in tabs if tab.path != HOME and path.startswith(tab.path + "/"))
    here = path if any(tab.path == path for tab in tabs) else max(below, key=len, default="")
    known: dict[str, object] = {
        "visit": visit,
        "user": visit.user,
        "csrf": visit.csrf,
        "P": Permission,
        "tabs": tabs,
        "here": here,
        "said": _read_said(visit),
    }
    return frame(visit.request, name, status, visit.now, **(known | values))


def frame(request: Request, name: str, status: int, now: datetime, **values: object) -> Response:
    """A page of the consoles for whoever: the few that strangers see have no tabs."""
    known: dict[str, object] = {"user": None, "tabs": (), "here": "", "said": "", "csrf": "", "now": now}
    known |= {"when": when, "ago": lambda at: ago(at, now)}
    answer = page(request, f"console/{name}", status, None, PLAIN, **(known | values))
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    # With "no-referrer" a browser would not name the origin of a form either, and none of ours would be believed.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def said(visit: Visit, path: str, text: str) -> Response:
    """Leads on to the page at `path`, which says `text` once on top: the answer to each form."""
    token = visit.services.signer.token(_SAID, [visit.user.id, text[:_LONGEST_SAID]])
    mark = "&" if "?" in path else "?"
    return RedirectResponse(f"{root_of(visit.request)}{path}{mark}said={token}", 303)


def _read_said(visit: Visit) -> str:
    payload = visit.services.signer.read(_SAID, visit.request.query_params.get("said", ""))
    return str(payload[1]) if payload is not None and payload[0] == visit.user.id else ""


def refused(request: Request, text: str) -> Response:
    """The page that says no."""
    services: Services = request.app.state.services
    status = HTTPStatus.FORBIDDEN
    return frame(request, "no.html", status, services.clock(), heading="That is not open to you", text=text)


def query(values: Mapping[str, object]) -> dict[str, str]:
    """What of a page's filters stands in its address: those that are set."""
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def when(at: datetime | None) -> str:
    """An instant as tables show it, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at is not None else ""


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, or in how long: `12 s ago`, `in 3 h`."""
    if at is None:
        return "never"
    distance = now - at
    said = span(abs(distance))
    return f"{said} ago" if distance >= timedelta(0) else f"in {said}"
