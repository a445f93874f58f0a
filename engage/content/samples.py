"""Samples: made-up values for all that a template may name, so that emails can be looked at without any data.

Each file below `email_templates/_samples` is one sample, by names of the schema; what it leaves out is as in `usual`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from engage.authoring.document import Mapping as Entries
from engage.authoring.document import Node, Scalar, Sequence, read_document
from engage.authoring.reader import Reader, did_you_mean
from engage.content.schema import OCCASIONAL, Audience, names_for
from engage.content.types import Kind, Listing, Record, Type, Value
from engage.domain.errors import AuthoringError, InputError, Problem
from engage.domain.facts import CATALOGUE, FactType, Subject

FOLDER = "_samples"
USUAL = "usual"
_NO_INSTANT = datetime.min.replace(tzinfo=UTC)
_GIVEN = ("program", "links", "locale", "zone", "facts")  # by the program, the email and its campaign
_MONEY, _COUNT, _NUMBER = Value(Kind.MONEY, "", True), Value(Kind.COUNT, "", True), Value(Kind.NUMBER, "", True)
_FACT_KINDS = {
    FactType.MONEY: _MONEY,
    FactType.RATIO: _NUMBER,
    FactType.MULTIPLE: _NUMBER,
    FactType.NUMBER: _NUMBER,
    FactType.COUNT: _COUNT,
    FactType.DAYS_SINCE: _COUNT,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample. `about` says in a sentence what is special about it.

    `values` are records and lists by name of the schema; `facts` what each fact of the catalogue is, over any window;
    `attributes` likewise. `emails` has what is otherwise in one email: values by name, and `facts` by the names of its
    front matter. Amounts are Decimals of the currency's main unit, so that a sample fits each program.
    """

    name: str
    about: str
    values: Mapping[str, Any]
    facts: Mapping[str, Any]
    attributes: Mapping[str, Any]
    emails: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def over(self, usual: "Sample") -> "Sample":
        """This sample with what it leaves out as `usual` has it."""
        emails = {name: _merged(usual.emails.get(name, {}), self.emails.get(name, {})) for name in usual.emails}
        return Sample(
            self.name,
            self.about,
            _merged(usual.values, self.values),
            {**usual.facts, **self.facts},
            {**usual.attributes, **self.attributes},
            {**self.emails, **emails},
        )

    def of(self, email: str) -> dict[str, Any]:
        """All values by name in one email; `facts` has those that are named for it alone."""
        return _merged(self.values, self.emails.get(email, {}))


def sampled_names() -> dict[str, Type]:
    """What samples give: all names that some email may use, with all fields that a record ever has."""
    names: dict[str, Type] = {}
    for subject in Subject:
        for audience in Audience:
            for name, what in names_for(subject, audience, {}, OCCASIONAL).items():
                if name not in _GIVEN:
                    names[name] = _either(names.get(name), what)
    return names


def load_samples(templates_dir: Path) -> dict[str, Sample]:
    """Every sample by its name, `usual` first, each complete. Raises AuthoringError; InputError without `usual`."""
    folder = templates_dir / FOLDER
    found: dict[str, Sample] = {}
    problems: list[Problem] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            found[file.stem] = read_sample(file.read_text("utf-8-sig"), f"{templates_dir.name}/{FOLDER}/{file.name}")
        except AuthoringError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(str(file), 1, 1, f"the file cannot be read: {error}"))
    if problems:
        raise AuthoringError(tuple(sorted(problems)))
    if USUAL not in found:
        raise InputError(f"there is no sample {folder / USUAL}.yaml", "copy the folder _samples from engage")
    usual = found.pop(USUAL)
    usual = usual.over(usual)  # items of its lists say no more than what differs from the first
    return {USUAL: usual} | {name: sample.over(usual) for name, sample in found.items()}


def read_sample(source: str, path: str) -> Sample:
    """One file. Raises AuthoringError."""
    reader = _SampleReader(path)
    root = read_document(source, path)
    names = sampled_names()
    fields = reader.fields(root, "a sample", ("about",), ("facts", "attributes", "emails", *names)).nodes
    if isinstance(root, Entries):  # a record may be empty, and a key without a value says so
        fields |= {key.text: value for key, value in root.entries if key.text in names}
        reader.problems = [one for one in reader.problems if not one.message.endswith("' has no value")]
    about = reader.text(fields["about"], "'about'") if "about" in fields else ""
    values = {name: reader.value(node, names[name], name) for name, node in fields.items() if name in names}
    facts = reader.facts(fields["facts"]) if "facts" in fields else {}
    attributes = reader.plain(fields["attributes"], "attributes") if "attributes" in fields else {}
    emails = {
        key.text: reader.email(node, names)
        for key, node in (reader.entries(fields["emails"], "'emails'") if "emails" in fields else ())
    }
    reader.finish()
    return Sample(Path(path).stem, about, values, facts, attributes, emails)


