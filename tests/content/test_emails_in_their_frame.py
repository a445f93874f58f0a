"""Emails in the shipped frame: complete in both parts, right with and without what may be missing, readable by anybody.

They are those of the small programme; `tests/gallery` looks at each that is shipped.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engage.content import Rendered
from tests.content.samples import (
    FACTS,
    PROGRAM,
    SUBJECTS,
    Context,
    context,
    links,
    partner,
    program,
    referral,
    reward,
    small_programme,
    staff_context,
    tier,
    top_tier,
)
from tests.support.browser import Browser

EMAILS = small_programme()
BLUNDER = re.compile(r"None\b(?! of)|https%|\bTrue\b|\{\{|\{%|  |\(\)| [,.]|\.\.|^[-:]\s*$", re.MULTILINE)
LONG = "Donaudampfschifffahrtsgesellschaft" * 6
NOTHING = dict.fromkeys(FACTS, 0) | {"days_away": None}

CASES: dict[str, Context] = {
    "usual": {},
    "bare": {
        "partner": partner(first_name="", greeting_name="there", company="", region="", phone="", joined_at=None),
        "referral": referral(
            **dict.fromkeys(("lead_name", "product", "status_next", "salesperson_name"), ""),
            **dict.fromkeys(("amount", "submitted_at", "status_at")),
        ),
        "reward": reward(due_at=None, label="", lead_company=""),
        "tier": None,
        "leaders": [],
        "facts": NOTHING,
        "evidence": [],
        "recent_referrals": [],
    },
    "reward without referral": {"referral": None},
    "top tier": {"tier": top_tier(), "facts": FACTS | {"wins_30d": 1, "open_now": 1}},
    "revenue tiers": {"tier": tier(metric="revenue", value=0, threshold=5_000_000, to_next=5_000_000, share=0.0)},
    "never ending tier": {"tier": tier(days_left=None, period_label="so far", reached=None)},
    "long names": {
        "partner": partner(greeting_name=LONG, name=LONG, company=LONG),
        "referral": referral(lead_company=LONG, lead_name=LONG, salesperson_name=LONG, product=LONG, amount=10**14),
        "tier": tier(next=LONG, next_benefit=LONG),
    },
}
"""What may be different about a partner; each is rendered by every email that can get it."""


def render(name: str, changes: Context) -> Rendered:
    staff = SUBJECTS[name][1] == "staff"
    if "referral" in changes and changes["referral"] is None and not name.startswith("rewards/"):
        changes = {}
    allowed = {"evidence", "recent_referrals"} if staff else set()
    changes = {key: value for key, value in changes.items() if key in {*context(), *allowed}}
    return EMAILS.get(name).render(staff_context(**changes) if staff else context(**changes))


every_email = pytest.mark.parametrize("name", list(SUBJECTS))


def test_each_email_is_looked_at() -> None:
    assert set(EMAILS.names) == set(SUBJECTS)


@every_email
def test_lint_finds_nothing(name: str) -> None:
    assert EMAILS.get(name).lint(*SUBJECTS[name]) == ()


@every_email
@pytest.mark.parametrize("case", list(CASES))
def test_it_reads_well_whatever_is_missing(name: str, case: str) -> None:
    rendered = render(name, CASES[case])
    assert rendered.subject
    assert "\n" not in rendered.subject
    for text in (rendered.subject, rendered.text):
        assert not BLUNDER.search(text), text
    assert "\n\n\n" not in rendered.text
    assert len(rendered.html.encode()) < 100_000


@every_email
def test_both_parts_are_complete(name: str) -> None:
    rendered = render(name, {})
    address = PROGRAM.brand.postal_address
    assert address in rendered.html
    assert address in rendered.text
    staff = SUBJECTS[name][1] == "staff"
    unsubscribe = str(links()["unsubscribe"])
    assert (unsubscribe in rendered.html, unsubscribe in rendered.text) == (not staff, not staff)
    assert len(re.findall(r'<td[^>]*class="button"', rendered.html)) == 1
    for word in ("Dana", "Northwind Partners"):
        assert word in rendered.html
        assert word in rendered.text


@every_email
def test_a_topic_that_cannot_be_refused_has_no_unsubscribe_link(name: str) -> None:
    rendered = render(name, {"links": links(unsubscribe=None)})
    assert "Unsubscribe" not in rendered.html + rendered.text


@every_email
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    remote = re.compile(r"<(?:img|link|script|iframe|object|video|audio)\b|@import|url\(|@font-face", re.IGNORECASE)
    assert not remote.search(render(name, {}).html)


def test_the_logo_is_the_only_picture() -> None:
    html = render("status_updates/won", {"program": program(logo="https://example.com/logo.png")}).html
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', html)
    assert pictures == [("https://example.com/logo.png", "Northwind Partners")]


def test_a_mark_stands_for_a_picture_and_an_ally_beside_the_name() -> None:
    html = render("status_updates/won", {"program": program(mark="N", ally="Contoso & Co", ally_mark="C")}).html
    head = html[: html.index("Harborline Logistics</")]
    words = re.sub(r"<[^>]+>", " ", head[head.index('class="own-mark"') :])
    assert "<img" not in html
    assert re.findall(r"N\b|Northwind Partners|&#215;|C(?= )|Contoso &amp; Co", words)[:5] == [
        "N", "Northwind Partners", "&#215;", "C", "Contoso &amp; Co",
    ]  # fmt: skip


def test_a_status_update_says_which_what_next_and_how_much() -> None:
    rendered = render("status_updates/opportunity", {})
    for part in (rendered.html, rendered.text):
        for fact in ("Harborline Logistics", "September 14", "$48,500", "We show your contact how our product"):
            assert fact in part
    assert "[x] Qualified\n[>] Opportunity, since October 2\n[ ] Demo" in rendered.text
    assert "See your referral: https://partners.example.com/referrals/R-20931" in rendered.text


def test_an_alert_says_whom_to_call_why_and_what_to_say() -> None:
    text = render("alerts/buyer_and_ask", {}).text
    assert "Call Dana: tel:+16175550142" in text
    for part in ("Dana Whitfield", "+1 617 555 0142", "in the last 90 days: 12", "who signs", "Logistics: Qualified"):
        assert part in text


# -- as it is seen -----------------------------------------------------------------------------------------------------

LOOK = """(() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const linear = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = rgb => {
    const [red, green, blue] = rgb.map(part => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = node => {
    for (let n = node; n; n = n.parentElement) {
      const color = numbers(getComputedStyle(n).backgroundColor);
      if (color.length === 3) return color;
    }
    return [255, 255, 255];
  };
  const faint = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), holder = walk.currentNode.parentElement;
    if (!text || !holder.checkVisibility({checkOpacity: true})) continue;
    const both = [numbers(getComputedStyle(holder).color), behind(holder)].map(luminance).sort((a, b) => b - a);
    if ((both[0] + 0.05) / (both[1] + 0.05) < 4.5) faint.push(text);
  }
  const {width, height, right} = document.querySelector("td.button a").getBoundingClientRect();
  return JSON.stringify({faint, wide: [document.documentElement.scrollWidth], button: [width, height, right]});
})()"""
Seen = Callable[[str, int, bool], dict[str, list[Any]]]


@pytest.fixture
def seen(browser: Browser, tmp_path: Path) -> Seen:
    """What a browser measures on a page: texts too faint to read, its width, the button's size."""

    def look(html: str, width: int, dark: bool) -> dict[str, list[Any]]:
        page = tmp_path / "email.html"
        page.write_text(html)
        found: dict[str, list[Any]] = json.loads(browser.evaluate(page, LOOK, width, dark=dark))
        return found

    return look


@pytest.mark.chromium
@every_email
def test_it_can_be_read_and_tapped(seen: Seen, name: str) -> None:
    for case, width, dark in (("usual", 375, True), ("usual", 640, False), ("long names", 375, False)):
        found = seen(render(name, CASES[case]).html, width, dark)
        assert found["faint"] == [], case
        assert found["wide"] == [width], case
        button_width, button_height, button_right = found["button"]
        assert min(button_width, button_height) >= 44, case
        assert button_right <= width, case


@pytest.mark.chromium
@pytest.mark.parametrize("color", ["#ffff00", "#000000", "#ffffff", "#0a84ff"])
def test_it_can_be_read_in_any_brand(seen: Seen, color: str) -> None:
    html = render("newsletter/monthly", {"program": program(color=color, accent=color)}).html
    for dark in (False, True):
        assert seen(html, 640, dark)["faint"] == [], dark
