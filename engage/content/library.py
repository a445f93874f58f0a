"""All emails of a folder: loaded once, found by name and locale; what is wrong with one does not keep the others."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engage.authoring.reader import did_you_mean
from engage.content.frontmatter import ParseFact, read_email
from engage.content.layout import Blocks, Layout, read_blocks, read_layout
from engage.content.stories import Story, is_story, read_stories
from engage.content.template import MAX_SOURCE, Look, Template, compile_template
from engage.content.words import FILE as WORDS_FILE
from engage.content.words import NO_WORDS, Lexicon, Translation, Words, file_locales, read_words
from engage.domain.campaigns import Text
from engage.domain.conditions import FactRef
from engage.domain.errors import InputError, Problem
from engage.domain.programs import Program

LAYOUT_HTML, LAYOUT_TEXT = "_layout.mjml", "_layout.txt"
BLOCKS_HTML, BLOCKS_TEXT = "_blocks.html", "_blocks.txt"
SHARED = (LAYOUT_HTML, LAYOUT_TEXT, BLOCKS_HTML, BLOCKS_TEXT)
WORDS = "_words*.yaml"
_NAME = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*)(?:\.(?P<locale>[a-z]{2,3}(?:-[A-Z]{2})?))?\.md"
)
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_MARKS = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]")


_MOST_COMPILED = 4096
_COMPILED: dict[tuple[Any, ...], tuple[Template | None, tuple[Problem, ...]]] = {}
"""What has been compiled in this process: when one file of a folder changes, the others need not be compiled again."""


NO_STORIES: Mapping[str, Story] = MappingProxyType({})


def month_of_edition(email: str) -> date | None:
    """The first day of the month that an email's name says, such as newsletter/2026-12; None of other emails."""
    month = email.rpartition("/")[2]
    return date.fromisoformat(f"{month}-01") if _MONTH.fullmatch(month) else None


