"""Writes the gallery: one page that shows every email in every language with every sample. `make gallery` runs it.

Whoever looks picks a family, an email, a language, a sample, a width, light or dark, and sees subject, HTML and text as
they would go out. `--pictures` takes screenshots of each besides, at both widths, light and dark, in a headless
Chromium.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from engage.content import RenderError
from engage.domain.errors import InputError
from engage.pipeline.sampling import Showcase
from tests.support.browser import Browser, find_chromium

ROOT = Path(__file__).parents[1]
OUT = ROOT / "var" / "gallery"
PAGE = Path(__file__).with_name("gallery.html")
WIDTHS = (375, 640)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make gallery", description="Writes var/gallery/index.html.")
    parser.add_argument("--pictures", action="store_true", help="take a screenshot of each email too")
    parser.add_argument("--campaigns", type=Path, default=ROOT / "campaigns", help="the folder of the campaigns")
    parser.add_argument("--emails", type=Path, default=ROOT / "email_templates", help="the folder of the emails")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write")
    chosen = parser.parse_args()
    try:
        showcase = Showcase.load(chosen.campaigns, chosen.emails)
    except InputError as error:
        print(f"make gallery: {error}", file=sys.stderr)
        return 1
    shown = write(showcase, chosen.out)
    print(f"{chosen.out / 'index.html'}: {len({one['email'] for one in shown})} emails, {len(shown)} pages")
    return take_pictures(shown, chosen.out) if chosen.pictures else 0


def write(showcase: Showcase, out: Path) -> list[dict[str, str]]:
    """The page, which holds every email in every language with every sample; returns them."""
    shown = []
    for template in showcase.emails:
        use = showcase.use(template.name)
        one = {
            "email": template.name,
            "locale": template.locale or use.program.locale,
            "campaign": use.campaign.name,
            "why": use.campaign.why,
            "to": use.audience.value,
        }
        for sample in showcase.samples:
            try:
                mail = showcase.message(template.name, sample, template.locale)
                said = {"subject": mail.subject, "from": mail.sender.name, "html": mail.html, "text": mail.text}
            except RenderError as error:
                said = {"subject": "This cannot be shown", "from": "", "html": "", "text": str(error)}
            shown.append({**one, "sample": sample, **said})
    samples = {name: sample.about for name, sample in showcase.samples.items()}
    data = json.dumps({"samples": samples, "emails": shown}, ensure_ascii=False).replace("</", "<\\/")
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(PAGE.read_text(encoding="utf-8").replace("/*DATA*/", data), encoding="utf-8")
    return shown


def take_pictures(shown: list[dict[str, str]], out: Path) -> int:
    """A picture of each at both widths, light and dark, below `out`/pictures."""
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium on the PATH; on Debian: apt-get install chromium", file=sys.stderr)
        return 3
    with Browser(chromium) as browser, TemporaryDirectory() as folder:
        page = Path(folder) / "email.html"
        for one in shown:
            page.write_text(one["html"], encoding="utf-8")
            pictures = out / "pictures" / one["email"]
            pictures.mkdir(parents=True, exist_ok=True)
            for width in WIDTHS:
                for look in ("light", "dark"):
                    picture = pictures / f"{one['locale']}-{one['sample']}-{width}-{look}.png"
                    browser.screenshot(page, picture, width, dark=look == "dark")
    print(f"{out / 'pictures'}: {len(shown) * len(WIDTHS) * 2} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
