"""The preference centre: `/preferences/{token}`. A GET shows how it stands, each button posts, the page comes again.

No login, no cookie, no redirect, no script. A page that is sent again says the same again and changes nothing more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from babel import Locale, UnknownLocaleError
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.engine import Connection
from starlette.datastructures import FormData

from engage.bootstrap import Services
from engage.content.wording import language_of, wording
from engage.content.words import Words
from engage.domain.errors import InputError
from engage.domain.programs import Rhythm
from engage.pipeline.library import Library
from engage.pipeline.preferences import (
    BREAKS,
    PATH,
    Preferences,
    PreferencesLink,
    Wish,
    addressee,
    end_pause,
    pause,
    preferences_of,
    read_preferences_token,
    save,
)
from engage.pipeline.stopping_all import silence_of, start_again, stop_all
from engage.web.origin import origin_of
from engage.web.rendering import page, page_of_no_link

router = APIRouter()

_MOST_FIELDS = 200
_MOST_DOTS = 3  # in the place of all but the first letter of an address


async def _form(request: Request) -> FormData:
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
        return form


Form = Annotated[FormData, Depends(_form)]


@router.api_route(PATH + "{token}", methods=["GET", "HEAD"], include_in_schema=False)
def show(request: Request, token: str) -> Response:
    """How it stands. A GET must not change anything: mail scanners follow links."""
    link = read_preferences_token(_services(request).signer, token)
    return _page(request, token, link)


@router.post(PATH + "{token}", include_in_schema=False)
def change(request: Request, token: str, form: Form) -> Response:
    """Does what the button says that was pressed, and shows how it stands then."""
    services = _services(request)
    link = read_preferences_token(services.signer, token)
    done = _DONE.get(str(form.get("do", "")))
    if link is None:
        return _page(request, token, None)
    if done is None:  # whatever this was, it was no button of ours
        return _page(request, token, link, refused=True)
    library, now, source = services.library(), services.clock(), origin_of(request)
    try:
        with services.database.write() as db:
            done(_Pressed(db, library, link, form, now, source))
    except (InputError, ValueError):
        return _page(request, token, link, refused=True)
    return _page(request, token, link, done=str(form["do"]))


@dataclass(frozen=True, slots=True)
class _Pressed:
    """A button of the page, with all that lies around it."""

    db: Connection
    library: Library
    link: PreferencesLink
    form: FormData
    now: datetime
    source: str


def _save(pressed: _Pressed) -> None:
    """What the form asked for and nothing else: a topic that came into the program meanwhile was not left out."""
    form = pressed.form
    chosen = {str(key) for key in form.getlist("topic")}
    topics = {str(key): str(key) in chosen for key in form.getlist("asked")}
    timed = {name.removeprefix("often."): str(value) for name, value in form.items() if name.startswith("often.")}
    locale = form.get("locale")
    wish = Wish(topics, {key: Rhythm(value) for key, value in timed.items()}, str(locale) if locale else None)
    save(pressed.db, pressed.library, pressed.link, wish, pressed.now, pressed.source)


def _pause(pressed: _Pressed) -> None:
    days = int(str(pressed.form.get("days", "")))
    pause(pressed.db, pressed.library, pressed.link, days, pressed.now, pressed.source)


def _end_pause(pressed: _Pressed) -> None:
    end_pause(pressed.db, pressed.library, pressed.link, pressed.now, pressed.source)


def _stop_all(pressed: _Pressed) -> None:
    stop_all(pressed.db, pressed.library, pressed.link, pressed.now, pressed.source)


def _start_again(pressed: _Pressed) -> None:
    start_again(pressed.db, pressed.library, pressed.link, pressed.now, pressed.source)


_DONE: Mapping[str, Callable[[_Pressed], None]] = {
    "save": _save,
    "pause": _pause,
    "end-pause": _end_pause,
    "stop-all": _stop_all,
    "start-again": _start_again,
}
"""What each button does, by its value."""


def _page(
    request: Request, token: str, link: PreferencesLink | None, done: str = "", *, refused: bool = False
) -> Response:
    """How it stands now. `done` is the button that was pressed; `refused`: what was sent is no choice of this page."""
    services = _services(request)
    library, now = services.library(), services.clock()
    with services.database.read() as db:
        who = addressee(db, library, link.program_id, link.partner_id, link.address_id) if link else None
        if who is None:
            return page_of_no_link(request, "unknown_page.html", token)
        stands, silence = preferences_of(db, who, now), silence_of(db, who)
    words = library.templates.words(who.locale, who.program)
    until = _day(stands, words, who.zone)
    return page(
        request,
        "preferences.html",
        422 if refused else 200,
        who.program,
        words,
        done=done,
        refused=refused,
        stands=stands,
        silence=silence,
        moved=who.moved,
        address=_shortened(who.email),
        until=until,
        breaks=BREAKS,
        languages={one: _own_name(one, stands.locales) for one in stands.locales},
    )


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _day(stands: Preferences, words: Words, zone: str) -> str:
    """The first day on which marketing mail may come again; "" without a pause."""
    return wording(words.locale, zone, "", 0).date(stands.paused_until) if stands.paused_until else ""


def _shortened(email: str) -> str:
    """Enough of an address for whoever has it: others may see over their shoulder."""
    name, _, host = email.rpartition("@")
    return f"{name[:1]}{'•' * min(len(name) - 1, _MOST_DOTS)}@{host}"


def _own_name(locale: str, among: tuple[str, ...]) -> str:
    """What speakers call the language; with the country where others of `among` share it."""
    try:
        known = Locale.parse(locale.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return locale
    alone = [language_of(one) for one in among].count(language_of(locale)) == 1
    name = known.get_language_name(known) if alone else known.get_display_name(known)
    return (name or locale).capitalize()
