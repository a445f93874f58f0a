"""The second factor: codes of an app (TOTP, RFC 6238), and recovery codes for who has lost the app.

Each code counts once. The secret is encrypted with the secret key and bound to its user, so that neither a copy of the
database nor another user's row is of any use.
"""

import hmac
import re
import secrets
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

import pyotp
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.engine import Connection

from engage.domain.access import hash_of
from engage.domain.accounts import User
from engage.signing import Signer
from engage.store.second_factors import confirm_factor, factor_of, offer_factor, set_recovery, use_step

RECOVERY_CODES = 10
_SECONDS = 30
_SLACK = 1  # steps that a clock may be wrong by (RFC 6238, section 5.2)
_PURPOSE = "second-factor"


def offer(db: Connection, signer: Signer, user: User) -> bool:
    """Makes a secret for the user's app. Nothing is asked for until `confirm`; False when there is a factor already."""
    return offer_factor(db, user.id, _box(signer, user).encrypt(pyotp.random_base32().encode()).decode())


def offered(db: Connection, signer: Signer, user: User) -> tuple[str, str] | None:
    """The secret that has yet to be confirmed, and the address by which an app takes it; None when there is none."""
    factor = factor_of(db, user.id)
    secret = _opened(signer, user, factor.secret) if not factor.confirmed else None
    if secret is None:
        return None
    return secret, f"otpauth://totp/engage:{quote(user.email)}?secret={secret}&issuer=engage"


def confirm(db: Connection, signer: Signer, user: User, code: str, now: datetime) -> list[str] | None:
    """Has the factor asked for from now on, if the code is one of the app: the recovery codes, which nobody will see
    again. None when it is not.
    """
    factor = factor_of(db, user.id)
    if factor.confirmed or not _counts(db, signer, user, factor.secret, code, now):
        return None
    codes = _recovery_codes()
    return codes if confirm_factor(db, user.id, [_recovery_hash(one) for one in codes], now) else None


def shows(db: Connection, signer: Signer, user: User, code: str, now: datetime) -> str | None:
    """By what the code shows the second factor: "app", "recovery code", or None. The code is used up."""
    factor = factor_of(db, user.id)
    if not factor.confirmed:
        return None
    if _counts(db, signer, user, factor.secret, code, now):
        return "app"
    hashed = _recovery_hash(code)
    left = [one for one in factor.recovery_hashes if not hmac.compare_digest(one, hashed)]
    if len(left) == len(factor.recovery_hashes):
        return None
    set_recovery(db, user.id, left)
    return "recovery code"


def recovery_left(db: Connection, user: User) -> int:
    """How many recovery codes have not been used."""
    return len(factor_of(db, user.id).recovery_hashes)


def _counts(db: Connection, signer: Signer, user: User, kept: str | None, code: str, now: datetime) -> bool:
    """Whether the code is of the user's app and of now, and was not used before: it is, from here on."""
    secret = _opened(signer, user, kept)
    typed = re.sub(r"\s", "", code)
    if secret is None or not re.fullmatch(r"[0-9]{6}", typed):
        return False
    current = int(now.timestamp()) // _SECONDS
    app = pyotp.TOTP(secret, interval=_SECONDS)
    # All are compared, the newest first: a code that two steps share is used up with the later.
    steps: Sequence[int] = range(current + _SLACK, current - _SLACK - 1, -1)
    right = [step for step in steps if hmac.compare_digest(app.generate_otp(step), typed)]
    return bool(right) and use_step(db, user.id, right[0])


def _opened(signer: Signer, user: User, kept: str | None) -> str | None:
    try:
        return _box(signer, user).decrypt(kept.encode()).decode() if kept else None
    except InvalidToken:  # the secret key is another one now: recovery codes still count
        return None


def _box(signer: Signer, user: User) -> MultiFernet:
    keys = signer.secrets(_PURPOSE, str(user.id))
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])


def _recovery_codes() -> list[str]:
    """80 bits each, in groups that can be read aloud."""
    texts = [b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    return ["-".join(text[start : start + 4] for start in range(0, 16, 4)) for text in texts]


def _recovery_hash(code: str) -> str:
    return hash_of(re.sub(r"[\s-]", "", code).lower())