class Templates:
    """The emails that loaded, the success stories that they may tell, and the words of layouts and blocks in other
    languages. `sources` are all files that they were made from, by path, to load them again later."""

    def __init__(
        self,
        templates: Mapping[tuple[str, str], Template],
        sources: Mapping[str, str],
        lexicon: Lexicon = NO_WORDS,
        stories: Mapping[str, Story] = NO_STORIES,
    ) -> None:
        self._templates = dict(templates)
        self.lexicon = lexicon
        self.stories = dict(stories)
        self._names = frozenset(name for name, _ in templates)
        self.sources = dict(sources)

    @property
    def names(self) -> tuple[str, ...]:
        """Every email's name once, in order."""
        return tuple(sorted(self._names))

    def __iter__(self) -> Iterator[Template]:
        """Every email in every locale."""
        return iter(self._templates.values())

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def own(self, name: str, lineage: Iterable[str]) -> str:
        """The email that a program means by this name: the one in its own folder, else that in its parent's, and so
        on, else the one of the name itself. `lineage` has the keys of the programs, the nearest first."""
        return next((own for key in lineage if (own := f"{key}/{name}") in self), name)

    def words(self, locale: str, program: Program) -> Words:
        """What layouts, blocks and contexts say in mails of this program in this locale."""
        return self.lexicon.words(locale, program)

    def words_of(self, template: Template, locale: str, program: Program) -> Words:
        """The words around an email for a recipient of this locale, if any: those of the email's own language."""
        return self.words(template.locale_for(locale or program.locale, program.locale), program)

    @property
    def says(self) -> frozenset[str]:
        """Every text that layouts, blocks and emails have translated."""
        return frozenset().union(*(template.says for template in self))

    def emails(self, text: Text, lineage: Iterable[str]) -> tuple[str, ...]:
        """The emails that a program means by a step's text; of editions all that are there, the earliest first."""
        if not text.edition:
            return (self.own(text.template, lineage),)
        lineage = tuple(lineage)
        folders = tuple(f"{folder}/" for folder in (text.template, *(f"{key}/{text.template}" for key in lineage)))
        months = {name.rpartition("/")[2] for name in self._names if name.startswith(folders)}
        found = (self.own(f"{text.template}/{one}", lineage) for one in sorted(months) if _MONTH.fullmatch(one))
        return tuple(name for name in found if name in self)

    def without(self, paths: Collection[str]) -> "Templates":
        """The same without the emails of these files."""
        kept = {key: one for key, one in self._templates.items() if one.path not in paths}
        return Templates(kept, self.sources, self.lexicon, self.stories)

    def facts(self, name: str) -> dict[str, FactRef]:
        """The facts of an email, in whatever locale it needs them."""
        return {
            fact: ref for (known, _), one in self._templates.items() if known == name for fact, ref in one.facts.items()
        }

    def find(self, name: str, locale: str = "", program: str = "") -> Template | None:
        """The email in this locale (`de-AT`), else in its language (`de`), else in the program's locale or language,
        else the one without a locale, which is in the program's; None if there is none.
        """
        for candidate in (*file_locales(locale), *file_locales(program), ""):
            if found := self._templates.get((name, candidate)):
                return found
        return None

    def get(self, name: str, locale: str = "", program: str = "") -> Template:
        """As `find`; raises InputError if there is no such email."""
        found = self.find(name, locale, program)
        if found is None:
            raise InputError(f"there is no email '{name}'", did_you_mean(name, self.names))
        return found

    @classmethod
    def from_sources(
        cls, sources: Mapping[str, str], parse_fact: ParseFact, root: str = ""
    ) -> "tuple[Templates, tuple[Problem, ...]]":
        """Loads emails from files' texts by path. `root` is put before paths where problems name them."""
        look, problems = _look(sources, root)
        lexicon, in_words = _lexicon(sources, root)
        problems += in_words
        stories, in_stories = read_stories(sources, root)
        problems += in_stories
        templates: dict[tuple[str, str], Template] = {}
        for path, source in sorted(sources.items()):
            if not path.endswith(".md") or path.rpartition("/")[2].startswith("_") or is_story(path):
                continue
            template, found = _template(path, source, sources, look, parse_fact, root)
            problems += found
            if template is not None:
                templates[template.name, template.locale] = template
        return cls(_alike(templates), sources, lexicon, stories), tuple(sorted(set(problems)))


def load_templates(directory: Path, parse_fact: ParseFact) -> tuple[Templates, tuple[Problem, ...]]:
    """Loads every email below a folder, and all that is wrong there. Raises InputError if there is no such folder."""
    if not directory.is_dir():
        raise InputError(f"there is no folder '{directory}'", "set ENGAGE_TEMPLATES_DIR to the folder of your emails")
    root = f"{directory.name or directory.resolve().name}/"
    sources: dict[str, str] = {}
    unread: list[Problem] = []
    shared = (*(directory / name for name in SHARED), *directory.glob(WORDS))
    for file in sorted((*directory.rglob("*.md"), *directory.rglob("*.mjml"), *shared)):
        path = file.relative_to(directory).as_posix()
        try:
            sources[path] = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            unread.append(Problem(root + path, 1, 1, "the file is not UTF-8", "save it with the encoding UTF-8"))
        except FileNotFoundError:
            continue
        except OSError as error:
            unread.append(Problem(root + path, 1, 1, f"the file cannot be read: {error.strerror}"))
    templates, problems = Templates.from_sources(sources, parse_fact, root)
    return templates, tuple(sorted({*unread, *problems}))


def _look(sources: Mapping[str, str], root: str) -> tuple[Look | None, list[Problem]]:
    """Layouts and blocks; None if any of them is missing or wrong."""
    missing = [name for name in SHARED if name not in sources]
    if missing:
        hint = "every folder of emails has one; copy it from the email_templates folder of engage"
        return None, [Problem(root + name, 1, 1, "the file is missing", hint) for name in missing]
    html, one = read_layout(sources[LAYOUT_HTML], root + LAYOUT_HTML, mjml=True)
    text, two = read_layout(sources[LAYOUT_TEXT], root + LAYOUT_TEXT, mjml=False)
    html_blocks, three = read_blocks(sources[BLOCKS_HTML], root + BLOCKS_HTML, markup=True)
    text_blocks, four = read_blocks(sources[BLOCKS_TEXT], root + BLOCKS_TEXT, markup=False)
    problems = [*one, *two, *three, *four, *_one_form_only(html_blocks, text_blocks, root)]
    if problems or html is None or text is None:
        return None, problems
    return Look(html, text, html_blocks, text_blocks), []


