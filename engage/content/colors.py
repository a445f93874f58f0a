"""Brand colours made readable: every text keeps a contrast of 4.5 to 1, whatever colour a program chose.

Contrast and luminance are those of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio).
"""

import re
from functools import lru_cache

WHITE, INK = "#ffffff", "#14181d"
LIGHT_GROUND, DARK_GROUND = "#f1f3f6", "#272e36"
"""The backgrounds of the layout that are hardest to read on: the page in light mode, panels in dark mode."""
CONTRAST = 4.5
_HEX = re.compile(r"#[0-9a-fA-F]{6}")

RGB = tuple[float, float, float]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21."""
    low, high = sorted((_luminance(_parse(one)), _luminance(_parse(other))))
    return (high + 0.05) / (low + 0.05)


@lru_cache(maxsize=256)
def text_on(background: str) -> str:
    """White or near-black, whichever can be read on this background."""
    return WHITE if contrast(WHITE, background) >= CONTRAST else INK


@lru_cache(maxsize=256)
def on_light(color: str) -> str:
    """The colour, darkened as far as it must be to be read on every light background, and white on it."""
    return _moved(color, towards=0.0, against=LIGHT_GROUND)


@lru_cache(maxsize=256)
def on_dark(color: str) -> str:
    """The colour, lightened as far as it must be to be read on every dark background."""
    return _moved(color, towards=255.0, against=DARK_GROUND)


def _moved(color: str, towards: float, against: str) -> str:
    channels = _parse(color)
    for step in range(0, 21):
        red, green, blue = (round(channel + (towards - channel) * step / 20) for channel in channels)
        moved = f"#{red:02x}{green:02x}{blue:02x}"
        if contrast(moved, against) >= CONTRAST:
            return moved
    raise AssertionError("black on the light background and white on the dark one pass")


def _parse(color: str) -> RGB:
    if not _HEX.fullmatch(color):
        raise ValueError(f"'{color}' is not a colour; write one such as #1f4b99")
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: RGB) -> float:
    red, green, blue = (_linear(channel / 255) for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
