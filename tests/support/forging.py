"""What somebody may try who has a genuine link, key or signature and wants another: altered and forged anyhow."""

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence

from engage.signing import Signer

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/~%"
_STRANGER = Signer(["a key that is not the installation's, of the same length"])
_PURPOSES = ("unsubscribe", "preferences", "answer", "page", "refer", "click", "open", "browser", "form", "code")


def altered(genuine: bytes, others: Sequence[bytes], chance: random.Random) -> Iterator[bytes]:
    """Without end: texts that are not `genuine`, most of them near it. `others` are genuine at other doors."""
    while True:
        made = chance.choice(_WAYS)(genuine, others, chance)
        if made.strip() != genuine:  # what surrounds a header's value is not part of it
            yield made


def _bit(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    changed, at = bytearray(genuine), chance.randrange(len(genuine) * 8)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def _character(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    at, new = chance.randrange(len(genuine)), chance.choice(_ALPHABET).encode()
    return genuine[:at] + new + genuine[at + 1 :]


def _inserted(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    at, new = chance.randrange(len(genuine) + 1), chance.choice(_ALPHABET).encode()
    return genuine[:at] + new + genuine[at:]


def _missing(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(genuine))
    return genuine[:at] + genuine[at + 1 :]


def _swapped(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(max(len(genuine) - 1, 1))
    return genuine[:at] + genuine[at : at + 2][::-1] + genuine[at + 2 :]


def _case(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(genuine))
    return genuine[:at] + genuine[at : at + 1].swapcase() + genuine[at + 1 :]


def _cut(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    return genuine[: chance.randrange(len(genuine))]


def _longer(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    return genuine + genuine[: chance.randrange(1, len(genuine) + 1)]


def _made_up(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    return "".join(chance.choice(_ALPHABET) for _ in genuine).encode()


def _of_another_door(_genuine: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    return chance.choice(others)


def _half_of_another(genuine: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """What is said by one, signed as another is."""
    mine, theirs = genuine.rpartition(b"."), chance.choice(others).rpartition(b".")
    return b".".join(chance.choice(((theirs[0], mine[2]), (mine[0], theirs[2]))))


def _says_something_else(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    """Another id, or another type, under the old signature."""
    said, *rest = genuine.split(b".")
    try:
        payload = json.loads(urlsafe_b64decode(said + b"=" * (-len(said) % 4)))
        at = chance.randrange(len(payload))
        payload[at] = chance.choice((2, 0, -1, "", "1", None, [], 10**20, str(payload[at]) + "x"))
    except (ValueError, TypeError):
        return _character(genuine, _others, chance)
    return b".".join([_encoded(json.dumps(payload)), *rest])


def _by_a_stranger(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    """The same, signed with another key: as that key's own, or as if it were ours."""
    said, version, *_ = (*genuine.split(b"."), b"")
    try:
        payload = json.loads(urlsafe_b64decode(said + b"=" * (-len(said) % 4)))
        token = _STRANGER.token(chance.choice(_PURPOSES), payload).encode()
    except (ValueError, TypeError):
        return _made_up(genuine, _others, chance)
    theirs = token.split(b".")
    return b".".join(chance.choice(((theirs[0], version, theirs[2]), (said, *theirs[1:]))))


def _odd(genuine: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    near = (genuine.replace(b".", b""), genuine.replace(b".", b".."), genuine + b"=", genuine[::-1], b"." + genuine)
    return chance.choice((*near, genuine * 40, *_NOTHING))


_NOTHING = (b"", b".", b"..", b"null", b"true", b"0", b"undefined", b"preview2", b"%00", b"\xff\xfe")


def _encoded(text: str) -> bytes:
    return urlsafe_b64encode(text.encode()).rstrip(b"=")


_WAYS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    *(_bit, _bit, _bit, _character, _character, _inserted, _missing, _swapped, _case, _cut, _longer, _made_up),
    *(_of_another_door, _half_of_another, _says_something_else, _by_a_stranger, _odd),
)
