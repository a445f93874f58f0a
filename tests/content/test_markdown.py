"""Markdown and Jinja in one text: neither spoils the other, in HTML and in plain text alike."""

import re

import pytest

from engage.content import Templates
from tests.content.samples import PARSE_FACT, context, one_email, partner, referral, shared_sources


def render(body: str, **changes: object) -> tuple[str, str]:
    """The body's HTML without styles and layout, and its text without the footer."""
    rendered = one_email(body).get("x").render(context(**changes))
    inner = re.search(r'<td[^>]*class="ink breaks"[^>]*><div[^>]*>(.*?)</div></td>', rendered.html, re.DOTALL)
    assert inner
    html = re.sub(r' (?:style|class|target)="[^"]*"', "", inner[1])
    return re.sub(r"\s*\n\s*", "", html).strip(), rendered.text.split(f"\n{'-' * 40}\nYou receive")[0].strip()


def test_paragraphs_emphasis_and_links() -> None:
    html, text = render("Hello *{{ partner.greeting_name }}*,\nsee **[the portal]({{ links.portal }})**.")
    portal = '<strong><a href="https://partners.example.com">the portal</a></strong>'
    assert html == f"<p>Hello <em>Dana</em>,see {portal}.</p>"
    assert text == "Hello Dana, see the portal: https://partners.example.com."


def test_an_address_of_mail_or_telephone_stands_in_the_text_part_once() -> None:
    html, text = render(
        "[Write to them](mailto:{{ partner.email }}), or call [{{ partner.phone }}](tel:{{ partner.phone }})."
    )
    assert text == "Write to them: dana.whitfield@example.com, or call +1 617 555 0142."
    assert 'href="mailto:dana.whitfield@example.com"' in html


def test_a_condition_on_its_own_lines_stands_around_paragraphs() -> None:
    body = "Before\n{% if referral.amount %}\nWorth {{ referral.amount | money }}.\n\nGood.\n{% endif %}\nAfter"
    assert render(body)[0] == "<p>Before</p><p>Worth $48,500.</p><p>Good.</p><p>After</p>"
    html, text = render(body, referral=referral(amount=None))
    assert html == "<p>Before</p><p>After</p>"
    assert text == "Before\n\nAfter"


def test_a_condition_inside_a_line_belongs_to_its_paragraph() -> None:
    body = "Worth{% if referral.amount %} **{{ referral.amount | money }}**{% else %} a lot{% endif %}."
    assert render(body)[0] == "<p>Worth <strong>$48,500</strong>.</p>"
    assert render(body, referral=referral(amount=None)) == ("<p>Worth a lot.</p>", "Worth a lot.")


def test_a_loop_around_an_item_makes_one_list() -> None:
    body = "{% for one in leaders %}\n- {{ one.label }}\n{% endfor %}"
    html, text = render(body)
    assert html == "<ul><li>a partner in Texas</li><li>a partner in Ontario</li><li>a fellow partner</li></ul>"
    assert text == "- a partner in Texas\n- a partner in Ontario\n- a fellow partner"
    assert render("One\n\n" + body, leaders=[]) == ("<p>One</p>", "One")


def test_a_loop_around_a_numbered_item_counts() -> None:
    body = "{% for one in leaders %}\n1. {{ one.label }}\n{% endfor %}\n\nEnd"
    html, text = render(body)
    assert html.startswith("<ol><li>a partner in Texas</li><li>")
    assert html.endswith("</li></ol><p>End</p>")
    assert text == "1. a partner in Texas\n2. a partner in Ontario\n3. a fellow partner\n\nEnd"


def test_items_before_between_and_after_tags_stay_one_list() -> None:
    body = (
        "- first\n{% for one in leaders %}\n- {{ one.place }}\n{% endfor %}\n"
        "{% if partner.region %}\n- region\n{% endif %}\n- last"
    )
    html, text = render(body, partner=partner(region=""))
    items = "".join(f"<li>{item}</li>" for item in ("first", "1", "2", "2", "last"))
    assert html == f"<ul>{items}</ul>"
    assert text == "- first\n- 1\n- 2\n- 2\n- last"


