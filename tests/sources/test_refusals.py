"""A CSV of what people said before: what its rows mean, and what is said of what cannot be read."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.errors import InputError, UsageError
from engage.domain.records import Outcome
from engage.sources.refusals import COLUMNS, KINDS, UNSUBSCRIBE, Reading, RefusalsReport, import_refusals
from tests.support.intake import crm_program

PROGRAM = crm_program()
BOUNCE = SuppressionReason.BOUNCE


class File:
    """A file, and what was handed over of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "said.csv"
        self.taken: list[Refusal] = []

    def read(
        self,
        text: str | bytes,
        kind: str = "",
        topic: str = "",
        encoding: str = "utf-8",
        date_format: str | None = None,
    ) -> RefusalsReport:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        reading = Reading(PROGRAM, kind, topic, encoding, date_format)
        return import_refusals(self.path, reading, self._take, self.path.parent / "rejects")

    def _take(self, refusals: Sequence[Refusal]) -> list[Outcome]:
        self.taken += refusals
        return [Outcome.ACCEPTED] * len(refusals)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_each_row_is_one_no(file: File) -> None:
    file.read(
        "Email Address,KIND,Topic,Unsub-Time,source,member rating\n"
        "Ann@Example.COM,Unsubscribed,tips,2025-03-01,by phone,5\n"
        "ann@example.com,Opt_Out,,2025-03-01T08:00:00+01:00,,5\n"
        "bob@example.com,hard bounces,tips,1735689600,,5\n"
    )
    assert [astuple(one) for one in file.taken] == [
        ("ann@example.com", None, "tips", datetime(2025, 3, 1, tzinfo=UTC), "by phone"),
        ("ann@example.com", SuppressionReason.STOP_ALL, None, datetime(2025, 3, 1, 7, tzinfo=UTC), "said.csv"),
        ("bob@example.com", BOUNCE, None, datetime(2025, 1, 1, tzinfo=UTC), "said.csv"),
    ]


def test_what_a_file_does_not_say_is_said_of_the_whole(file: File) -> None:
    file.read("email\nann@example.com\n", kind="unsubscribe", topic="tips")
    file.read("email\nann@example.com\n", kind="Bounces")
    assert [(one.topic, one.reason) for one in file.taken] == [("tips", None), (None, BOUNCE)]


@pytest.mark.parametrize(
    "content",
    [
        "email;kind\nann@example.com;bounce\n".encode("utf-8-sig"),
        b"email\tkind\r\nann@example.com\tbounce\r\n",
        b'"email","kind"\n"ann@example.com","bounce"',
    ],
)
def test_delimiters_and_line_ends_are_found_out(file: File, content: bytes) -> None:
    assert file.read(content).counts.accepted == 1
    assert file.taken == [Refusal("ann@example.com", BOUNCE, source="said.csv")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ann@example.com,unsubscribe,tipps,", "unknown topic 'tipps'; did you mean 'tips'?"),
        ("ann@example.com,unsubscribe,referral-status,", "is transactional and cannot be refused alone"),
        ("nobody,bounce,,", "email 'nobody' is not valid"),
        (",bounce,,", "email is missing"),
        ("ann@example.com,,,", "kind is missing"),
        ("ann@example.com,holiday,,", "unknown kind 'holiday'; write unsubscribe, stop_all"),
        ("ann@example.com,Soft Bounce,,", "'Soft Bounce' passes"),
        ("ann@example.com,bounce,,tomorrow", "'tomorrow' is not a date"),
        ("ann@example.com,bounce,,0001-01-01T00:00:00+14:00", "is not a date"),
        ("ann@example.com,group_unsubscribe,,", "topic is missing"),
        ("ann@example.com", "the row has 1 cell where the header has 4"),
        ("ann@example.com,bounce", "the row has 2 cells where the header has 4"),
        ('ann@example.com,"bounce" x,,', "the line is not CSV"),
    ],
)
def test_a_row_that_cannot_be_taken_is_kept_with_line_and_reason(file: File, row: str, reason: str) -> None:
    report = file.read(f"email,kind,topic,at\nbob@example.com,bounce,,\n{row}\n")
    assert (report.counts.accepted, report.counts.rejected) == (1, 1)
    assert report.rejects is not None
    kept = report.rejects.read_text().splitlines()
    assert kept[0] == "_line,_reason,email,kind,topic,at"
    assert kept[1].startswith("3,")
    assert reason in kept[1].replace('""', '"')


def test_people_whom_a_quote_made_one_row_are_rejected_each_with_their_line(file: File) -> None:
    report = file.read(
        'email,kind,source\nst1@example.com,bounce,"CRM\nst2@example.com,bounce,CRM\n\n'
        'st3@example.com,bounce,CRM"\nst4@example.com,bounce,"by\nphone"\n'
    )
    assert (report.counts.read, report.counts.accepted, report.counts.rejected, report.joined) == (4, 1, 3, 3)
    assert [one.email for one in file.taken] == ["st4@example.com"]
    assert report.rejects is not None
    said = "lines 2 to 5 were read as one row; look at the quotes in line 2"
    assert report.rejects.read_text().splitlines()[1:] == [
        f"2,{said},st1@example.com,bounce,CRM",
        f"3,{said},st2@example.com,bounce,CRM",
        f'5,{said},st3@example.com,bounce,"CRM"""',
    ]
    assert file.read(report.rejects.read_text()).counts.accepted == 3


