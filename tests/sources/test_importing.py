"""Importing files: what is counted, what is rejected, and what is said when a file or a mapping is wrong."""

import json
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.domain.errors import AuthoringError, InputError
from engage.domain.records import LoginRecord, Outcome, PartnerRecord, Record, ReferralRecord, RewardRecord, Taken
from engage.sources import Counts, Report, SourceMapping, import_directory, load_mapping
from engage.sources.expressions import Expression
from tests.support.intake import crm_program

PROGRAM = crm_program()
PARTNERS = """
files:
  - file: partners.csv
    partner: {external_id: id, email: email}
"""


class Taker:
    """Takes everything, and keeps what it was given."""

    def __init__(self) -> None:
        self.rows: list[Sequence[Record]] = []
        self.batches: list[int] = []

    def __call__(self, rows: Sequence[Sequence[Record]]) -> list[Taken]:
        self.rows.extend(rows)
        self.batches.append(len(rows))
        return [Taken(Outcome.ACCEPTED)] * len(rows)


@pytest.fixture
def taker() -> Taker:
    return Taker()


def mapped(folder: Path, text: str) -> SourceMapping:
    (folder / "mapping.yaml").write_text(text)
    return load_mapping(folder / "mapping.yaml", {PROGRAM.key: PROGRAM})


def bring_in(folder: Path, text: str, taker: Taker, **more: object) -> Report:
    return import_directory(folder, mapped(folder, text), taker, rejects=folder / "rejects", **more)  # type: ignore[arg-type]


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(AuthoringError) as caught:
        mapped(folder, text)
    return [str(problem).removeprefix(f"{folder / 'mapping.yaml'}:") for problem in caught.value.problems]


def values(folder: Path, taker: Taker, source: str, field: str, mapping: str = "lead_name: x") -> object:
    """What one cell becomes, in a referral."""
    (folder / "one.csv").write_text(f"x\n{source}\n")
    bring_in(folder, f"files: [{{file: one.csv, referral: {{external_id: x, partner: x, {mapping}}}}}]", taker)
    return getattr(taker.rows[-1][0], field) if taker.rows else None


# -- records -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "read"), [("yes", True), ("0", False), ('""', None)])
def test_a_pending_reversal_is_true_or_false_or_not_known(
    tmp_path: Path, taker: Taker, cell: str, read: bool | None
) -> None:
    text = "files: [{file: one.csv, referral: {external_id: id, partner: id, reversal_pending: doubt}}]"
    (tmp_path / "one.csv").write_text(f"id,doubt\nr,{cell}\n")
    bring_in(tmp_path, text, taker)
    ((record,),) = taker.rows
    assert isinstance(record, ReferralRecord)
    assert record.reversal_pending is read


def test_what_is_neither_true_nor_false_is_refused(tmp_path: Path, taker: Taker) -> None:
    text = "files: [{file: one.csv, referral: {external_id: id, partner: id, reversal_pending: doubt}}]"
    (tmp_path / "one.csv").write_text("id,doubt\nr,perhaps\n")
    report = bring_in(tmp_path, text, taker)
    assert taker.rows == []
    assert report.total.rejected == 1
    (refused,) = (tmp_path / "rejects").rglob("*.csv")
    assert "reversal_pending: 'perhaps' is neither true nor false" in refused.read_text()


def test_a_row_becomes_the_records_that_the_mapping_makes_of_it(tmp_path: Path, taker: Taker) -> None:
    (tmp_path / "people.csv").write_text(
        "id,First Name,last_name,last_login,fee\nu1,Ann,Lee,2017-03-01 10:00,12.50\nu2,Bob,,,0.1\n"
    )
    report = bring_in(
        tmp_path,
        """
        timezone: Europe/Berlin
        files:
          - file: people.csv
            partner:
              external_id: id
              first_name: First Name
              email: "{{ row['First Name'] | lower }}.{{ last_name | slug or 'x' }}@example.com"
              attributes: {employees: {value: "7"}, sector: {column: id, map: {u1: steel}, default: none known}}
            login: {if: last_login, partner: id, at: last_login}
            reward: {external_id: "r-{{ id }}", partner: id, amount: fee}
        """,
        taker,
    )
    assert report.total == Counts(2, 2, 0, 0)
    assert taker.rows == [
        [
            PartnerRecord("u1", "ann.lee@example.com", "Ann", attributes={"employees": 7, "sector": "steel"}),
            LoginRecord("u1", datetime(2017, 3, 1, 9, tzinfo=UTC)),
            RewardRecord("r-u1", "u1", 1250),
        ],
        [
            PartnerRecord("u2", "bob.x@example.com", "Bob", attributes={"employees": 7, "sector": "none known"}),
            RewardRecord("r-u2", "u2", 10),
        ],
    ]