def test_an_item_that_is_one_condition_leaves_no_bullet_behind() -> None:
    body = "- always\n- {% if partner.region %}in {{ partner.region }}{% endif %}"
    assert render(body)[1] == "- always\n- in Massachusetts"
    assert render(body, partner=partner(region="")) == ("<ul><li>always</li></ul>", "- always")


def test_nested_lists_and_loops_inside_items() -> None:
    loop = "  {% for one in leaders %}\n  - {{ one.place }}\n  {% endfor %}"
    html, text = render("- outer\n  - inner {{ partner.greeting_name }}\n- second\n" + loop)
    inner = "<ul><li>1</li><li>2</li><li>2</li></ul>"
    assert html == f"<ul><li>outer<ul><li>inner Dana</li></ul></li><li>second{inner}</li></ul>"
    assert text == "- outer\n  - inner Dana\n- second\n  - 1\n  - 2\n  - 2"


def test_headings_quotes_and_rules() -> None:
    html, text = render("# One\n\n## Two\n\n> Said {{ partner.greeting_name }}\n\n---\n\nEnd")
    assert html == "<h1>One</h1><h2>Two</h2><blockquote><p>Said Dana</p></blockquote><hr><p>End</p>"
    assert text == f"One\n\nTwo\n{'-' * 40}\n\n> Said Dana\n\n* * *\n\nEnd"


def test_tags_over_several_lines() -> None:
    html, text = render('{{ blocks.numbers([\n    ("Wins", "3"),\n    ("Open", none),\n]) }}\n\nEnd')
    assert "Wins" in html
    assert "Open" not in html
    assert text == "Wins: 3\n\nEnd"


def test_comments_and_whitespace_control_leave_no_trace() -> None:
    assert render("a\n\n{# a note, {{ partner.x }} #}\n\n{%- if true -%}\nb\n{%- endif -%}\nc")[1] == "a\n\nb\n\nc"


def test_html_in_markdown_is_text() -> None:
    html, _ = render("a \\<b>x</b> <x> & &copy; `code`")
    assert html == "<p>a &lt;b&gt;x&lt;/b&gt; &lt;x&gt; &amp; © `code`</p>"


def test_set_keeps_a_value_for_later() -> None:
    assert render("{% set who = partner.greeting_name | upper %}\n\nHello {{ who }}")[1] == "Hello DANA"


def test_the_button_stands_where_it_is_put_and_else_at_the_end() -> None:
    head = 'subject: S\nbutton: {label: "Go {{ partner.greeting_name }}", url: "{{ links.refer }}"}'
    placed = "One\n\n{{ button }}\n\nTwo", "One\n\nGo Dana: {}\n\nTwo"
    for body, order in (placed, ("One\n\nTwo", "One\n\nTwo\n\nGo Dana: {}")):
        rendered = one_email(body, head).get("x").render(context())
        assert rendered.text.startswith(order.format("https://partners.example.com/refer"))
        assert rendered.html.count('href="https://partners.example.com/refer"') == 1


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        ("One\n\n{% if partner.region %}\nTwo {% endif %}\n", "7:1", "'{% if %}' has its other half outside this"),
        ("**{% if partner.region %}a** b{% endif %}", "5:3", "has its other half outside this emphasis or link"),
        ("- {% if partner.region %}a\n- b{% endif %}", "5:3", "has its other half outside this paragraph"),
        ("Here {{ blocks.tip('x') }} it is", "5:6", "'blocks.tip' stands inside a line"),
        ("{{ button }}", "5:1", "there is no button"),
    ],
)
def test_tags_that_cross_blocks_are_refused_with_their_place(body: str, place: str, message: str) -> None:
    source = f"---\nsubject: S\npreview: P\n---\n{body}"
    _, problems = Templates.from_sources({**shared_sources(), "x.md": source}, PARSE_FACT)
    assert [str(p) for p in problems if str(p).startswith(f"x.md:{place}: ") and message in str(p)], problems


def test_what_follows_a_name_from_right_to_left_stays_behind_it() -> None:
    _, text = render("{{ partner.name }}, 7 wins, {{ partner.region }}", partner=partner(name="ליאור", region="Texas"))
    assert text == "ליאור\u200e, 7 wins, Texas"
