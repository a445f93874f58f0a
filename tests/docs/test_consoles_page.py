"""The page of the consoles says what each role may do as it is."""

import re

from engage.domain.accounts import ALLOWED, Permission, Role
from tests.support.command import ROOT


def test_the_table_of_roles_says_what_each_may_do() -> None:
    text = (ROOT / "docs" / "consoles.md").read_text()
    heads = re.search(r"^\| may \| (.*) \|$", text, re.MULTILINE)
    assert heads is not None
    roles = [Role(name.strip(" `")) for name in heads[1].split("|")]
    assert roles == list(Role)
    rows = re.findall(r"^\| [^|`]+\(`([\w-]+)`\) \|(.*)\|$", text, re.MULTILINE)
    said = {Permission(name): [cell.strip() == "yes" for cell in cells.split("|")] for name, cells in rows}
    assert said == {permission: [permission in ALLOWED[role] for role in roles] for permission in Permission}
