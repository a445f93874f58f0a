"""One email: its file becomes templates of subject, HTML and text, and each render fills them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jinja2 import nodes
from jinja2.meta import find_undeclared_variables
from markupsafe import escape

from engage.content.forms import HtmlForm, TextForm
from engage.content.frontmatter import Email, Phrase
from engage.content.habits import habits, links, wrong_address
from engage.content.layout import HTML, TEXT, Blocks, Layout, names_read
from engage.content.lifting import Lifted, Tag, lift
from engage.content.limits import EmailContext, RenderError
from engage.content.lint import Linter
from engage.content.markdown import Block, parse_markdown
from engage.content.places import Place, column_of, parse
from engage.content.rules import broken_rules
from engage.content.sandbox import block_called, run
from engage.content.schema import ABSENT, ALWAYS, OCCASIONAL, Audience, names_for
from engage.content.wording import language_of, wording
from engage.content.words import PLAIN, Words, said_in
from engage.domain.conditions import FactRef
from engage.domain.errors import Problem
from engage.domain.facts import CATALOGUE, Subject

MAX_SOURCE = 64 * 1024

PROMOTIONAL = frozenset({"leaderboard", "promotion_banner", "success_story", "tip"})
"""Blocks that advertise the programme: for mail that can be refused."""

ADVERTISING = frozenset({"folded", "leaders", "promotion", "story"})
"""Values that do."""

_NEEDED = {
    "answers": "the email of a question offers no answers",
    "updates": "the daily mail of a topic does not show its updates",
    "story": "the email does not show its story",
}
"""What an email without these values lacks."""

_SHOWN_BY = {"story": "success_story"}
"""The blocks that do not have the name of what they show."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One email for one recipient. The subject is a single line; `link` is where the button leads, if there is one."""

    subject: str
    html: str
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What an email is put into: layouts and blocks of both forms."""

    html: Layout
    text: Layout
    html_blocks: Blocks
    text_blocks: Blocks

    @property
    def blocks(self) -> frozenset[str]:
        return frozenset(self.html_blocks.macros.keys() & self.text_blocks.macros.keys())

    @property
    def says(self) -> frozenset[str]:
        """The texts that are translated."""
        return self.html.says | self.text.says | self.html_blocks.says | self.text_blocks.says

    def names(self, trees: Sequence[nodes.Template]) -> frozenset[str]:
        """The names that an email of these trees reads, in layouts and blocks too."""
        found = {*self.html.names, *self.text.names}
        for tree in trees:
            found |= names_read(tree)
            for block in {name for call in tree.find_all(nodes.Call) if (name := block_called(call))}:
                found |= self.html_blocks.names[block] | self.text_blocks.names[block]
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Template:
    """An email, ready to be rendered.

    `facts` are the facts of its front matter by name; `needs` the names of the context that a render reads; `says`
    are the texts that are translated for it; `story` is the success story that it tells, if any; `source_hash` is the
    SHA-256, in hex, of all that the email is made from but these texts.
    """

    name: str
    locale: str
    path: str
    sender: str
    facts: Mapping[str, FactRef]
    needs: frozenset[str]
    says: frozenset[str]
    source_hash: str
    story: str
    _file: str
    _story_place: tuple[int, int]
    _fact_places: Mapping[str, tuple[int, int]]
    _trees: tuple[nodes.Template, ...]
    _forms: "_Forms"

    def locale_for(self, recipient: str, program: str) -> str:
        """The locale to render in: the recipient's where the email is written in its language, else the program's
        where it is in that one's, else the email's own; so that no German date stands in an English sentence. An email
        without a locale is in the program's."""
        written = self.locale or program
        spoken = (one for one in (recipient, program) if language_of(one) == language_of(written))
        return next(spoken, written)

    def render(self, context: Mapping[str, object], *, words: Words = PLAIN, link: bool = True) -> Rendered:
        """Renders for one recipient; `schema.names_for` says what the context holds. Raises RenderError.

        `words`: `Templates.words_of` this email. Not `link`: nobody asks where the button leads, which takes time of
        its own.
        """
        variables = {**ABSENT, **context}
        try:
            program: Any = variables["program"]
            written = wording(
                str(variables["locale"]),
                str(variables["zone"]),
                HTML.getattr(program, "currency"),
                HTML.getattr(program, "minor_digits"),
            )
        except KeyError as error:
            raise RenderError(f"the context has no {error}") from error

        variables["locale"] = str(written.locale).replace("_", "-")  # as HTML's lang attribute wants it

        def part(compiled: Any) -> str:
            fresh: EmailContext = compiled.new_context(variables, shared=False)
            fresh.wording, fresh.words = written, words
            return run(compiled.root_render_func, fresh)

        forms = self._forms
        subject, html, text = " ".join(part(forms.subject).split()), part(forms.html), _closed_up(part(forms.text))
        return Rendered(subject, html, text, part(forms.link).strip() if link else "")

    @property
    def brings(self) -> tuple[str, ...]:
        """The names of `schema.OCCASIONAL` that its own front matter gives it."""
        return ("story",) if self.story else ()

    def of_story(self, message: str, hint: str = "") -> Problem:
        """A problem with the story that the email names, where it names it."""
        return Problem(self._file, *self._story_place, message, hint)

    def promoting(self, campaign: str) -> tuple[Problem, ...]:
        """The blocks and values that advertise: not for this campaign, which is transactional."""
        found: dict[int, tuple[int, str]] = {}  # one a line: a block and what it is given are one mistake
        for tree in self._trees:
            for value in tree.find_all(nodes.Name):
                if value.name in ADVERTISING:
                    found[int(value.lineno)] = column_of(value.lineno), value.name
            for node in tree.find_all(nodes.Call):
                if (block := block_called(node)) in PROMOTIONAL:
                    found[int(node.node.lineno)] = column_of(node.node.lineno) + 1, str(block)
        hint = f"take it out, or give '{campaign}' a marketing topic"
        said = "advertises, and '{}' is transactional: partners cannot refuse it"
        return tuple(
            Problem(self._file, line, column, f"'{name}' {said.format(campaign)}", hint)
            for line, (column, name) in sorted(found.items())
        )

    def lint(self, subject: Subject, audience: str, also: Collection[str] = ()) -> tuple[Problem, ...]:
        """What would go wrong in a campaign for this subject, written to `partner` or `staff`.

        `also` has the names of `schema.OCCASIONAL` that there are.
        """
        also = (*also, *self.brings)
        names = names_for(subject, Audience(audience), self.facts, also)
        linter = Linter(self._file)
        for tree in self._trees:
            linter.check(tree.body, names)
        for name in _NEEDED.keys() & set(also):
            if not any(name in find_undeclared_variables(tree) for tree in self._trees):
                hint = f"write {{{{ blocks.{_SHOWN_BY.get(name, name)}({name}) }}}} on a line of its own"
                linter.problems.append(Problem(self._file, 1, 1, _NEEDED[name], hint))
        for name, ref in self.facts.items():
            fact = CATALOGUE[ref.fact]
            if not fact.allows(subject):
                message = f"'{ref.fact}' is a fact of {fact.subject.plural}, and the campaign is for {subject.plural}"
                hint = f"use it for: {fact.subject}"
                linter.problems.append(Problem(self._file, *self._fact_places[name], message, hint))
        return tuple(sorted(set(linter.problems)))


