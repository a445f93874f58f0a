"""The preference centre as a partner uses it: opens the link of a mail, ticks, presses a button."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi.testclient import TestClient

from engage.domain.messages import Message
from engage.pipeline.preferences import PreferencesLink
from engage.store import tables
from engage.web.app import build_app
from tests.support.engage import Engage


def link_in(mail: Message) -> str:
    """The path of the link to the email settings, as the text of the mail has it."""
    (url,) = re.findall(r"^Email settings: (\S+)$", mail.text, re.MULTILINE)
    return urlsplit(url).path


def link_of(engage: Engage, partner: str) -> str:
    """The path that a mail to the partner would have now."""
    p = tables.partners.c
    with engage.services.database.read() as db:
        row = db.execute(sa.select(p.program_id, p.id, p.address_id).where(p.external_id == partner)).one()
    return f"/preferences/{PreferencesLink(*row).token(engage.services.signer)}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page says and what is chosen on it."""

    status: int
    text: str

    @property
    def asked(self) -> set[str]:
        return set(re.findall(r'name="asked" value="([^"]+)"', self.text))

    @property
    def on(self) -> set[str]:
        return set(re.findall(r'name="topic" value="([^"]+)" checked', self.text))

    @property
    def chosen(self) -> dict[str, str]:
        """The radio buttons that are chosen, by name."""
        return dict(re.findall(r'type="radio" name="([^"]+)" value="([^"]+)" checked', self.text))

    @property
    def offered(self) -> set[tuple[str, str]]:
        """(name, value) of each radio button."""
        return set(re.findall(r'type="radio" name="([^"]+)" value="([^"]+)"', self.text))

    @property
    def buttons(self) -> set[str]:
        """What can be pressed, by what it does."""
        return set(re.findall(r'name="do" value="([^"]+)"', self.text))

    @property
    def note(self) -> str:
        """What is said of what was just done."""
        found = re.search(r'<p class="note" role="status">(.*?)</p>', self.text, re.DOTALL)
        return unescape(found[1]) if found else ""


class Centre:
    """One partner at their settings, through the link that a mail to them has."""

    def __init__(self, engage: Engage, partner: str = "ann", link: str = "") -> None:
        self.link = link or link_of(engage, partner)
        self.web = TestClient(build_app(engage.services), follow_redirects=False)

    def look(self) -> Shown:
        answer = self.web.get(self.link)
        return Shown(answer.status_code, answer.text)

    def press(self, do: str, *, agent: str = "Mozilla/5.0", **fields: str | Collection[str]) -> Shown:
        answer = self.web.post(self.link, data={"do": do, **fields}, headers={"user-agent": agent})
        return Shown(answer.status_code, answer.text)

    def save(self, *, without: Collection[str] = (), with_: Collection[str] = (), **fields: str) -> Shown:
        """Takes the page as it is but for these topics and radio buttons."""
        shown = self.look()
        topics = sorted((shown.on | set(with_)) - set(without))
        radios = shown.chosen | fields
        return self.press("save", asked=sorted(shown.asked), topic=topics, **radios)
