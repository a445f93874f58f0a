"""What may be the same thing written in another way: companies, people, addresses and numbers.

A likeness is a hint for a person who decides, never a decision: what looks alike is shown, and nothing is merged by it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher

_FORMS = frozenset(
    re.findall(
        r"\w+",
        """
    ab ag aps as asa bhd bv bvba co company corp corporation cv doo eg ek eirl eood eurl ev gbr gesmbh gmbh group
    holding holdings inc incorporated international jsc kft kg kgaa kk lda limited llc llp lp ltd ltda mbh nv oao ohg
    ooo oy oyj partg partgmbb plc pllc pte pty pvt sa sae sarl sas sca se sl slu snc spa spolka spol sprl sro srl stg
    tbk the ug und and y et
    """,
    )
)
"""Words that say in what form a company does business, or nothing at all."""

_ALIKE = 0.84
"""From which share of common letters, in order, two words are taken for one with a slip of the pen."""

_DISTINCT = 4
"""Letters that make a word tell one company from others."""

_DIGITS = 8
"""So many last digits tell a telephone number, with or without the country's."""

_SHARP = str.maketrans({"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th"})


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name without accents, capitals and punctuation: `A.B. Müller & Co.` has ab, muller, co."""
    plain = name.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain.translate(_SHARP))
        plain = "".join(character for character in plain if not unicodedata.combining(character))
    plain = re.sub(r"[.'’`]", "", plain)  # abbreviations and apostrophes: S.A. is sa
    return tuple(re.findall(r"\w+", plain.replace("_", " ")))


def company_words(name: str) -> tuple[str, ...]:
    """The words that tell a company: those of its name but legal forms, unless there are no others."""
    words = words_of(name)
    return tuple(word for word in words if word not in _FORMS) or words


def companies_alike(one: str, other: str) -> bool:
    """Whether two names may be of one company: the same but for legal forms, spaces and slips, or one within the other.

    `Acme` and `ACME Logistics GmbH` are alike, `Acme Foods` and `Acme Logistics` are not.
    """
    return companies_like(one)(other)


def companies_like(name: str) -> Callable[[str], bool]:
    """What `companies_alike` says of this name and any other: for asking of many."""
    mine = company_words(name)
    joined, known = "".join(mine), frozenset(mine)

    def alike(other: str) -> bool:
        theirs = company_words(other)
        if not mine or not theirs:
            return False
        few, many = (known, set(theirs)) if len(known) <= len(set(theirs)) else (set(theirs), known)
        if few <= many and any(len(word) >= _DISTINCT for word in few):
            return True
        return _nearly_all(mine, theirs) or joined == "".join(theirs)

    return alike


def people_alike(one: str, other: str) -> bool:
    """Whether two names may be one person's: the same words in any order, one's without the other's middle names, or
    with slips of the pen. A single word is alike only to a single one."""
    return people_like(one)(other)


def people_like(name: str) -> Callable[[str], bool]:
    """What `people_alike` says of this name and any other: for asking of many."""
    mine = sorted(words_of(name))
    known = frozenset(mine)

    def alike(other: str) -> bool:
        theirs = sorted(words_of(other))
        if not mine or not theirs:
            return False
        few, many = (known, set(theirs)) if len(known) <= len(set(theirs)) else (set(theirs), known)
        if few <= many and (len(few) > 1 or len(many) == 1):
            return True
        return _nearly_all(mine, theirs)

    return alike


def phone_digits(text: str) -> str:
    """The last digits of a telephone number, which are the same however it is written; "" where there are too few."""
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", text))
    return digits[-_DIGITS:] if len(digits) >= _DIGITS else ""


def pieces_of(words: Iterable[str]) -> list[str]:
    """Beginnings and ends of words, of which a like name has at least one unless it slips in all of them.

    For looking things up: only letters without accents and digits are in them.
    """
    plain = (word for word in words if word.isascii())
    return sorted({piece for word in plain for piece in (word[:3], word[-3:])})


def _nearly_all(some: Sequence[str], others: Sequence[str]) -> bool:
    return len(some) == len(others) and all(map(_nearly, some, others))


def _nearly(one: str, other: str) -> bool:
    if one == other:
        return True
    shorter, longer = sorted((len(one), len(other)))
    if shorter < _DISTINCT or 2 * shorter < _ALIKE * (shorter + longer):  # no ratio could be as high
        return False
    # The matcher's answer may depend on which comes first.
    first, second = sorted((one, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _ALIKE