def compile_template(
    name: str, locale: str, path: str, file: str, email: Email, look: Look, source_hash: str
) -> tuple[Template | None, tuple[Problem, ...]]:
    """Makes an email ready to be rendered; every problem found on the way is returned, and then no template."""
    maker = _Maker(file, email, look)
    sources = maker.sources()
    if maker.problems:
        return None, tuple(sorted(set(maker.problems)))
    names = look.names(maker.trees)
    template = Template(
        name=name,
        locale=locale,
        path=path,
        sender=email.sender,
        facts=email.facts,
        needs=frozenset(names & _CONTEXT_NAMES | ALWAYS),
        says=look.says.union(*map(said_in, maker.trees)),
        source_hash=source_hash,
        story=email.story,
        _file=file,
        _story_place=email.story_place,
        _fact_places=email.fact_places,
        _trees=tuple(maker.trees),
        _forms=_Forms(file, look, *sources),
    )
    return template, ()


class _Forms:
    """The compiled forms of an email, each made when it is first rendered: most commands render no mail, or one."""

    def __init__(self, file: str, look: Look, subject: str, html: str, text: str, link: str) -> None:
        self._file = file
        self._look = look
        self._subject, self._html, self._text, self._link = subject, html, text, link

    @cached_property
    def subject(self) -> Any:
        return Blocks(TEXT).compile(self._subject, self._file)

    @cached_property
    def html(self) -> Any:
        return self._look.html_blocks.compile(self._html, self._file)

    @cached_property
    def text(self) -> Any:
        return self._look.text_blocks.compile(self._text, self._file)

    @cached_property
    def link(self) -> Any:
        return Blocks(TEXT).compile(self._link, self._file)


_CONTEXT_NAMES = frozenset(
    name for subject in Subject for audience in Audience for name in names_for(subject, audience, {}, OCCASIONAL)
)


def _closed_up(text: str) -> str:
    """A text without blanks at the ends of lines and without the gaps that conditions leave."""
    for gap, closed in ((" \n", "\n"), ("\n\n\n", "\n\n")):
        while gap in text:
            text = text.replace(gap, closed)
    return text.strip() + "\n"


