"""Texts in other languages and in a program's own words: what layouts, blocks and contexts say, word for word.

The text itself is the key: `_words.de.yaml` maps "Partner portal" to "Partnerportal". What nobody translates is said as
it stands. All that a render does is to look up one dictionary, made once for each program and locale.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from jinja2 import nodes

from engage.authoring.document import Scalar, read_document
from engage.authoring.reader import Reader
from engage.authoring.words import PLACEHOLDER, misplaced
from engage.authoring.words import placeholders as placeholders
from engage.content.wording import language_of
from engage.domain.errors import AuthoringError, Problem
from engage.domain.programs import Program

FILE = re.compile(r"_words\.(?P<locale>[a-z]{2,3}(?:-[A-Z]{2})?)\.yaml")
SOURCE_LANGUAGE = "en"
"""What layouts, blocks and contexts say without a translation."""


@dataclass(frozen=True, slots=True)
class Words:
    """How one program speaks in `locale`. `language` is the one that most of it is in."""

    locale: str = SOURCE_LANGUAGE
    language: str = SOURCE_LANGUAGE
    texts: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, text: str, /, **values: object) -> str:
        """The text as it is said here, with `values` in the place of their names in braces."""
        said = self.texts.get(text, text)
        return filled(said, values) if values else said


PLAIN = Words()
"""What is said where nobody translates."""


class _Kept(dict[str, object]):
    """Values among which a name that is not there stands for itself."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def filled(text: str, values: Mapping[str, object]) -> str:
    """A text with values in the place of their names in braces; a name without a value stays."""
    fill = _filling(text)
    try:
        return fill(values)
    except KeyError:
        return fill(_Kept(values))


@lru_cache(maxsize=4096)
def _filling(text: str) -> Callable[[Mapping[str, object]], str]:
    """Fills the placeholders of a text. Its other braces are no fields to Python, so that none reaches into a value."""
    parts = PLACEHOLDER.split(text)
    fields = (
        f"{{{part}}}" if place % 2 else part.replace("{", "{{").replace("}", "}}") for place, part in enumerate(parts)
    )
    return "".join(fields).format_map


@dataclass(frozen=True, slots=True)
class Translation:
    """One entry of a file of words, with the place of its text."""

    text: str
    said: str
    file: str
    line: int
    column: int


class Lexicon:
    """The files of words of a folder, by locale (`de`, `de-AT`)."""

    def __init__(self, files: Mapping[str, tuple[Translation, ...]]) -> None:
        self.files = dict(files)
        self._texts = {locale: {one.text: one.said for one in those} for locale, those in files.items()}
        self._spoken: dict[tuple[str, str, tuple[tuple[str, str], ...]], Words] = {}

    def words(self, locale: str, program: Program) -> Words:
        """How the program speaks in this locale: a text in the program's own words (`words:`), and that in the
        locale, else in its language, else in the program's locale or language, else as it stands.
        """
        key = (locale, program.locale, tuple(program.words.items()))
        if key not in self._spoken:
            self._spoken[key] = self._speak(locale, program)
        return self._spoken[key]

    def _speak(self, locale: str, program: Program) -> Words:
        chain = [*file_locales(locale)]
        if language_of(locale) != SOURCE_LANGUAGE:  # what stands there is English already
            chain += file_locales(program.locale)
        chain = [name for name in chain if name in self._texts]
        texts: dict[str, str] = {}
        for name in reversed(chain):
            texts |= self._texts[name]
        texts |= {text: texts.get(said, said) for text, said in program.words.items()}
        return Words(locale, language_of(chain[0]) if chain else SOURCE_LANGUAGE, texts)

    def lacking(self, locale: str, texts: Iterable[str]) -> list[str]:
        """Those of `texts` that nobody has translated into the locale or its language."""
        known = [self._texts[name] for name in file_locales(locale) if name in self._texts]
        return [text for text in texts if not any(text in one for one in known)]


NO_WORDS = Lexicon({})


def file_locales(locale: str) -> tuple[str, ...]:
    """How files are named that are in this locale: as itself, and as its language."""
    return tuple(dict.fromkeys((locale.replace("_", "-"), language_of(locale)))) if locale else ()


def read_words(source: str, file: str) -> tuple[tuple[Translation, ...], tuple[Problem, ...]]:
    """The entries of a file of words that can be used, and what is wrong with the others."""
    try:
        node = read_document(source, file)
    except AuthoringError as error:
        return (), error.problems
    reader = Reader(file)
    found = []
    for key, value in () if isinstance(node, Scalar) and node.empty else reader.entries(node, "a file of words"):
        known = len(reader.problems)
        said = reader.text(value, f"the translation of '{key.text}'")
        for message, hint in misplaced(key.text, said, lost=True):
            reader.problem(value, message, hint)
        if len(reader.problems) == known:
            found.append(Translation(key.text, said, file, key.line, key.column))
    return tuple(found), tuple(reader.problems)


def said_in(tree: nodes.Node, *, counted: bool = False) -> frozenset[str]:
    """The texts that a template says through the filter `t`; where `counted`, the words of its plurals too."""
    found: set[str] = set()
    for node in tree.find_all(nodes.Filter):
        if node.name == "t" and isinstance(node.node, nodes.Const):
            found.add(str(node.node.value))
        elif node.name == "plural" and counted:
            words = (*node.args, *(keyword.value for keyword in node.kwargs))
            found |= {str(word.value) for word in words if isinstance(word, nodes.Const)}
    return frozenset(found)