def test_a_quote_that_is_never_closed_loses_nobody(file: File) -> None:
    people = [f"p{n}@example.com,bounce,CRM" for n in range(9000)]
    people[10] = people[10].replace("CRM", '"CRM')
    report = file.read("email,kind,source\n" + "\n".join(people) + "\n")
    assert report.counts.read == 9000
    assert report.rejects is not None
    kept = report.rejects.read_text().splitlines()[1:]
    assert len(kept) == report.counts.rejected == report.joined > 1000
    assert kept[0].startswith("12,lines 12 to ")
    assert file.read(report.rejects.read_text()).counts.accepted + report.counts.accepted == 9000


@pytest.mark.parametrize(
    ("at", "date_format", "instant"),
    [
        ("1735689600", None, datetime(2025, 1, 1, tzinfo=UTC)),
        ("1735689600123", None, datetime(2025, 1, 1, tzinfo=UTC)),
        ("1212121212345", None, datetime(2008, 5, 30, 4, 20, 12, tzinfo=UTC)),
        ("1212121212345", "%d.%m.%Y", datetime(2008, 5, 30, 4, 20, 12, tzinfo=UTC)),
        ("02.11.2025 09:30", "%d.%m.%Y %H:%M", datetime(2025, 11, 2, 9, 30, tzinfo=UTC)),
        ("2025-11-02", "%d.%m.%Y", datetime(2025, 11, 2, tzinfo=UTC)),
        ("2025110209", "%Y%m%d%H", datetime(2025, 11, 2, 9, tzinfo=UTC)),
    ],
)
def test_dates_are_read_in_the_form_that_is_said_in_iso_and_since_1970(
    file: File, at: str, date_format: str | None, instant: datetime
) -> None:
    file.read(f"email,kind,at\nann@example.com,bounce,{at}\n", date_format=date_format)
    assert [one.at for one in file.taken] == [instant]


def test_sendgrids_events_are_kinds_and_topics_are_known_in_any_case(file: File) -> None:
    file.read("email,event,topic\nann@example.com,group_unsubscribe,TIPS\nbob@example.com,spamreport,\n")
    assert [(one.topic, one.reason) for one in file.taken] == [("tips", None), (None, SuppressionReason.COMPLAINT)]


def test_a_topic_for_a_kind_that_has_none_is_a_wrong_call(file: File) -> None:
    with pytest.raises(UsageError, match="has no topic"):
        file.read("email\nann@example.com\n", kind="bounce", topic="tips")


def test_the_mended_rejects_can_be_imported(file: File) -> None:
    report = file.read("email,kind\nnobody,bounce\n")
    assert report.rejects is not None
    assert file.read(report.rejects.read_text().replace(",nobody,", ",ann@example.com,")).counts.accepted == 1


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"mail2,kind\nx,y\n", {}, "has no column 'email'"),
        (b"email\nann@example.com\n", {}, "has no column 'kind'"),
        (b"email,kind,E-Mail\na,b,c\n", {}, "two columns that could be email"),
        (b"email,email\na,b\n", {}, "two columns 'email'"),
        (b"", {}, "is empty"),
        (b"email,kind\n", {"kind": "holiday"}, "unknown kind 'holiday'"),
        (b"email,kind\n", {"topic": "tipps"}, "unknown topic 'tipps'"),
        (b'email,"kind\nann@example.com,bounce\nbob@example.com,bounce"\n', {}, "goes over several lines"),
        ("email,kind\n".encode("utf-8-sig"), {"encoding": "cp1252"}, "is not cp1252"),
        (b"email,kind\n", {"encoding": "klingon"}, "there is no encoding 'klingon'"),
        (b"email,kind\nann@example.com,bounce\nbob@example.com,caf\xe9\n", {}, "line 3 of said.csv is not utf-8"),
        ("email,kind\n".encode("utf-16"), {}, "line 1 of said.csv is not utf-8"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_refused_before_anything_is_taken(
    file: File, content: bytes, options: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        file.read(content, **options)
    assert refused.value.hint or "two columns" in said
    assert file.taken == []


def test_a_file_that_is_not_there_is_named(file: File) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        import_refusals(file.path, Reading(PROGRAM), lambda _: [], None)


def test_every_word_is_known_in_the_form_in_which_it_is_looked_up() -> None:
    assert {word for words in COLUMNS.values() for word in words} | set(KINDS) == {
        " ".join(word.replace("-", " ").replace("_", " ").casefold().split())
        for word in [*(word for words in COLUMNS.values() for word in words), *KINDS]
    }
    of_engage = {SuppressionReason.REVIEW, SuppressionReason.FORGOTTEN}  # its own doubt, and its own memory
    said_by_others = set(SuppressionReason) - of_engage
    assert set(KINDS.values()) == {UNSUBSCRIBE, *said_by_others}