def _lexicon(sources: Mapping[str, str], root: str) -> tuple[Lexicon, list[Problem]]:
    """The words of each locale, as far as they can be read."""
    files: dict[str, tuple[Translation, ...]] = {}
    problems: list[Problem] = []
    for path in sorted(path for path in sources if fnmatchcase(path, WORDS)):
        name = WORDS_FILE.fullmatch(path)
        if name is None:
            hint = "name it by its language, like _words.de.yaml or _words.de-AT.yaml"
            problems.append(Problem(root + path, 1, 1, "this cannot be the name of a file of words", hint))
            continue
        files[name["locale"]], found = read_words(sources[path], root + path)
        problems += found
    return Lexicon(files), problems


def _alike(templates: Mapping[tuple[str, str], Template]) -> dict[tuple[str, str], Template]:
    """One email needs the same in every locale: recipients of a batch differ in theirs, and are loaded for at once."""
    needs: dict[str, frozenset[str]] = {}
    for (name, _), template in templates.items():
        needs[name] = needs.get(name, frozenset()) | template.needs
    return {key: replace(template, needs=needs[key[0]]) for key, template in templates.items()}


def _one_form_only(html: Blocks, text: Blocks, root: str) -> list[Problem]:
    message, hint = "block '{}' is missing here", "every block has an HTML and a text form"
    return [
        *(
            Problem(root + BLOCKS_TEXT, 1, 1, message.format(name), hint)
            for name in sorted(html.macros.keys() - text.macros.keys())
        ),
        *(
            Problem(root + BLOCKS_HTML, 1, 1, message.format(name), hint)
            for name in sorted(text.macros.keys() - html.macros.keys())
        ),
    ]


def _template(
    path: str, source: str, sources: Mapping[str, str], look: Look | None, parse_fact: ParseFact, root: str
) -> tuple[Template | None, tuple[Problem, ...]]:
    file = root + path
    name = _NAME.fullmatch(path)
    if name is None:
        hint = "name it like status_updates/won.md or won.de.md, in small letters"
        return None, (Problem(file, 1, 1, "this cannot be the name of an email", hint),)
    if len(source) > MAX_SOURCE:
        return None, (Problem(file, 1, 1, f"the file is larger than {MAX_SOURCE // 1024} KB", "shorten it"),)
    if unfit := _MARKS.search(source):
        line, column = source.count("\n", 0, unfit.start()) + 1, unfit.start() - source.rfind("\n", 0, unfit.start())
        return None, (Problem(file, line, column, f"character U+{ord(unfit[0]):04X} has no place here", "remove it"),)
    email, problems = read_email(source, file, parse_fact)
    own_path = f"{path.removesuffix('.md')}.mjml"
    used = [source, *(sources[shared] for shared in SHARED if shared in sources)]
    if look is not None and own_path in sources:
        own, found = read_layout(sources[own_path], root + own_path, mjml=True)
        problems += found
        used.append(sources[own_path])
        look = Look(own, look.text, look.html_blocks, look.text_blocks) if isinstance(own, Layout) else None
    if email is None or look is None:
        return None, problems
    digest = hashlib.sha256("\0".join(used).encode()).hexdigest()
    key = (file, digest, tuple(email.facts.items()))
    if key not in _COMPILED:
        if len(_COMPILED) >= _MOST_COMPILED:
            _COMPILED.clear()
        _COMPILED[key] = compile_template(name["name"], name["locale"] or "", path, file, email, look, digest)
    template, found = _COMPILED[key]
    problems += found
    return (None if problems else template), problems