class _SampleReader(Reader):
    """Reads values as the schema has them."""

    def value(self, node: Node, what: Type, name: str) -> Any:
        if isinstance(node, Scalar) and node.empty:
            if not what.optional and not isinstance(what, Listing):
                self.problem(node, f"'{name}' is never empty", "write a value, or leave the line out")
            return [] if isinstance(what, Listing) else "" if _is_text(what) else None
        match what:
            case Record(fields=fields):
                found = {key.text: self.field(key, value, fields, name) for key, value in self.entries(node, name)}
                return _metered(found, fields)
            case Listing(item=item):
                if not isinstance(node, Sequence):
                    self.problem(node, f"'{name}' must be a list", "begin each item with '- '")
                    return []
                return [self.value(one, item, f"{name}[]") for one in node.items]
            case Value(kind=kind):
                return self.single(node, kind, name)

    def field(self, key: Scalar, node: Node, fields: Mapping[str, Type], name: str) -> Any:
        if key.text not in fields:
            self.problem(key, f"unknown field '{key.text}' of '{name}'", did_you_mean(key.text, fields))
            return None
        return self.value(node, fields[key.text], f"{name}.{key.text}")

    def single(self, node: Node, kind: Kind, name: str) -> Any:
        match kind:
            case Kind.TEXT | Kind.LINK:
                return self.text(node, f"'{name}'")
            case Kind.INSTANT:
                return self.parsed(node, f"'{name}'", _instant, _NO_INSTANT)
            case Kind.FLAG:
                return self.boolean(node, f"'{name}'")
            case Kind.MONEY | Kind.METRIC:
                return self.number(node, f"'{name}'")
            case Kind.RATIO | Kind.NUMBER:
                return float(self.number(node, f"'{name}'"))
            case _:
                return int(self.number(node, f"'{name}'", digits=0))

    def facts(self, node: Node) -> dict[str, Any]:
        found = {}
        for key, value in self.entries(node, "'facts'"):
            if key.text not in CATALOGUE:
                self.problem(key, f"unknown fact '{key.text}'", did_you_mean(key.text, CATALOGUE))
                continue
            kind = CATALOGUE[key.text].type
            of_tier = CATALOGUE[key.text].type is None and not CATALOGUE[key.text].named
            what = _COUNT if kind is None and of_tier else _FACT_KINDS.get(kind or FactType.TEXT)
            found[key.text] = self.value(value, what or Value(Kind.TEXT, "", True), key.text)
        return found

    def email(self, node: Node, names: Mapping[str, Type]) -> dict[str, Any]:
        """What is otherwise in one email."""
        found: dict[str, Any] = {}
        for key, value in self.entries(node, "an email"):
            if key.text == "facts":
                found["facts"] = self.plain(value, "facts")
            elif key.text in names:
                found[key.text] = self.value(value, names[key.text], key.text)
            else:
                self.problem(key, f"unknown name '{key.text}'", did_you_mean(key.text, ("facts", *names)))
        return found

    def plain(self, node: Node, what: str) -> dict[str, Any]:
        """Values whose type nothing says: a number, true or false, a text, or none."""
        return {key.text: _guessed(value) for key, value in self.entries(node, f"'{what}'")}


def _guessed(node: Node) -> Any:
    if not isinstance(node, Scalar) or node.empty:
        return None
    if node.plain and node.text in ("true", "false"):
        return node.text == "true"
    try:
        number = float(node.text) if node.plain else None
    except ValueError:
        number = None
    return node.text if number is None else int(number) if number.is_integer() else number


def _instant(text: str) -> datetime:
    """A day is its noon, so that it is the same day in most zones."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no date; write one such as 2026-11-21") from None
    noon = found.replace(hour=12) if found.time() == time() and len(text) == len("2026-11-21") else found
    return noon if noon.tzinfo else noon.replace(tzinfo=UTC)


def _metered(found: dict[str, Any], fields: Mapping[str, Type]) -> dict[str, Any]:
    """The record with its numbers of a metric as whole numbers, unless the metric is revenue: then they are amounts."""
    if "revenue" in (found.get("what"), found.get("metric")):
        return found
    kinds = {name: what.kind for name, what in fields.items() if isinstance(what, Value)}
    metrics = [name for name in found if kinds.get(name) is Kind.METRIC]
    return found | {name: int(found[name]) for name in metrics if found[name] is not None}


def _is_text(what: Type) -> bool:
    return isinstance(what, Value) and what.kind in (Kind.TEXT, Kind.LINK)


def _either(one: Type | None, other: Type) -> Type:
    """A record with the fields of both."""
    if isinstance(one, Record) and isinstance(other, Record):
        return Record(one.meaning, {**one.fields, **other.fields}, one.optional or other.optional)
    return one if one is not None else other


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`: records field by field; a list as a whole, its items over the first one below."""
    return {name: _over(below.get(name), above[name]) if name in above else below[name] for name in {**below, **above}}


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return _merged(below, above)
    if isinstance(below, list) and isinstance(above, list):
        return [_over(below[0] if below else None, item) for item in above]
    return above


def in_minor_units(value: Any, digits: int) -> Any:
    """The value with each amount in it as templates get it: whole minor units of a currency with so many decimals."""
    if isinstance(value, Decimal):
        return int(value.scaleb(digits))
    if isinstance(value, Mapping):
        return {name: in_minor_units(one, digits) for name, one in value.items()}
    return [in_minor_units(one, digits) for one in value] if isinstance(value, list) else value
