"""Uses engage's own pages in a real Chromium as a partner would: on a phone, by keyboard alone, in light and dark.

What axe-core (https://github.com/dequelabs/axe-core) finds is what a machine can find of what keeps people out.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.support.browser import SWITCHES

PHONE = 375
SCHEMES = ("light", "dark")
MAIN_TARGET, ANY_TARGET = 44, 24
"""In CSS pixels: what forms and buttons are to be pressed by, and what WCAG 2.2 asks of any target (2.5.8)."""

_MOST_TABS = 120

_SMALL_TARGETS = """([main, any]) => {
  const small = [];
  for (const one of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
    const shown = one.closest(".choice") || one, box = shown.getBoundingClientRect();
    if (!box.width || one.closest("[aria-hidden=true]")) continue;
    const around = (one.parentElement.innerText || "").trim(), own = (one.innerText || "").trim();
    const inSentence = one.tagName === "A" && getComputedStyle(one).display === "inline" && around !== own;
    const wanted = one.tagName === "A" && !one.matches(".button") ? any : main;
    if (!inSentence && (box.height < wanted || box.width < wanted))
      small.push(`${one.tagName} “${own || one.name}” ${box.width.toFixed()} x ${box.height.toFixed()}`);
  }
  return small;
}"""

# What has the focus: its name, its role or type, and whether one can see that it has it.
_FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const label = one.labels && one.labels.length ? one.labels[0].innerText : one.innerText || one.value || "";
  const seen = [one, one.closest(".choice")].filter(Boolean).some(part => {
    const style = getComputedStyle(part);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  });
  const box = one.getBoundingClientRect();
  return {name: label.trim(), id: one.id, value: one.value || "", kind: one.type || one.tagName.toLowerCase(), seen,
          there: box.bottom > 0 && box.top < innerHeight};
}"""


class Visitor:
    """Somebody with a browser of their own: nothing of another visitor's cookies."""

    def __init__(self, context: BrowserContext, site: str, axe: str, pictures: Path | None) -> None:
        self.page: Page = context.new_page()
        self._site, self._axe, self._pictures = site, axe, pictures
        self.complaints: list[str] = []
        self.status = 0  # with which the page that was opened last was answered
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        # A page that says 404 says so to the console too.
        if message.type == "error" and "Failed to load resource: the server responded" not in message.text:
            self.complaints.append(message.text)

    def opens(self, link: str) -> Self:
        """Follows a link of a mail, whatever host it names."""
        path = link.split("/", 3)[3] if "://" in link else link.lstrip("/")
        answer = self.page.goto(urljoin(f"{self._site}/", path))
        self.status = answer.status if answer is not None else 0
        return self

    @property
    def reads(self) -> str:
        """All that the page says."""
        return self.page.inner_text("body")

    # --- by keyboard --------------------------------------------------------------------------------------------------

    def tabs_to(self, name: str, kind: str = "", value: str = "") -> None:
        """Presses Tab until what is so called has the focus, and sees it all the way."""
        met = []
        for _ in range(_MOST_TABS):
            self.page.keyboard.press("Tab")
            focused: dict[str, Any] | None = self.page.evaluate(_FOCUSED)
            if focused is None:
                continue
            assert focused["seen"], f"nobody sees that {focused} has the focus"
            assert focused["there"], f"{focused} has the focus and is out of sight"
            met.append(focused["name"].split("\n")[0])
            named = name in (focused["id"], focused["name"]) or focused["name"].split("\n")[0].startswith(name)
            if named and kind in ("", focused["kind"]) and value in ("", focused["value"]):
                return
        raise AssertionError(f"Tab never comes to {name!r}, but to {list(dict.fromkeys(met))}")

    def presses(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def submits(self, button: str) -> None:
        """Tabs to the button and presses Enter; waits for the page that comes of it."""
        self.tabs_to(button)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def writes(self, field: str, text: str) -> None:
        """Tabs to the field and types over what is in it."""
        self.tabs_to(field)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    # --- as it is seen ------------------------------------------------------------------------------------------------

    def finds_it_fine(self, name: str, width: int = PHONE) -> None:
        """Nothing is cut off, too small to press, or found by axe, in light and in dark; `kept_pictures` of each."""
        for scheme in SCHEMES:
            self.page.set_viewport_size({"width": width, "height": 800})
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if self._pictures is not None:
                self.picture(self._pictures / f"{name}-{width}-{scheme}.png")
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} pixels wide on {width}"
            small = self.page.evaluate(_SMALL_TARGETS, [MAIN_TARGET, ANY_TARGET])
            assert not small, f"too small to press on {name}: {small}"
            found = self.axe(of_colours=scheme != SCHEMES[0])
            assert not found, f"axe finds on {name}, {scheme}: {found}"
        assert not self.complaints, self.complaints

    def axe(self, *, of_colours: bool = False) -> list[str]:
        """What axe finds wrong: "impact rule: the element". `of_colours`: only what another scheme can change."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self._axe)
        rules = {"runOnly": ["color-contrast", "link-in-text-block"]} if of_colours else {}
        run = "options => axe.run(document, {resultTypes: ['violations'], ...options}).then(all => all.violations)"
        found = self.page.evaluate(run, rules)
        return [f"{one['impact']} {one['id']}: {node['html']}" for one in found for node in one["nodes"]]

    def picture(self, path: Path) -> None:
        self.page.screenshot(path=path, full_page=True)


class Pages:
    """A Chromium that is looking at one site."""

    def __init__(self, browser: Browser, site: str, axe: Path, pictures: Path | None) -> None:
        self._browser, self._site, self._pictures = browser, site, pictures
        self._axe = (axe / "axe.min.js").read_text()
        self._contexts: list[BrowserContext] = []

    def visitor(self, locale: str = "en-US") -> Visitor:
        context = self._browser.new_context(viewport={"width": PHONE, "height": 800}, locale=locale)
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        return Visitor(context, self._site, self._axe, self._pictures)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@contextmanager
def running_chromium(program: Path) -> Iterator[Browser]:
    """One Chromium for several sites. While it runs, nothing else in this thread can run an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        try:
            yield browser
        finally:
            browser.close()


def kept_pictures() -> Path | None:
    """Where pictures go: the folder ENGAGE_TEST_PICTURES, for whoever wants to look at them; else none is taken."""
    if not (named := os.environ.get("ENGAGE_TEST_PICTURES")):
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


LoggedIn = Callable[..., Visitor]
"""What the fixture `logged_in` is: `logged_in(role, programs=None, email="")`."""
