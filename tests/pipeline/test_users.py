"""Users on both databases: the last admin, links and codes, when several act at once."""

import threading

import pyotp

from engage.domain.accounts import COMMAND_LINE, Role
from engage.domain.errors import InputError
from engage.pipeline import second_factors
from engage.pipeline.logins import enter_by_link, log_in
from engage.pipeline.users import disable, invite
from engage.store.accounts import all_users
from tests.support.engage import Engage

NEW = "a cold day in november"


def test_two_admins_who_disable_each_other_at_once_leave_one(engage: Engage) -> None:
    database = engage.services.database
    with database.write() as db:
        both = [
            invite(db, f"{n}@example.com", "", Role.ADMIN, None, COMMAND_LINE, engage.now).user for n in ("ann", "ben")
        ]
    refused: list[str] = []

    def sends_away(which: int) -> None:
        try:
            with database.write() as db:
                disable(db, both[which], COMMAND_LINE, "x", engage.now)
        except InputError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=sends_away, args=[which]) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with database.read() as db:
        assert sorted(user.disabled for user in all_users(db)) == [False, True]


def test_a_link_a_password_and_a_recovery_code_count_once(engage: Engage) -> None:
    database, signer = engage.services.database, engage.services.signer
    with database.write() as db:
        linked = invite(db, "ann@example.com", "", Role.OPS, None, COMMAND_LINE, engage.now)
        assert enter_by_link(db, linked.token, NEW, "test", engage.now) is not None
        assert enter_by_link(db, linked.token, NEW, "test", engage.now) is None
        assert second_factors.offer(db, signer, linked.user)
        secret, _ = second_factors.offered(db, signer, linked.user) or ("", "")
        code = pyotp.TOTP(secret).at(engage.now)
        assert second_factors.shows(db, signer, linked.user, code, engage.now) is None, "it is not confirmed"
        codes = second_factors.confirm(db, signer, linked.user, code, engage.now) or []
        answers = [second_factors.shows(db, signer, linked.user, codes[0], engage.now) for _ in range(2)]
        assert answers == ["recovery code", None]
    assert log_in(database, "ann@example.com", NEW, "test", engage.now) is not None
    assert log_in(database, "ann@example.com", NEW + "!", "test", engage.now) is None
