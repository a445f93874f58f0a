"""Parameters of links: on the hosts that are named, once, and without a change to anything else of the link."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.content.link_tags import Tagging
from engage.domain.programs import LinkTags
from tests.content.samples import context, one_email

RULE = LinkTags((("utm_source", "engage"), ("utm_campaign", "{campaign}")), ("partners.example.com",))
TAGGING = Tagging.of(
    RULE,
    {"program": "p", "campaign": "spring & more", "step": "s", "topic": "t"},
    ("https://partners.example.com/answer/",),
)
TAGS = "utm_source=engage&utm_campaign=spring%20%26%20more"


@pytest.mark.parametrize(
    ("link", "tagged"),
    [
        ("https://partners.example.com", f"https://partners.example.com?{TAGS}"),
        ("https://partners.example.com/refer", f"https://partners.example.com/refer?{TAGS}"),
        ("https://www.partners.example.com/", f"https://www.partners.example.com/?{TAGS}"),
        ("https://partners.example.com:8443/a?", f"https://partners.example.com:8443/a?{TAGS}"),
        ("https://partners.example.com/a?b=c%20d&e", f"https://partners.example.com/a?b=c%20d&e&{TAGS}"),
        ("https://partners.example.com/a#top", f"https://partners.example.com/a?{TAGS}#top"),
        ("https://partners.example.com/a?x=1#/b?c", f"https://partners.example.com/a?x=1&{TAGS}#/b?c"),
        (
            "https://partners.example.com/a?utm_source=mine",
            "https://partners.example.com/a?utm_source=mine&utm_campaign=spring%20%26%20more",
        ),
    ],
)
def test_a_link_gets_what_it_lacks_behind_its_own_parameters_and_before_its_fragment(link: str, tagged: str) -> None:
    assert TAGGING.link(link) == tagged
    assert TAGGING.link(tagged) == tagged, "and never twice"


@pytest.mark.parametrize(
    "link",
    [
        "http://partners.example.com/",
        "https://example.com/",
        "https://notpartners.example.com/",
        "https://partners.example.com.evil.example/",
        "https://partners.example.com@evil.example/",
        "https://partners.example.com/answer/abc.def",
        "https://partners.example.com/file?X-Amz-Signature=abc&x=1",
        "mailto:ann@partners.example.com",
        "tel:+4912345",
        "https://[broken",
        "",
    ],
)
def test_other_links_and_those_that_are_signed_stay_as_they_are(link: str) -> None:
    assert TAGGING.link(link) == link


@given(
    st.from_regex(r"(/[a-z%~_-]{0,5}){0,3}", fullmatch=True),
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "utm_source"]), st.text(alphabet="xy z&=#é", max_size=4)), max_size=3
    ),
    st.sampled_from(["", "#x", "#x?utm_source=no"]),
)
def test_what_a_link_said_before_it_still_says(path: str, query: list[tuple[str, str]], fragment: str) -> None:
    before = f"https://partners.example.com{path}{'?' if query else ''}{urlencode(query)}{fragment}"
    after = TAGGING.link(before)
    old, new = urlsplit(before), urlsplit(after)
    assert (old.hostname, old.path, old.fragment) == (new.hostname, new.path, new.fragment)
    said, says = (parse_qsl(parts.query, keep_blank_values=True) for parts in (old, new))
    assert says[: len(said)] == said
    assert {name for name, _ in says} == {name for name, _ in said} | {"utm_source", "utm_campaign"}
    assert len(says) == len(said) + 2 - ("utm_source" in dict(said))


def test_links_of_both_forms_are_tagged_and_the_rest_of_the_mail_is_not_touched() -> None:
    email = one_email(
        "Hello {{ partner.name }}, [refer](https://partners.example.com/refer?a=1&b=2)"
        " or see https://other.example.com/x.\n\nMore (https://partners.example.com/more).\n",
        'subject: "S"\nbutton: {label: "Go", url: "{{ links.portal }}"}',
    ).get("x")
    plain = email.render(context(partner={**context()["partner"], "name": "https://partners.example.com/ann"}))
    mail = TAGGING.mail(plain)
    escaped = TAGS.replace("&", "&amp;")
    assert f'href="https://partners.example.com/refer?a=1&amp;b=2&amp;{escaped}"' in mail.html
    assert f'href="https://partners.example.com?{escaped}"' in mail.html
    assert "https://partners.example.com/ann" in mail.html
    assert f"(https://partners.example.com/more?{TAGS})." in mail.text
    assert f"refer: https://partners.example.com/refer?a=1&b=2&{TAGS} or see https://other.example.com/x." in mail.text
    assert mail.subject == plain.subject
    assert mail.html.replace(f"&amp;{escaped}", "").replace(f"?{escaped}", "") == plain.html
