"""One partner's year with the shipped programme: prints her inbox; with --write, makes docs/a-partners-year.md of it.

`make year` runs it with --write, which also takes the pictures (needs Chromium). Everything in it follows from
campaigns/, email_templates/ and the story in tests/support/partners_story.py; the same files give the same year.
"""

import re
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

from engage.store.database import Database
from engage.store.schema import migrate
from tests.support.browser import Browser, find_chromium
from tests.support.engage import ROOT
from tests.support.partners_story import write_story
from tests.support.partners_year import HER, Happening, Received, Year

DOC = ROOT / "docs" / "a-partners-year.md"
PICTURES = {
    "onboarding/welcome": ("year-welcome.png", "the welcome mail on a phone"),
    "status_updates/won": ("year-won.png", "the mail about her first win"),
    "tiers/near_next_tier": ("year-near-tier.png", "the mail that says how near the next tier is"),
    "nudges/no_login_30_days": ("year-missed.png", "the mail after a month without her"),
    "tiers/tier_reached": ("year-tier.png", "the mail about the tier that she reached"),
}
"""Of the first mail of each: the file in docs/images, and what the picture shows."""
_PHONE = 375
_WORDS = 45  # of each mail that the page quotes
_INTRO = """\
# A partner's year

Nora Feldman advises small companies in Boston. This is every email that she gets in a year of the programme that engage
ships: the campaigns, the emails and the limits are those in `campaigns/` and `email_templates/`, the clock was turned
from one thing to the next, and ten other partners lived beside her. What happened to her stands in italics; each
mail has its time in Boston, its subject, its first words and its button.

A test holds this year, hers and that of the others, to some rules: no two mails that contradict each other, no more
than the caps of `program.yaml` in any stretch of time, none by night or on a holiday but about her own referrals and
rewards, and every number in every mail recomputed from what had happened by then. `make year` makes this page anew.
"""


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        year = live(Path(folder))
        try:
            if "--write" not in arguments:
                print(inbox(year))
                return 0
            DOC.write_text(document(year), encoding="utf-8")
            print(DOC.relative_to(ROOT))
            return take_pictures(year, Path(folder))
        finally:
            year.services.close()


def live(folder: Path) -> Year:
    """The whole year, in a database of its own in the folder."""
    url = f"sqlite:///{folder / 'engage.db'}"
    database = Database(url)
    migrate(database)
    database.close()
    year = Year(url, folder)
    write_story(year)
    year.lives()
    return year


def inbox(year: Year) -> str:
    """What she got, whole, oldest first."""
    return "\n\n".join(
        f"=== {mail.local:%a %d %b %Y, %H:%M}  {mail.message.sender.name}: {mail.message.subject}\n\n"
        + mail.message.text
        for mail in year.received(HER)
    )


def document(year: Year) -> str:
    """The page: what happened and what came, month by month."""
    mails = year.received(HER)
    entries: list[tuple[datetime, Happening | Received]] = [(one.at, one) for one in (*year.happenings, *mails)]
    parts, month, pictured = [_INTRO, _summary(mails)], "", set()
    for _, entry in sorted(entries, key=lambda pair: pair[0]):
        local = entry.local
        if f"{local:%B %Y}" != month:
            month = f"{local:%B %Y}"
            parts.append(f"## {month}\n")
        if isinstance(entry, Happening):
            parts.append(f"*{local.day} {local:%B}. {entry.text}*\n")
            continue
        parts.append(_entry(entry))
        if entry.template in PICTURES and entry.template not in pictured:
            pictured.add(entry.template)
            name, shows = PICTURES[entry.template]
            parts.append(f"![{shows[0].upper()}{shows[1:]}](images/{name})\n")
    return "\n".join(parts)


def _summary(mails: list[Received]) -> str:
    by_family = Counter(mail.template.partition("/")[0].replace("_", " ") for mail in mails)
    rows = "\n".join(f"| {family} | {many} |" for family, many in by_family.most_common())
    return f"{len(mails)} mails in a year:\n\n| about | mails |\n|---|---|\n{rows}\n"


def _entry(mail: Received) -> str:
    text, button = shortened(mail.message.text)
    sender = mail.message.sender.name
    head = f"**{mail.local.day} {mail.local:%B, %H:%M} · {_plain(mail.message.subject)}**"
    quoted = f"> {_plain(text)}" + (f" **[{button}]**" if button else "")
    return f"{head}  \nfrom {sender} · `{mail.template}`\n\n{quoted}\n"


def shortened(text: str) -> tuple[str, str]:
    """The first words of a mail's own text, without its heading and greeting; and what its button says."""
    body = text.partition("\n-----")[0]
    lines = [line.strip() for line in body.splitlines()]
    (button, *_) = [*re.findall(r"(?m)^([^:\n]{3,60}): (?:https?|mailto):\S+$", body), ""]
    start = next((n for n, line in enumerate(lines) if line.startswith("Hello ")), 0) + 1
    drawn = re.compile(r"(https?|mailto):|^\[.\] ")  # buttons, and the rungs of a ladder
    said = [line.lstrip("> ") for line in lines[start:] if line and not drawn.search(line)]
    words = " ".join(said).split()
    return " ".join(words[:_WORDS]) + (" …" if len(words) > _WORDS else ""), button


def _plain(text: str) -> str:
    """The text with nothing that Markdown would take for its own."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def take_pictures(year: Year, folder: Path) -> int:
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium on the PATH; on Debian: apt-get install chromium", file=sys.stderr)
        return 3
    mails = year.received(HER)
    with Browser(chromium) as browser:
        for template, (name, _) in PICTURES.items():
            mail = next(one for one in mails if one.template == template)
            page = folder / "mail.html"
            page.write_text(mail.message.html, encoding="utf-8")
            browser.screenshot(page, ROOT / "docs" / "images" / name, _PHONE)
            print(f"docs/images/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