class _Maker:
    """Turns an email's phrases and Markdown into Jinja sources, and keeps the trees of what was written for lint."""

    def __init__(self, file: str, email: Email, look: Look) -> None:
        self.file = file
        self.email = email
        self.look = look
        self.problems: list[Problem] = []
        self.trees: list[nodes.Template] = []

    def sources(self) -> tuple[str, str, str, str]:
        """The Jinja sources of subject, HTML, text and the button's address."""
        subject, preview = self.phrase(self.email.subject), self.phrase(self.email.preview)
        button = [self.phrase(phrase) for phrase in self.email.button or ()]
        self.check_address(button)
        body = self.body()
        if self.problems or subject is None or preview is None or body is None:
            return "", "", "", ""
        lifted, blocks = body
        if button and not any(tag.inside == "button" for tag in lifted.tags):
            blocks = [*blocks, Block("tag", tag=Tag("button", "", 1, 1))]
        html_button, text_button = ("", "")
        if button:
            html_button, text_button = _button(button, markup=True), _button(button, markup=False)
        call = {"button": "{{ blocks.button(button_label, button_url) }}"}
        html = self.look.html.around(
            {
                "subject": _markup(subject),
                "preview": _markup(preview),
                "content": html_button + lifted.put_back(HtmlForm(lifted).blocks(blocks), call),
            }
        )
        text = self.look.text.around(
            {
                "subject": _plain(subject),
                "preview": _plain(preview),
                "content": text_button + lifted.put_back(TextForm(lifted).blocks(blocks), call),
            }
        )
        url = button[1] if button else None
        return _plain(subject), html, text, url.put_back(url.address(url.text)) if url else ""

    def phrase(self, phrase: Phrase | None) -> Lifted | None:
        """A text of the front matter, parsed for lint and lifted."""
        if phrase is None:
            return None
        tree = parse(TEXT, phrase.text, self.file)
        if isinstance(tree, Problem):
            self.problems.append(_moved(tree, phrase))
            return None
        for node in (tree, *tree.find_all(nodes.Node)):
            place = _moved(Problem("", int(node.lineno or 1), column_of(node.lineno or 1), ""), phrase)
            node.lineno = Place.at(place.line, place.column)
        self.problems += broken_rules(tree, self.file, ())
        self.trees.append(tree)
        lifted, problems = lift(TEXT, phrase.text, self.file, phrase.line)
        self.problems += problems
        self.problems += [_moved(problem, phrase) for problem in habits(lifted, self.file, markdown=False)]
        return lifted

    def check_address(self, button: list[Lifted | None]) -> None:
        """Whether the button leads somewhere."""
        if self.email.button is None or (url := button[1]) is None:
            return
        if hint := wrong_address(url.text, url):
            phrase = self.email.button[1]
            message = f"'{phrase.text}' is no address that a button can lead to"
            self.problems.append(Problem(self.file, phrase.line, phrase.column, message, hint))

    def body(self) -> tuple[Lifted, list[Block]] | None:
        """The Markdown, checked and parsed."""
        body, first = self.email.body, self.email.body_line
        tree = parse(HTML, "\n" * (first - 1) + body, self.file)
        if isinstance(tree, Problem):
            self.problems.append(tree)
            return None
        self.problems += broken_rules(tree, self.file, self.look.blocks)
        self.trees.append(tree)
        lifted, problems = lift(HTML, body, self.file, first)
        blocks, crossings = parse_markdown(lifted, self.file)
        self.problems += [*problems, *crossings, *habits(lifted, self.file, first)]
        self.problems += links(blocks, lifted, self.file, body, first)
        for tag in lifted.tags if self.email.button is None else ():
            if tag.inside == "button":
                hint = "add button: {label: …, url: …} to the front matter"
                self.problems.append(Problem(self.file, tag.line, tag.column, "there is no button", hint))
        return lifted, blocks


def _moved(problem: Problem, phrase: Phrase) -> Problem:
    """A problem inside a phrase, at its place in the file; at the phrase's beginning where that cannot be counted."""
    column = phrase.column + (problem.column - 1 if phrase.exact else 0)
    return Problem(problem.file, phrase.line, column, problem.message, problem.hint)


def _plain(lifted: Lifted) -> str:
    return lifted.put_back(lifted.text)


def _markup(lifted: Lifted) -> str:
    return lifted.put_back(str(escape(lifted.text)))


def _button(phrases: list[Lifted | None], *, markup: bool) -> str:
    """Keeps label and address in names, for the block that draws them."""
    label, url = phrases
    assert label is not None
    assert url is not None
    address = url.address(url.text)
    shown, target = (str(escape(part)) if markup else part for part in (label.text, address))
    set_label = f"{{% set button_label %}}{label.put_back(shown)}{{% endset %}}"
    return f"{set_label}{{% set button_url %}}{url.put_back(target)}{{% endset %}}"
