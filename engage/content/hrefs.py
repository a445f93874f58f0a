"""Where the links of a mail lead that has been rendered to HTML."""

import html
import re
from collections.abc import Callable

_HREF = re.compile(r'(<a\b[^>]*?\shref=")([^"]*)(")')


def hrefs(text: str) -> list[str]:
    """The addresses of the links, in the order in which they stand."""
    return [html.unescape(found[2]) for found in _HREF.finditer(text)]


def with_hrefs(text: str, new: Callable[[str], str]) -> str:
    """The same HTML with `new` of each link's address in its place."""
    return _HREF.sub(lambda found: found[1] + html.escape(new(html.unescape(found[2]))) + found[3], text)