def test_json_lines_are_read_with_their_types(tmp_path: Path, taker: Taker) -> None:
    rows = [
        {"id": 7, "lead": {"name": "Acme"}, "value": 10.10, "won": True, "at": "2017-03-01T10:00:00Z", "note": None},
        {"id": 8, "lead": {"name": None}, "value": None, "won": False, "at": None},
    ]
    (tmp_path / "deals.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n[1]\n{broken\n")
    report = bring_in(
        tmp_path,
        """
        files:
          - file: deals.jsonl
            referral:
              external_id: id
              partner: {value: p}
              lead_company: "{{ lead.name }}"
              amount: value
              status: {column: won, map: {"true": won, "false": lost}}
              status_at: at
              loss_reason: note
        """,
        taker,
    )
    assert taker.rows == [
        [ReferralRecord("7", "p", "Acme", amount=1010, status="won", status_at=datetime(2017, 3, 1, 10, tzinfo=UTC))],
        [ReferralRecord("8", "p", status="lost")],
    ]
    assert report.total == Counts(4, 2, 0, 2)
    told = [json.loads(line) for line in (tmp_path / "rejects/deals.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [(row["_line"], row["_text"]) for row in told] == [(4, "[1]"), (5, "{broken")]


def test_dates_are_iso_or_as_the_mapping_says_and_meant_in_its_zone(tmp_path: Path, taker: Taker) -> None:
    when = "submitted_at: {column: x, date_format: '%d.%m.%Y'}"
    assert values(tmp_path, taker, "10.11.2012", "submitted_at", when) == datetime(2012, 11, 10, tzinfo=UTC)
    assert values(tmp_path, taker, "2012-11-10", "submitted_at", when) == datetime(2012, 11, 10, tzinfo=UTC)
    assert values(tmp_path, taker, "2012-11-10T01:00+02:00", "submitted_at", when) == datetime(
        2012, 11, 9, 23, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("cell", "mapping", "reason"),
    [
        ("soon", "submitted_at: x", "submitted_at: 'soon' is not an ISO date such as 2026-11-02; name its format"),
        ("0001-01-01T00:00+14:00", "submitted_at: x", "is outside the years 1 to 9999"),
        ("12.345", "amount: x", "amount: '12.345' has more decimals than USD has"),
        ("12 EUR", "amount: x", "amount: '12 EUR' is not a number such as 1234.50"),
        ("NaN", "amount: x", "'NaN' is not a number"),
        ("New", "status: {column: x, map: {Won: won}}", "status: 'New' is not in the map; it has Won"),
        ("a", "lead_name: '{{ x / 2 }}'", "lead_name: the expression failed: unsupported operand"),
        ("a", "lead_name: '{{ x.y.z }}'", "lead_name: the expression failed"),
    ],
)
def test_a_value_that_cannot_be_read_rejects_the_row(
    tmp_path: Path, taker: Taker, cell: str, mapping: str, reason: str
) -> None:
    assert values(tmp_path, taker, cell, "external_id", mapping) is None
    assert reason in (tmp_path / "rejects/one.csv.rejects.csv").read_text()


# -- rejects -----------------------------------------------------------------------------------------------------------


def test_rejects_keep_line_reason_and_columns_and_can_be_mended_and_imported(tmp_path: Path, taker: Taker) -> None:
    source = tmp_path / "partners.csv"
    source.write_text('id;email\np1;a@example.com\np2\n"p3;b@example.com"x;\n\n"p\n4";d@example.com;e\np5;\n')
    text = PARTNERS.replace("partners.csv\n", "partners.csv\n    delimiter: ';'\n")
    report = bring_in(tmp_path, text, taker)
    assert report.total == Counts(5, 2, 0, 3)
    rejects = report.files[0].rejects
    assert rejects is not None
    assert rejects.read_text().splitlines() == [
        "_line;_reason;id;email",
        '3;"the row has 1 cell where the header has 2; look at its quotes and delimiters";p2',
        "4;\"the line is not CSV: ';' expected after '\"\"'; look at its quotes\"",
        '6;"the row has 3 cells where the header has 2; look at its quotes and delimiters";"p',
        '4";d@example.com;e',
    ]
    source.write_text("_line;_reason;id;email\n3;too short;p2;c@example.com\n")
    report = bring_in(tmp_path, text, taker)
    assert taker.rows[-1] == [PartnerRecord("p2", "c@example.com")]
    assert report.files[0].rejects is None
    assert not rejects.exists()


def test_rows_are_taken_in_batches_and_progress_is_told(tmp_path: Path, taker: Taker) -> None:
    (tmp_path / "partners.csv").write_text("id,email\n" + "p,\n" * 25)
    told: list[tuple[str, int, int]] = []
    bring_in(tmp_path, PARTNERS, taker, batch=10, progress=lambda *seen: told.append(seen))
    assert taker.batches == [10, 10, 5]
    assert told[-1] == ("partners.csv", 84, 84)


def test_a_report_adds_up(tmp_path: Path, taker: Taker) -> None:
    (tmp_path / "partners.csv").write_text("id,email\np,\nq,,,\n")
    counts = {"read": 2, "accepted": 1, "unchanged": 0, "rejected": 1}
    assert bring_in(tmp_path, PARTNERS, taker).as_json() == {
        "files": [{"file": "partners.csv", **counts}],
        "total": counts,
    }


# -- files that are wrong: nothing is taken of any ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no partners.csv; did you mean 'other.csv'?"),
        (b"", "partners.csv is empty; an export has at least a line that names its columns"),
        (b"id,id\n", "partners.csv has two columns 'id'; rename one of them"),
        (
            b"id,email\np,\n" + b"q,\n" * 300_000 + b"M\xfcller,\n",
            "line 300003 of partners.csv (byte 900,014) is not utf-8; write its encoding under its file: line, such as"
            " encoding: cp1252 for what Excel saves as CSV",
        ),
        (
            "id,email\n".encode("utf-16"),
            "line 1 of partners.csv (byte 1) is not utf-8; the file begins as UTF-16 does: write encoding: utf-16",
        ),
        (b"id,email\n" + b"x" * 3_000_000, "partners.csv has a line of more than 1,048,576 bytes"),
        (b"id,email\n\xc3", "line 2 of partners.csv (byte 10) is not utf-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_before_anything_is_taken(
    tmp_path: Path, taker: Taker, content: bytes | None, message: str
) -> None:
    (tmp_path / "other.csv").write_text("id,email\np,\n")
    if content is not None:
        (tmp_path / "partners.csv").write_bytes(content)
    text = PARTNERS.replace("files:\n", "files:\n  - {file: other.csv, partner: {external_id: id}}\n")
    with pytest.raises(InputError) as caught:
        bring_in(tmp_path, text, taker)
    assert message in str(caught.value)
    assert not taker.rows


def test_other_encodings_are_read(tmp_path: Path, taker: Taker) -> None:
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        (tmp_path / "partners.csv").write_bytes("id,email\nMüller,\n".encode(encoding))
        named = "" if encoding == "utf-8-sig" else f"\n    encoding: {encoding}"
        bring_in(tmp_path, PARTNERS.replace("partners.csv", f"partners.csv{named}"), taker)
        assert taker.rows[-1] == [PartnerRecord("Müller")]


def test_a_column_that_the_file_has_not_is_named_where_the_mapping_does(tmp_path: Path, taker: Taker) -> None:
    (tmp_path / "partners.csv").write_text("id,e-mail\np,\n")
    (tmp_path / "more.jsonl").write_text('{"id": 1}\n')
    more = "  - {file: more.jsonl, partner: {external_id: id, phone: phon, email: \"{{ row.get('mail') }}\"}}\n"
    with pytest.raises(AuthoringError) as caught:
        bring_in(tmp_path, PARTNERS + more, taker)
    path = tmp_path / "mapping.yaml"
    assert [str(problem) for problem in caught.value.problems] == [
        f"{path}:4:39: partners.csv has no column 'email'; did you mean 'e-mail'?",
        f"{path}:5:58: more.jsonl has no column 'phon'; known are id; if it is often left out,"
        " write {{ row.get('phon') }}",
    ]
    assert not taker.rows


@pytest.mark.parametrize(("mark", "name"), [(";", ";"), ("\t", "tab")])
def test_columns_that_another_delimiter_separates_are_one_problem(
    tmp_path: Path, taker: Taker, mark: str, name: str
) -> None:
    (tmp_path / "partners.csv").write_text(f"id{mark}email\np{mark}\n")
    with pytest.raises(AuthoringError) as caught:
        bring_in(tmp_path, PARTNERS, taker)
    (problem,) = caught.value.problems
    assert problem.message == f"the columns of partners.csv seem to be separated by '{name}'"
    assert problem.hint == f'write delimiter: "{name}" under its file: line'
    bring_in(tmp_path, PARTNERS.replace("partners.csv", f'partners.csv\n    delimiter: "{name}"'), taker)
    assert taker.rows == [[PartnerRecord("p")]]


# -- mappings that are wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{file: a.csv, partnr: {external_id: id}}", ["1:23: unknown key 'partnr' in a file; did you mean 'partner'?"]),
        (
            "{file: a.csv, partner: {external_id: id, mail: x}}",
            ["unknown key 'mail' in partner; did you mean 'email'?"],
        ),
        ("{file: a.csv, partner: {email: x}}", ["partner has no 'external_id'; add it"]),
        ("{file: a.csv}", ["a file makes no records; add one of company, staff"]),
        ("{file: ../a.csv, partner: {external_id: id}}", ["'../a.csv' is not a file in the imported folder"]),
        ("{file: a.csv, encoding: utf8x, partner: {external_id: id}}", ["'utf8x' is not an encoding"]),
        ("{file: a.csv, delimiter: ab, partner: {external_id: id}}", ["'ab' is not a delimiter"]),
        (
            "{file: a.csv, referral: {external_id: i, partner: p, status: {column: s, map: {W: wonn}}}}",
            ["unknown value 'wonn'; did you mean 'won'?"],
        ),
        (
            "{file: a.csv, referral: {external_id: i, partner: p, method: {value: fax}}}",
            ["unknown value 'fax'; known are form, verbal"],
        ),
        ("{file: a.csv, partner: {external_id: '{{ id | slugg }}'}}", ["did you mean 'slug'?"]),
        ("{file: a.csv, partner: {external_id: '{{ id '}}", ["this expression cannot be read"]),
        ("{file: a.csv, partner: {external_id: {map: {a: b}}}}", ["needs one of column, expression and value"]),
        (
            "{file: a.csv, partner: {external_id: i, joined_at: {column: j, date_format: '%d.%m'}}}",
            ["'%d.%m' does not hold a whole date"],
        ),
        (
            "{file: a.csv, partner: {external_id: i, phone: {column: j, date_format: '%d'}}}",
            ["unknown key 'date_format'"],
        ),
        (
            "{file: a.csv, partner: {external_id: i, attributes: {employees: {column: e, type: text}}}}",
            ["program.yaml declares 'employees' as number; take type: out"],
        ),
        (
            "{file: a.csv, partner: {external_id: i}}, {file: a.csv, login: {partner: i, at: a}}",
            ["a.csv stands here twice; put all its records under one entry"],
        ),
    ],
)
def test_every_problem_of_a_mapping_says_where_it_is_and_what_to_write(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    found = problems(tmp_path, f"files: [{text}]\n")
    assert len(found) == len(expected)
    for problem, part in zip(found, expected, strict=True):
        assert part in problem
        assert problem.startswith("1:")


def test_a_mapping_names_its_program_when_there_are_several(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(PARTNERS)
    with pytest.raises(AuthoringError, match="a mapping has no 'program'; name one of maven-partners, other"):
        load_mapping(tmp_path / "mapping.yaml", {PROGRAM.key: PROGRAM, "other": PROGRAM})


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        (tmp_path / "partners.csv").write_text("id,email\n" + "p,a@example.com\n" * rows)
        mapping = mapped(tmp_path, PARTNERS)
        tracemalloc.start()
        import_directory(
            tmp_path, mapping, lambda lot: [Taken(Outcome.REJECTED, "no")] * len(lot), rejects=tmp_path, batch=100
        )
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(40_000) < peak(2_000) + 2_500_000


@pytest.mark.parametrize(
    "expression",
    ["{{ 'a' * 10**10 }}", "{{ 9**(9**9) }}", "{{ 'a' * 10000000000 }}", "{{ 'a'.center(10000000000) }}"],
)
def test_an_expression_that_would_fill_the_memory_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="expression failed"):
        Expression(expression).read({})


def test_a_filter_that_widens_texts_is_not_known() -> None:
    with pytest.raises(ValueError, match="center"):
        Expression("{{ name | center(10000000000) }}")
