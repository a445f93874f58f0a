"""The filters of templates: what formats a value for its recipient, and a few that shape texts and lists.

Each checks what it is given, because templates are written by people who do not read tracebacks, and pays for texts
that it works through.
"""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from jinja2 import pass_context
from jinja2.runtime import Undefined

from engage.content import colors, qr
from engage.content.direction import closed
from engage.content.limits import EmailContext, RenderError, fit, refuse_undefined
from engage.content.wording import DATE_STYLES

Filter = Callable[..., Any]


@pass_context
def _date(context: EmailContext, value: Any, style: str = "long") -> str:
    if not isinstance(value, date):
        raise _wrong("date", value, "a date")
    if style not in DATE_STYLES:
        raise RenderError(f"'{style}' is no style of a date", f"known are {', '.join(DATE_STYLES)}")
    return context.wording.date(value, style)


@pass_context
def _money(context: EmailContext, value: Any) -> str:
    return context.wording.money(_whole("money", value))


@pass_context
def _number(context: EmailContext, value: Any, digits: int = 0) -> str:
    return context.wording.number(_numeric("number", value), _digits(digits))


@pass_context
def _percent(context: EmailContext, value: Any) -> str:
    return context.wording.percent(_numeric("percent", value))


@pass_context
def _plural(context: EmailContext, value: Any, one: str, other: str, few: str = "", many: str = "") -> str:
    return context.wording.plural(_whole("plural", value), *map(context.words, (one, other, few, many)))


@pass_context
def _metric(context: EmailContext, value: Any, metric: str) -> str:
    if metric not in ("referrals", "wins", "revenue"):
        hint = "write {{ tier.to_next | metric(tier.metric) }}"
        raise RenderError("the filter 'metric' needs the tier's metric", hint)
    return context.wording.metric(_whole("metric", value), metric, context.words)


@pass_context
def _t(context: EmailContext, text: Any, /, **values: Any) -> str:
    """The text in the recipient's language and the program's words, with values in the place of their names."""
    if not isinstance(text, str):
        raise _wrong("t", text, "a text")
    for name, value in values.items():
        refuse_undefined(value)
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise RenderError(f"'{name}' of the filter 't' must be a text", "use a filter: date, money, number …")
    marked = {name: closed(value) if isinstance(value, str) else value for name, value in values.items()}
    return fit(context.words(text, **marked))


def _default(value: Any, fallback: Any = "") -> Any:
    """The fallback for what is undefined, None or an empty text; a zero stays."""
    return fallback if isinstance(value, Undefined) or value is None or value == "" else value


def _round(value: Any, digits: int = 0) -> Any:
    number = _numeric("round", value)
    return round(number, _digits(digits)) if digits else round(number)


def _of_text(name: str, shape: Callable[..., str]) -> Filter:
    @pass_context
    def shaped(context: EmailContext, value: Any, *args: Any) -> str:
        refuse_undefined(value)
        if not isinstance(value, str):
            raise _wrong(name, value, "a text")
        context.spend(len(value) // 16)
        return fit(shape(value, *args))

    return shaped


def _truncate(text: str, length: int = 60, end: str = "…") -> str:
    """The text cut at the last word that fits into `length` characters, with `end` to show that it was."""
    if len(text) <= length:
        return text
    cut = text[: max(length - len(end), 1)]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,;:.") + end


def _capitalize(text: str) -> str:
    """The text with a capital at its beginning; the rest stays, because names are in it."""
    return text[:1].upper() + text[1:]


def _title(text: str) -> str:
    return " ".join(map(_capitalize, text.split(" ")))


@pass_context
def _join(context: EmailContext, items: Any, separator: str = ", ") -> str:
    parts = [str(part) for part in _items("join", items)]
    context.spend(len(parts) + sum(map(len, parts)) // 16)
    return fit(separator.join(parts))


def _length(items: Any) -> int:
    return len(items) if isinstance(items, str) else len(_items("length", items))


def _first(items: Any) -> Any:
    return _items("first", items)[0] if items else None


def _last(items: Any) -> Any:
    return _items("last", items)[-1] if items else None


@pass_context
def _qr(context: EmailContext, value: Any) -> Any:
    """Rows of runs, as `{"dark": True, "cells": 7}`."""
    refuse_undefined(value)
    if not isinstance(value, str):
        raise _wrong("qr", value, "a link")
    context.spend(1_000)
    return qr.rows(value)


def _url(value: Any) -> str:
    """A whole address in a link. Data decides it: nothing but the web, mail and the telephone is let through."""
    refuse_undefined(value)
    address = quote(str(value).strip(), safe=":/?#[]@!$&'()*+,;=%~-._")
    if address.lower().startswith(("https://", "http://", "mailto:", "tel:")):
        return address
    raise RenderError("a link's address must begin with https://, http://, mailto: or tel:")


def _url_part(value: Any) -> str:
    """A part of an address, behind something that the author wrote."""
    refuse_undefined(value)
    return quote(str(value), safe="@-._~")


def _phone(value: Any) -> str:
    """A telephone number as a link wants it: digits and what may stand before them."""
    refuse_undefined(value)
    return "".join(character for character in str(value) if character in "+0123456789")


def _items(name: str, value: Any) -> Sequence[Any]:
    refuse_undefined(value)
    if isinstance(value, list | tuple | range):
        return value
    raise _wrong(name, value, "a list")


def _whole(name: str, value: Any) -> int:
    refuse_undefined(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(name, value, "a whole number")


def _numeric(name: str, value: Any) -> float | Decimal:
    refuse_undefined(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return value
    raise _wrong(name, value, "a number")


def _digits(digits: Any) -> int:
    if isinstance(digits, int) and 0 <= digits <= 6:
        return digits
    raise RenderError("the number of decimals must be 0 to 6")


def _wrong(name: str, value: Any, wanted: str) -> RenderError:
    refuse_undefined(value)
    if value is None:
        hint = "wrap it in {% if … %}, or give it a | default('…') first"
        return RenderError(f"the filter '{name}' was given an empty value", hint)
    return RenderError(f"the filter '{name}' needs {wanted}, not a value of type {type(value).__name__}")


FORMATS: dict[str, Filter] = {
    "date": _date,
    "money": _money,
    "number": _number,
    "percent": _percent,
    "plural": _plural,
    "metric": _metric,
}
"""Filters that turn a value into words; each needs a value that is not empty."""

FILTERS: dict[str, Filter] = {
    **FORMATS,
    "t": _t,
    "default": _default,
    "upper": _of_text("upper", str.upper),
    "lower": _of_text("lower", str.lower),
    "title": _of_text("title", _title),
    "capitalize": _of_text("capitalize", _capitalize),
    "truncate": _of_text("truncate", _truncate),
    "join": _join,
    "length": _length,
    "first": _first,
    "last": _last,
    "round": _round,
}
"""Every filter that an email may use."""

BRAND_FILTERS: dict[str, Filter] = {
    "text_on": colors.text_on,
    "on_light": colors.on_light,
    "on_dark": colors.on_dark,
    "qr": _qr,
}
"""Filters of layouts and blocks: a brand's colour as it can be read on a background; a link as a QR code."""

INNER_FILTERS: dict[str, Filter] = {"_url": _url, "_url_part": _url_part, "_phone": _phone}
"""Filters that the engine puts in itself."""
