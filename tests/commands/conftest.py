"""Installations on SQLite for the command line: one that knows two partners and is only looked at, one to break."""

import pytest

from tests.support.command import EngageCommand
from tests.support.installation import Installation


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two partners, Ann with a referral that was won, and the campaigns. Tests leave it as it is."""
    made = Installation(EngageCommand(tmp_path_factory.mktemp("known")))
    made.deals("acme")
    assert made.imports().code == 0
    return made


@pytest.fixture
def fresh(run_engage: EngageCommand) -> Installation:
    """Nothing has been imported."""
    return Installation(run_engage)
