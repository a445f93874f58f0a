"""docs/programme.md names each campaign that is shipped, with what its file says, and none that is not."""

import re
from pathlib import Path

from engage.authoring import load_campaigns

ROOT = Path(__file__).parents[2]


def test_the_page_of_the_programme_has_each_campaign_and_why() -> None:
    shipped = load_campaigns(ROOT / "campaigns").campaigns.values()
    listed = re.findall(r"^\| `([^`]+)` \|[^|]*\| (.*) \|$", (ROOT / "docs" / "programme.md").read_text(), re.MULTILINE)

    assert sorted(listed) == sorted({(one.name, one.why) for one in shipped if not one.name.endswith("-edition")})
