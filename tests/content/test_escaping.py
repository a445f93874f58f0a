"""Whatever a partner, a lead or a company is called stays text: never markup, Markdown, Jinja or a header."""

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.content.samples import context, one_email, partner, referral, tier

BODY = """# For {{ referral.lead_company }}

Hello {{ partner.greeting_name }}, *{{ partner.company }}* and
[{{ partner.region }}](https://example.com/{{ partner.name }})

- {{ partner.greeting_name }}
{% for leader in leaders %}
- {{ leader.label }}
{% endfor %}

{{ blocks.referral_card(referral) }}

{{ blocks.status_ladder(referral) }}

{{ blocks.tier_progress(tier) }}

{{ blocks.leaderboard(leaders) }}

{{ blocks.numbers([(partner.company, partner.region)]) }}

{{ blocks.tip(partner.company) }}

{{ blocks.evidence([]) }}
"""
HEAD = """subject: "For {{ referral.lead_company }}"
preview: "From {{ partner.greeting_name }}"
button: {label: "Go, {{ partner.greeting_name }}", url: "https://example.com/?q={{ partner.company }}"}"""
TEMPLATE = one_email(BODY, HEAD).get("x")

NASTY = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "{{ 7*7 }}",
        "{% if x %}",
        "{# gone #}",
        '"><img src=x onerror=alert(1)>',
        "**bold** [x](javascript:alert(1)) `code`",
        "Dana\r\nBcc: everyone@example.com",
        "&amp;lt; &#60;",
        "]]>--><!--",
        "xQ0001x",
        "\u202egnirts",
        "יעל 👩‍👩‍👧",
    ]
)
ANY_TEXT = st.one_of(NASTY, st.text(max_size=60))


class Skeleton(HTMLParser):
    """The tags and attribute names of a page, and the texts between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def skeleton(html: str) -> Skeleton:
    found = Skeleton()
    found.feed(html)
    return found


def with_name(name: str) -> dict[str, object]:
    """A context in which everything that comes from data is called `name`."""
    return context(
        partner=partner(greeting_name=name, company=name, region=name, name=name),
        referral=referral(lead_company=name, lead_name=name, product=name, salesperson_name=name),
        tier=tier(next=name, next_benefit=name),
        leaders=[{"place": 1, "label": name, "value": 3}],
    )


PLAIN = TEMPLATE.render(with_name("Plain Name"))


@settings(max_examples=60, deadline=None)
@given(name=ANY_TEXT.filter(lambda text: text.strip()))
def test_a_name_never_becomes_markup_or_jinja(name: str) -> None:
    rendered = TEMPLATE.render(with_name(name))
    assert skeleton(rendered.html).tags == skeleton(PLAIN.html).tags
    assert rendered.html.count("<!--") == PLAIN.html.count("<!--")
    assert "\n" not in rendered.subject
    assert "\r" not in rendered.subject
    assert rendered.text.count("\n") <= PLAIN.text.count("\n")


def test_jinja_in_a_name_is_shown_as_it_was_written() -> None:
    rendered = TEMPLATE.render(with_name("{{ 7*7 }} **x** <b>"))
    assert rendered.subject == "For {{ 7*7 }} **x** <b>"
    assert "Hello {{ 7*7 }} **x** &lt;b&gt;" in rendered.html
    assert "Hello {{ 7*7 }} **x** <b>" in rendered.text
    assert "49" not in rendered.text


def test_a_name_cannot_add_a_header() -> None:
    assert TEMPLATE.render(with_name("Dana\r\nBcc: all@example.com")).subject == "For Dana Bcc: all@example.com"


def test_a_name_in_an_address_is_quoted() -> None:
    html = TEMPLATE.render(with_name('a&b="c" /d')).html
    assert 'href="https://example.com/?q=a%26b%3D%22c%22%20%2Fd"' in html


def test_an_address_from_data_cannot_run_scripts() -> None:
    template = one_email("[go]({{ partner.company }})").get("x")
    rendered = template.render(context(partner=partner(company="https://example.com/a b?c=1&d=2")))
    assert 'href="https://example.com/a%20b?c=1&amp;d=2"' in rendered.html
    assert "go: https://example.com/a%20b?c=1&d=2" in rendered.text


def test_an_address_may_depend_on_a_condition() -> None:
    target = "{% if partner.region %}{{ links.portal }}{% else %}{{ links.refer }}{% endif %}"
    for region, address in (("x", "https://partners.example.com"), ("", "https://partners.example.com/refer")):
        rendered = one_email(f"[go]({target})").get("x").render(context(partner=partner(region=region)))
        assert f'href="{address}"' in rendered.html
    target = "https://example.com/{% if partner.region %}{{ partner.region }}{% endif %}"
    rendered = one_email(f"[go]({target})").get("x").render(context(partner=partner(region="a/b")))
    assert 'href="https://example.com/a%2Fb"' in rendered.html


def test_emoji_and_other_scripts_arrive_whole() -> None:
    rendered = TEMPLATE.render(with_name("יעל 👩‍👩‍👧 شركة"))
    assert "יעל 👩‍👩‍👧 شركة" in rendered.html
    assert "יעל 👩‍👩‍👧 شركة" in rendered.text


def test_what_the_author_escaped_stays_text() -> None:
    rendered = one_email(r"Braces {\{ 7*7 }}, {\% if %} and {\# x #}").get("x").render(context())
    assert "Braces {{ 7*7 }}, {% if %} and {# x #}" in rendered.text
    assert "Braces {{ 7*7 }}, {% if %} and {# x #}" in rendered.html
