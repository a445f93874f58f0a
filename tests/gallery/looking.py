"""Looks at many emails in one page of a real browser: each in a frame as wide as a phone, then as a desktop's pane.

What is found is what a reader would notice: a page that must be scrolled sideways, text that is cut off, stands outside
its column or breaks within a short word, text too faint to read, a button too small for a thumb, anything loaded from
elsewhere.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.support.browser import Browser

WIDTHS = (375, 640)
_PAGE = """<!doctype html><meta charset="utf-8"><style>body{margin:0} iframe{border:0;height:600px}</style>
<script type="application/json">%s</script>"""
_LOOK = """(async () => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const linear = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = rgb => {
    const [red, green, blue] = rgb.map(part => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const over = (top, below, alpha) => top.slice(0, 3).map((part, i) => part * alpha + below[i] * (1 - alpha));
  const behind = (node, view) => {
    if (!node) return view.matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    const color = numbers(view.getComputedStyle(node).backgroundColor), alpha = color.length > 3 ? color[3] : 1;
    return alpha === 1 ? color.slice(0, 3) : over(color, behind(node.parentElement, view), alpha);
  };
  const seen = (frame, width) => {
    const doc = frame.contentDocument, view = frame.contentWindow, found = new Set();
    const wide = doc.documentElement.scrollWidth;
    if (wide > width) found.add(`is ${wide} pixels wide at ${width}`);
    const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT), range = doc.createRange(), grounds = new Map();
    const styles = new Map(), style = node => {
      if (!styles.has(node)) styles.set(node, view.getComputedStyle(node));
      return styles.get(node);
    };
    while (walk.nextNode()) {
      const node = walk.currentNode, holder = node.parentElement, text = node.data.trim();
      if (!text || !holder.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue;
      const short = text.length > 40 ? text.slice(0, 40) + "…" : text;
      range.selectNodeContents(node);
      const column = holder.closest("td").getBoundingClientRect();
      for (const rect of range.getClientRects()) {
        if (!rect.width) continue;
        if (rect.right > width + 0.5 || rect.left < -0.5) found.add(`“${short}” leaves the page at ${width}`);
        else if (rect.right > column.right + 1 || rect.left < column.left - 1)
          found.add(`“${short}” leaves its column at ${width}`);
      }
      if (!grounds.has(holder)) grounds.set(holder, behind(holder, view));
      const ground = grounds.get(holder), own = numbers(style(holder).color), alpha = own.length > 3 ? own[3] : 1;
      const both = [over(own, ground, alpha), ground].map(luminance).sort((a, b) => b - a);
      const contrast = (both[0] + 0.05) / (both[1] + 0.05);
      if (contrast < 4.5) found.add(`“${short}” has a contrast of ${contrast.toFixed(2)}`);
      if (parseFloat(style(holder).fontSize) < 13) found.add(`“${short}” is smaller than 13 pixels`);
      for (const word of node.data.matchAll(/[\\p{Script=Latin}\\d]{2,16}/gu)) {
        const long = /[^\\s]{17,}/.test(node.data.slice(Math.max(0, word.index - 17), word.index + 33));
        if (long) continue;
        range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map(rect => Math.round(rect.top / 4)));
        if (lines.size > 1) found.add(`“${word[0]}” is broken in two at ${width}`);
      }
    }
    for (const node of doc.querySelectorAll("body *")) {
      const kind = style(node).overflowX;
      if ((kind === "hidden" || kind === "clip") && node.scrollWidth > node.clientWidth + 1 && node.checkVisibility())
        found.add(`“${node.textContent.trim().slice(0, 40)}” is cut off at ${width}`);
    }
    for (const node of doc.querySelectorAll("td.button a")) {
      const {width: w, height: h} = node.getBoundingClientRect();
      if (Math.min(w, h) < 44) found.add(`the button “${node.textContent.trim()}” is ${w} × ${h} at ${width}`);
    }
    const loaded = view.performance.getEntriesByType("resource").map(entry => entry.name);
    const named = [...doc.querySelectorAll("[src], [srcset], [background], link[href]")].map(node => node.outerHTML);
    for (const one of [...loaded, ...named]) found.add(`loads ${one.slice(0, 80)}`);
    return [...found];
  };
  const emails = JSON.parse(document.querySelector("script").textContent), answer = {};
  const frame = document.createElement("iframe");
  for (const [name, html] of Object.entries(emails)) {
    const ready = new Promise(resolve => frame.onload = resolve);
    frame.srcdoc = html; frame.style.width = WIDTHS[0] + "px";
    if (!frame.parentElement) document.body.append(frame);
    await ready;
    const found = new Set();
    for (const width of WIDTHS) {
      frame.style.width = width + "px";
      for (const one of seen(frame, width)) found.add(one);
    }
    if (found.size) answer[name] = [...found];
  }
  return JSON.stringify(answer);
})()""".replace("WIDTHS", json.dumps(WIDTHS))


def look(browser: Browser, folder: Path, emails: Mapping[str, str], *, dark: bool) -> dict[str, list[str]]:
    """What is wrong with each of these pages, by name; those without a fault are left out. `folder` is for scratch."""
    page = folder / f"{'dark' if dark else 'light'}.html"
    page.write_text(_PAGE % json.dumps(emails).replace("</", "<\\/"))
    found: dict[str, list[str]] = json.loads(browser.evaluate(page, _LOOK, width=1024, dark=dark))
    return found
