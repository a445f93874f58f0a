"""The form for referrals by word of mouth, as somebody with a link uses it in a browser."""

import html
import re
from typing import Self

from fastapi.testclient import TestClient
from httpx import Response

from engage.pipeline.refer_links import PARTNER, refer_url
from engage.store.people import partners_known_as
from engage.store.subjects import staff_known_as
from engage.web.app import build_app
from tests.support.engage import Engage


class Form:
    """Looks at pages, fills in and presses buttons. `who`: PARTNER or STAFF, known by `name`."""

    def __init__(self, engage: Engage, who: str, name: str) -> None:
        known_as = partners_known_as if who == PARTNER else staff_known_as
        services = engage.services
        program_id = services.library().program_ids[engage.program]
        with services.database.read() as db:
            ((_, id_),) = known_as(db, program_id, name)
        self.path = refer_url(services.signer, "", who, program_id, id_, engage.now)
        self.client = TestClient(build_app(services))

    @classmethod
    def at(cls, engage: Engage, path: str) -> Self:
        """The form behind a link of a mail."""
        form = cls.__new__(cls)
        form.path, form.client = path, TestClient(build_app(engage.services))
        return form

    def opens(self) -> Response:
        return self.client.get(self.path)

    def fills(self, **fields: str) -> dict[str, str]:
        """What a browser would send of the form as it is shown now, filled in."""
        return hidden(self.opens().text) | fields

    def sends(self, fields: dict[str, str]) -> Response:
        return self.client.post(self.path, data=fields)

    def tells(self, **fields: str) -> Response:
        return self.sends(self.fills(**fields))


def hidden(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: html.unescape(value) for name, value in found}


def buttons(page: str) -> dict[str, tuple[str, str]]:
    """name and value of each button that says which, by its label."""
    found = re.findall(r'<button[^>]*name="([^"]+)" value="([^"]*)"[^>]*>([^<]*)</button>', page)
    return {html.unescape(label): (name, html.unescape(value)) for name, value, label in found}


def presses(form: Form, page: Response, label: str) -> Response:
    name, value = buttons(page.text)[label]
    return form.sends(hidden(page.text) | {name: value})
