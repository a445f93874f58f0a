"""Whatever strangers and imports write into any field, nothing of it becomes markup or runs, in a real browser."""

import json
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.accounts import Role
from engage.store.tables import metadata
from engage.web.app import build_app
from tests.support.engage import Engage
from tests.support.full_life import a_full_life, pages_of
from tests.support.links import tokens_of
from tests.support.pages import LoggedIn, Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

EVIL = (
    '{mark}"><img data-x src=x onerror="window.ran=1"><script data-x>window.ran=1</script>',
    '{mark}"><svg data-x onload=window.ran=1>',
    "{mark}' data-x onfocus='window.ran=1' autofocus x='",
    '{mark}</textarea></title></select></script><iframe data-x srcdoc="<script>parent.ran=1</script>"></iframe>',
    "{mark}<a data-x href=javascript:window.ran=1>javascript:window.ran=1</a><b data-x hx-on:load=window.ran=1>",
    "javascript:window.ran=1//{mark}",
    "{mark}{{{{ 7*7 }}}}{{% raw %}}<math data-x><mtext></mtext></math>",
)

OURS = {
    # What nobody writes but we: keys of rows, words of our own that code reads back, hashes, encrypted or signed texts.
    "users": {"role", "password_hash", "totp_secret", "subject", "email"},
    "sessions": {"token_hash"},
    "addresses": {"email"},
    "good_files": {"source"},
    "campaign_versions": {"source", "path"},
    "deliveries": {"template"},
    "coaching_alerts": {"template"},
    "schedule_marks": {"schedule"},
}
IN_KEYS = {("partners", "region"), ("partner_attributes", "text"), ("referrals", "method"), ("referrals", "product")}
"""Columns compared by code point that hold what an import says."""

IN_JSON = (
    ("partners", "attributes"),
    ("companies", "attributes"),
    ("decisions", "values"),
    ("feedback", "raw"),
    ("coaching_alerts", "evidence"),
    ("source_rejects", "row"),
    ("audit_entries", "before"),
    ("audit_entries", "after"),
)

ASKED_WITH = ("q", "on", "before", "state", "campaign", "error", "next", "partner", "over", "program", "owner")


def evil(number: int, mark: str) -> str:
    return EVIL[number % len(EVIL)].format(mark=mark)


def planted(db: Connection) -> list[str]:
    """Writes evil into every text that is not ours, and into the texts inside of JSON; returns where."""
    places = []
    for table in metadata.sorted_tables:
        for column in table.columns:
            where = f"{table.name}.{column.name}"
            free = isinstance(column.type, sa.Text) and column.type.collation is None and not _is_key(column)
            ours = column.name in OURS.get(table.name, ()) or column.foreign_keys or column.unique
            if (free or (table.name, column.name) in IN_KEYS) and not ours:
                db.execute(sa.update(table).where(column.is_not(None)).values({column: evil(len(places), where)}))
                places.append(where)
    for name, column_name in IN_JSON:
        table = metadata.tables[name]
        column, (key,) = table.c[column_name], table.primary_key
        for id_, said in db.execute(sa.select(key, column).where(column.is_not(None))).all():
            value = _with_evil(said, f"{name}.{column_name}")
            db.execute(sa.update(table).where(key == id_).values({column: value}))
        places.append(f"{name}.{column_name}")
    return places


def _with_evil(said: object, mark: str) -> object:
    if isinstance(said, dict):
        return {name: _with_evil(inner, mark) for name, inner in said.items()}
    if isinstance(said, list):
        return [_with_evil(inner, mark) for inner in said]
    return evil(len(str(said)), mark) if isinstance(said, str) else said


def _is_key(column: sa.Column[object]) -> bool:
    return "postgresql" in getattr(column.type, "_variant_mapping", {})


@pytest.fixture
def admin(logged_in: LoggedIn) -> Visitor:
    return logged_in(Role.ADMIN)


def test_nothing_that_is_stored_becomes_markup_or_runs(engage: Engage, admin: Visitor) -> None:
    a_full_life(engage)
    links = tokens_of(engage, "ann")
    for at, form in (("/preferences/", {"pause": "30"}), ("/unsubscribe/", {})):
        admin.page.request.post(admin.page.url.replace("/healthz", at + links[at]), form=form)  # kept with where from
    with engage.services.database.write() as db:
        places = planted(db)
    assert len(places) > 60
    page, shown, ran = admin.page, set(), []
    page.on("dialog", lambda dialog: (ran.append(page.url), dialog.dismiss()))
    for path in pages_of(engage, build_app(engage.services), links):
        for address in (path, f"{path.partition('?')[0]}?{urlencode({name: evil(0, name) for name in ASKED_WITH})}"):
            admin.opens(address)
            found = page.evaluate(
                """() => [document.querySelectorAll('[data-x], [onerror], [onfocus], [onload]').length, window.ran || 0,
                [...document.querySelectorAll('a[href], form[action], iframe[src], img[src]')]
                  .map(one => one.href || one.action || one.src).filter(url => !/^(https?|data|mailto|tel):/.test(url)),
                document.documentElement.innerText]"""
            )
            assert found[:3] == [0, 0, []], f"{address}: {json.dumps(found[:3])}"
            shown |= {place for place in places if place in found[3]}
    assert ran == []
    assert len(shown) >= 18, f"evil has to be seen to be harmless, and only {sorted(shown)} were"
