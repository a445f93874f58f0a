"""Whatever colours a program chose, its emails can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.content.colors import CONTRAST, DARK_GROUND, LIGHT_GROUND, contrast, on_dark, on_light, text_on

COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(color=COLORS)
def test_every_colour_can_be_read_in_light_and_dark_and_text_on_it(color: str) -> None:
    assert contrast(on_light(color), LIGHT_GROUND) >= CONTRAST
    assert contrast(on_dark(color), DARK_GROUND) >= CONTRAST
    assert contrast(text_on(on_light(color)), on_light(color)) >= CONTRAST
    assert contrast(text_on(on_dark(color)), on_dark(color)) >= CONTRAST


@given(color=COLORS)
def test_a_colour_that_can_be_read_stays_as_it_is(color: str) -> None:
    if contrast(color, LIGHT_GROUND) >= CONTRAST:
        assert on_light(color) == color
    if contrast(color, DARK_GROUND) >= CONTRAST:
        assert on_dark(color) == color


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("color", ["red", "#fff", "#12345g", "url(x)", ""])
def test_what_is_no_colour_is_refused(color: str) -> None:
    with pytest.raises(ValueError, match="is not a colour"):
        on_light(color)
