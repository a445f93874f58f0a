"""What is shown as a likely duplicate: written otherwise, but not merely similar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.likeness import companies_alike, company_words, people_alike, phone_digits, pieces_of

SAME = [
    ("Acme Ltd", "ACME, Inc."),
    ("Müller & Söhne GmbH", "Mueller und Soehne"),
    ("Müller & Söhne GmbH", "Muller Sohne"),
    ("S.A. Dupont", "Dupont"),
    ("Data Works LLC", "DataWorks"),
    ("Harborline Logistics", "Harbourline Logistics Inc"),
    ("Harborline Logistics", "Harborline"),
    ("Fennimore & Sons", "Fenimore and Sons"),
    ("The Bluewater Clinics", "Bluewater Clinics Group"),
    ("3M", "3M Company"),
    ("株式会社アクメ", "株式会社アクメ"),
    ("Großmann AG", "GROSSMANN"),
    ("O'Brien’s", "OBriens"),
]
OTHER = [
    ("Acme Foods", "Acme Logistics"),
    ("Bluewater Clinics", "Blackwater Clinics"),
    ("Northwind", "Southwind"),
    ("AB Limited", "Limited AB Brewing"),
    ("ABC", "ABD"),
    ("", "Acme"),
    ("...", "---"),
    ("Ardent Foods", "Arden Road Foundation"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_company_is_known_however_it_is_written(one: str, other: str) -> None:
    assert companies_alike(one, other)
    assert companies_alike(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_another_company_is_none_of_its_likes(one: str, other: str) -> None:
    assert not companies_alike(one, other)
    assert not companies_alike(other, one)


def test_a_name_of_legal_forms_alone_is_told_by_them() -> None:
    assert company_words("The Company Ltd.") == ("the", "company", "ltd")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann Smith", "ann  SMITH"),
        ("Smith, Ann", "Ann Smith"),
        ("Ann Maria Smith", "Ann Smith"),
        ("Zoë Müller", "Zoe Muller"),
        ("Jonathan Whitfield", "Jonathon Whitfield"),
        ("Ann", "ann"),
    ],
)
def test_a_person_is_known_however_they_are_written(one: str, other: str) -> None:
    assert people_alike(one, other)
    assert people_alike(other, one)


@pytest.mark.parametrize(("one", "other"), [("Ann Smith", "Ann Stone"), ("Ann", "Ann Smith"), ("", ""), ("Al", "Ed")])
def test_other_people_are_not(one: str, other: str) -> None:
    assert not people_alike(one, other)


def test_a_number_is_known_with_and_without_its_country() -> None:
    assert phone_digits("+49 (170) 123-4567") == phone_digits("0170 1234567") == "01234567"
    assert phone_digits("555") == ""


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_is_mutual_and_takes_whatever_is_written(one: str, other: str) -> None:
    assert companies_alike(one, other) == companies_alike(other, one)
    assert people_alike(one, other) == people_alike(other, one)


@pytest.mark.parametrize(("one", "other"), [pair for pair in SAME if pair[0].isascii()])
def test_a_like_name_is_found_by_some_piece_of_it(one: str, other: str) -> None:
    assert any(piece in other.casefold() for piece in pieces_of(company_words(one)))
