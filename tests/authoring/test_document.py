"""Which YAML is taken, and what is said of the rest."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.authoring.document import MAX_BYTES, MAX_DEPTH, Mapping, plain_value, read_document
from engage.domain.errors import AuthoringError


def refused(source: str) -> list[str]:
    with pytest.raises(AuthoringError) as caught:
        read_document(source, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_scalars_stay_as_they_were_written() -> None:
    node = read_document("a: NO\nb: 19:30\nc: 0x1F\nd: 2026-11-02\ne: 1.50\nf: '~'\ng:\nh: on", "x.yaml")

    assert plain_value(node) == {
        "a": "NO",
        "b": "19:30",
        "c": "0x1F",
        "d": "2026-11-02",
        "e": "1.50",
        "f": "~",
        "g": None,
        "h": "on",
    }


def test_every_node_knows_its_place_counted_from_the_line_given() -> None:
    node = read_document("a:\n  - b: c\n", "x.md", first_line=2)

    assert isinstance(node, Mapping)
    (key, items) = node.entries[0]
    assert (key.line, key.column) == (2, 1)
    assert (items.line, items.column) == (3, 3)


def test_an_empty_document_is_an_empty_value() -> None:
    assert plain_value(read_document("# nothing yet\n", "x.yaml")) is None


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1: 'a' stands here twice; it is already on line 1"),
        ("a: &x 1\n", "1:4: anchor '&x' is not part of campaign files; take it out; quote a '&'"),
        ("a: !!int 1\n", "1:4: tag 'tag:yaml.org,2002:int' is not part of campaign files; take it out; quote a '!'"),
        ("? [a]\n: 1\n", "1:3: a key must be a word; quote it if it begins with { or ["),
        ("a: 1\n---\nb: 1\n", "2:1: a second document begins here; one file holds one document: remove '---'"),
        ("%YAML 1.1\n---\na: 1\n", "2:1: a % directive is not part of campaign files; take the line out"),
        (
            "why: careful: this\n",
            "1:13: this is not YAML: mapping values are not allowed here; "
            "look at the indentation of this line and of those above; a text that holds ': ' needs quotes",
        ),
        (
            "why: “careful: this”\n",
            "1:14: this is not YAML: mapping values are not allowed here; write straight quotes, \"…\"",
        ),
        (
            "a:\n\tb: 1\n",
            "2:1: this is not YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs",
        ),
        (
            "a: @b\n",
            "1:4: this is not YAML: found character '@' that cannot start any token; "
            "a text that begins with this character needs quotes",
        ),
        (
            "a:\n  - b\n - c\n",
            "3:2: this line does not fit those above it; look at the indentation, and at a list's '-'",
        ),
        ("a: 'b\n", "2:1: this is not YAML: found unexpected end of stream; look at quotes, brackets and indentation "
                    "up to this place"),
        ("a: b\x07c\n", "1:5: character U+0007 has no place in a text file; remove it and save the file as UTF-8"),
        ('a: "b\\0"\n', "1:4: character U+0000 has no place in a text; remove it"),
        ('a: "\\ud800"\n', "1:4: character U+D800 has no place in a text; remove it"),
    ],
)  # fmt: skip
def test_what_is_refused_says_where_and_what_to_do(source: str, problem: str) -> None:
    assert refused(source) == [f"x.yaml:{problem}"]


def test_aliases_are_refused_with_everything_else_in_the_file() -> None:
    assert refused("a: &x [1]\nb: *x\nb: 1\n") == [
        "x.yaml:1:4: anchor '&x' is not part of campaign files; take it out; quote a '&'",
        "x.yaml:2:4: alias '*x' is not part of campaign files; write it out; quote a '*'",
        "x.yaml:3:1: 'b' stands here twice; it is already on line 2",
    ]


def test_depth_is_capped() -> None:
    plain_value(read_document("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x.yaml"))

    assert refused("[" * 100_000) == [
        f"x.yaml:1:{MAX_DEPTH + 1}: more than {MAX_DEPTH} levels deep; nest less: split the condition, or the campaign"
    ]


def test_size_is_capped() -> None:
    assert refused("a: " + "ü" * (MAX_BYTES // 2)) == ["x.yaml:1:1: the file is larger than 256 KB; split it"]


# Pieces that YAML gives a meaning to, so that chance finds more than "this is not a mapping".
pieces = st.sampled_from(
    [*"abc:-?[]{},&*!|>'\"%@`# \n\t0~\\", "\n  ", ": ", "- ", "---\n", "\\U", "%YAML 1", "<<", "é"]
)


@given(st.one_of(st.lists(pieces, max_size=40).map("".join), st.text(max_size=60)))
def test_any_text_is_read_or_refused(source: str) -> None:
    with suppress(AuthoringError):
        plain_value(read_document(source, "x.yaml"))
