"""The tests' own eyes: a picture must show what a reader on a phone, or at night, would see."""

import base64
from pathlib import Path

import pytest

from tests.support.browser import Browser

pytestmark = pytest.mark.chromium

PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<style>body{margin:0;background:#fff} @media (prefers-color-scheme: dark){body{background:#102030}}</style>
<p style="height:1500px">long</p>"""

# Reads a picture's size and its top left pixel with the browser itself.
LOOK = """(async () => {
  const picture = new Image(); picture.src = document.images[0].src; await picture.decode();
  const canvas = document.createElement("canvas"); canvas.width = picture.width; canvas.height = picture.height;
  const pen = canvas.getContext("2d"); pen.drawImage(picture, 0, 0);
  return [picture.width, picture.height, ...pen.getImageData(picture.width - 1, 0, 1, 1).data];
})()"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    return path


def look(browser: Browser, picture: Path) -> list[int]:
    shown = picture.with_suffix(".html")
    shown.write_text(f'<img src="data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}">')
    pixels: list[int] = browser.evaluate(shown, LOOK)
    return pixels


@pytest.mark.parametrize("width", [375, 640])
def test_a_page_has_the_width_it_is_looked_at_with(browser: Browser, page: Path, width: int) -> None:
    assert browser.evaluate(page, "innerWidth", width) == width


def test_light_and_dark_show_in_the_picture(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.screenshot(page, tmp_path / "light.png", 375, 600)
    browser.screenshot(page, tmp_path / "dark.png", 375, 600, dark=True)
    assert look(browser, tmp_path / "light.png") == [375, 600, 255, 255, 255, 255]
    assert look(browser, tmp_path / "dark.png") == [375, 600, 0x10, 0x20, 0x30, 255]


def test_without_a_height_the_whole_page_is_in_the_picture(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.screenshot(page, tmp_path / "long.png", 640)
    assert look(browser, tmp_path / "long.png")[1] > 1500
