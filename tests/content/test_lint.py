"""Every mistake of an author is found before anything is sent, all at once, each with its exact place and a way out."""

from pathlib import Path

import pytest

from engage.content import Templates, load_templates
from engage.content.library import BLOCKS_HTML, LAYOUT_HTML
from engage.domain.errors import InputError
from engage.domain.facts import Subject
from tests.content.samples import PARSE_FACT, TEMPLATES, one_email, shared_sources


def problems_of(source: str) -> list[str]:
    """What loading an email says."""
    _, problems = Templates.from_sources({**shared_sources(), "x.md": source}, PARSE_FACT)
    return [str(problem) for problem in problems]


def lint(
    body: str, head: str = "subject: S", subject: Subject = Subject.REFERRAL, audience: str = "partner"
) -> list[str]:
    """What lint says of an email that loads; its body begins on line 4."""
    return [str(problem) for problem in one_email(body, head).get("x").lint(subject, audience)]


FACTS = "subject: S\nfacts:\n  wins: {wins: {last: 90d}}\n  rate: {win_rate: {last: 90d}}"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("Hello {{ partner.frist_name }}", "4:18: unknown field 'frist_name' of 'partner'; did you mean 'first_name'?"),
        ("Hello\n\n  {{ parnter.name }}", "6:6: unknown name 'parnter'; did you mean 'partner'?"),
        ("{{ reward.amount | money }}", "4:4: unknown name 'reward'"),
        (
            "It is {{ referral.amount }}",
            "4:10: 'referral.amount' would show an amount raw; write {{ referral",
        ),
        (
            "{{ partner.joined_at }}",
            "4:4: 'partner.joined_at' would show a date raw; write {{",
        ),
        ("{{ referral.amount | money }}", "4:4: 'referral.amount' may be empty; wrap it in {% if referral.amount %}"),
        (
            "Hello {{ partner.first_name }}",
            "4:10: 'partner.first_name' may be empty; write {{ partner.greeting",
        ),
        ("{{ tier.next_benefit | default('x') }}", "4:4: 'tier' may be empty; wrap it in {% if tier %}"),
        ("{{ tier }}", "4:4: 'tier' is not a text"),
        ("{{ partner.email.x }}", "4:18: 'partner.email' has no fields; it is a plain value"),
        ("{{ leaders.label }}", "4:12: 'leaders' has no fields; it is a list: loop over it"),
        (
            "{% for one in leaders %}\n- {{ one.lable }}\n{% endfor %}",
            "5:10: unknown field 'lable' of 'one'",
        ),
        ("{% for one in partner.email %}{{ one }}{% endfor %}", "4:15: 'partner.email' is no list"),
        ("{% set a = referral.amuont %}x", "4:21: unknown field 'amuont' of 'referral'"),
        ("{% if refferal.amount %}x{% endif %}", "4:7: unknown name 'refferal'; did you mean 'referral'?"),
        ("[x]({{ links.referal }})", "4:14: unknown field 'referal' of 'links'; did you mean 'referral'?"),
        ("{{ blocks.numbers([('a', referral.amount)]) }}", "4:26: 'referral.amount' would show an amount raw"),
        ("{{ blocks.referral_card(refferal) }}", "4:25: unknown name 'refferal'"),
    ],
)
def test_lint_finds_mistakes_and_their_place(body: str, says: str) -> None:
    found = lint(body)
    assert any(problem.startswith(f"x.md:{says}") for problem in found), found


@pytest.mark.parametrize(
    "body",
    [
        "{% if referral.amount %}{{ referral.amount | money }}{% endif %}",
        "{% if not referral.amount %}none{% else %}{{ referral.amount | money }}{% endif %}",
        "{{ referral.amount | money if referral.amount else 'open' }}",
        "{{ partner.first_name or partner.greeting_name }}",
        "{{ partner.region | default('your region') }}",
        "{% if tier and tier.next %}{{ tier.next }}{% endif %}",
        "{{ blocks.tier_progress(tier) }}",
        "{% for one in leaders if one.value > 1 %}\n- {{ loop.index }} {{ one.label }}\n{% endfor %}",
        "{% set best = leaders | first %}{{ best.label }}",
        "{% for number in range(3) %}{{ number }}{% endfor %}",
    ],
)
def test_lint_lets_good_templates_pass(body: str) -> None:
    assert lint(body) == []


def test_facts_are_known_by_the_front_matter_with_their_types() -> None:
    assert lint("{{ facts.wins }} {{ facts.wins | plural('win', 'wins') }}", FACTS) == []
    assert lint("{{ facts.rate }}", FACTS)[0].startswith("x.md:7:4: 'facts.rate' may be empty")
    assert "did you mean 'wins'?" in lint("{{ facts.win }}", FACTS)[0]


def test_lint_depends_on_what_the_campaign_is_for_and_whom_it_is_written_to() -> None:
    assert lint("{{ referral.status }}", subject=Subject.REFERRAL) == []
    assert "unknown name 'referral'" in lint("{{ referral.status }}", subject=Subject.PARTNER)[0]
    assert "may be empty" in lint("{{ referral.status }}", subject=Subject.REWARD)[0]
    assert lint("{{ reward.amount | money }}", subject=Subject.REWARD) == []
    assert lint("{{ staff.first_name }}", audience="staff") == []
    assert "unknown name 'staff'" in lint("{{ staff.first_name }}")[0]
    head = "subject: S\nfacts:\n  days: days_in_status"
    assert lint("{{ facts.days | default(0) }}", head) == []
    assert "is a fact of referrals" in lint("x", head, Subject.PARTNER)[0]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("Hello", "x.md:1:1: the file does not begin with '---'"),
        ("---\nsubject: S\nHello", "x.md:1:1: the front matter does not end"),
        ("---\npreview: P\n---\nHello", "the front matter has no 'subject'"),
        (
            "---\nsubject: S\nsubjct: T\n---\nx",
            "x.md:3:1: unknown key 'subjct' in the front matter",
        ),
        (
            "---\nsubject: S\nbutton: {lable: x, url: y}\n---\nx",
            "x.md:3:10: unknown key 'lable' in the button",
        ),
        ("---\nsubject: S\nfrom: ceo\n---\nx", "x.md:3:7: unknown sender 'ceo'"),
        (
            "---\nsubject: S\nfacts:\n  a: {refferals: {last: 90d}}\n---\nx",
            "x.md:4:7: unknown fact 'refferals'",
        ),
        ("---\nsubject: S\nfacts:\n  a-b: wins\n---\nx", "x.md:4:3: 'a-b' cannot be a name in templates"),
        ('---\nsubject: "For {{ referral.x }"\n---\nx', "x.md:2:"),
        ("---\nsubject: S\n---\n{% if x %}", "x.md:4:"),
        ("---\nsubject: S\n---\nx\n{{ x | uper }}", "x.md:5:8: unknown filter 'uper'; did you mean 'upper'?"),
        (
            "---\nsubject: S\n---\n\n  {% if a is defind %}x{% endif %}",
            "x.md:5:11: unknown test 'defind'",
        ),
        (
            "---\nsubject: S\n---\n{{ blocks.leaderbord(x) }}",
            "x.md:4:11: unknown block 'leaderbord'",
        ),
        ("---\nsubject: S\n---\n{% include 'x' %}", "x.md:4:4: '{% include %}' has no place in an email"),
        ("---\nsubject: S\n---\n{{ x.upper() }}", "only blocks can be called"),
        (
            "---\nsubject: S\n---\n{% for x in y %}{{ loop.indx }}{% endfor %}",
            "unknown 'loop.indx'; did you mean 'index'",
        ),
        ("---\nsubject: S\n---\na\x07b", "x.md:4:2: character U+0007 has no place here"),
    ],
)
def test_loading_finds_mistakes_and_their_place(source: str, says: str) -> None:
    found = problems_of(source)
    assert any(says in problem for problem in found), found


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("a\n{% if tier %}b", "5:1: this {% if %} is never closed; write {% endif %}"),
        ("{% for x in leaders %}\n{% if x %}b{% endfor %}", "5:15: {% endfor %} comes where a {% if %} is open; write"),
        ("b{% endif %}", "4:5: {% endif %} has no {% if %} before it"),
        ("{% else %}", "4:4: {% else %} has no {% if %} before it"),
        ("a {{ x", "4:6: a {{ is never closed; write }} where it ends"),
        ("a {% if x", "4:9: a {% is never closed; write %} where it ends"),
        ("{{ x | default(“a”) }}", "unexpected char '“' at 18; write straight quotes, \"…\""),
    ],
)
def test_tags_that_do_not_fit_are_said_in_plain_words(body: str, says: str) -> None:
    (problem,) = problems_of(f"---\nsubject: S\n---\n{body}")
    assert says in problem


def test_a_brace_too_few_in_the_subject_says_how_many_it_takes() -> None:
    (problem,) = problems_of('---\nsubject: "For {{ partner.name }"\n---\nx')
    assert problem == "x.md:2:11: unexpected '}'; write two braces on each side, {{ … }}, or {% … %}"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("Hello *|FNAME|*,", "4:7: '*|FNAME|*' means nothing here; write {{ partner.greeting_name }}"),
        ("a\n\nso <b>good</b>", "6:4: '<b>' is HTML, which readers would see as it stands; write **bold**"),
        ('<a href="{{ links.refer }}">x', "4:1: '<a>' is HTML, which readers would see as it stands; write [text]"),
        ("<div>", "4:1: '<div>' is HTML, which readers would see as it stands; write Markdown: **bold**"),
        ("<!-- later -->", "4:1: '<!--' is HTML, which readers would see as it stands; write {# … #}"),
        ("![logo](logo.png)", "4:1: an email can have no pictures yet; take it out"),
        (
            "a\n[x](www.example.com/a)",
            "5:5: 'www.example.com/a' is no address that a mail can link to; write https://www",
        ),
        ("[x](me@example.com)", "4:5: 'me@example.com' is no address that a mail can link to; write mailto:me@"),
        ("- **[x](/{{ partner.locale }})**", "4:9: '/' is no address that a mail can link to; begin it with https://"),
        ("[a](https://b.c) [x]()", "4:22: '' is no address that a mail can link to; begin it with https://"),
    ],
)
def test_what_works_elsewhere_and_not_here_says_what_to_write(body: str, says: str) -> None:
    (problem,) = problems_of(f"---\nsubject: S\n---\n{body}")
    assert problem.startswith(f"x.md:{says}")


def test_a_subject_takes_neither_merge_tags_nor_html() -> None:
    found = problems_of('---\nsubject: "*|FNAME|*, <b>look</b>"\n---\nx')
    assert [problem.split("; ")[0] for problem in found] == [
        "x.md:2:11: '*|FNAME|*' means nothing here",
        "x.md:2:22: '<b>' is HTML, which readers would see as it stands",
    ]


@pytest.mark.parametrize(
    "target",
    [
        "https://example.com",
        "mailto:a@example.com",
        "tel:+1555",
        "{{ links.refer }}",
        "{% if tier %}{{ links.refer }}{% else %}{{ links.portal }}{% endif %}",
    ],
)
def test_links_and_buttons_lead_to_the_web_to_mail_or_to_a_value(target: str) -> None:
    assert problems_of(f"---\nsubject: S\nbutton: {{label: x, url: '{target}'}}\n---\n[x]({target})") == []


def test_a_button_that_leads_nowhere_is_named_with_what_to_write() -> None:
    (problem,) = problems_of("---\nsubject: S\nbutton: {label: x, url: www.example.com}\n---\nx")
    assert problem == (
        "x.md:3:25: 'www.example.com' is no address that a button can lead to; write https://www.example.com"
    )


def test_places_in_the_front_matter_are_counted_to_the_column() -> None:
    head = 'subject: "For {{ referral.lead_compny }}"\npreview: Hi {{ partner.nam }}'
    assert [problem.split(": ")[0] for problem in lint("x", head)] == ["x.md:2:27", "x.md:3:24"]


def test_all_mistakes_of_all_files_are_found_at_once() -> None:
    sources = {
        **shared_sources(),
        "a.md": "---\nsubject: S\nx: 1\ny: 2\n---\n{{ a | b }}{{ c | d }}",
        "good.md": "---\nsubject: S\n---\nx",
        "Bad Name.md": "---\nsubject: S\n---\nx",
    }
    templates, problems = Templates.from_sources(sources, PARSE_FACT)
    assert templates.names == ("good",)
    assert [(problem.file, problem.line) for problem in problems] == [
        ("Bad Name.md", 1), ("a.md", 3), ("a.md", 4), ("a.md", 6), ("a.md", 6)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("find", "put", "says"),
    [
        (
            '<mj-text css-class="ink breaks">',
            '<mj-txt>x</mj-txt><mj-text css-class="ink breaks">',
            "unknown tag 'mj-txt'; did you mean 'mj-text'?",
        ),
        ("<mj-body ", '<mj-font name="x" href="https://x" /><mj-body ', "'mj-font' loads from elsewhere"),
        (
            "</mj-body>",
            "<mj-text>lost</mj-text></mj-body>",
            "'mj-text' would be dropped in 'mj-body'; it belongs in mj-column",
        ),
        ("</mj-body>", "lost</mj-body>", "text would be dropped in 'mj-body'"),
        ("</mj-body>", "<br></mj-body>", "this is not MJML: mismatched tag"),
        ("{{ program.postal_address }}", "{{ program.postal_adress }}", "unknown field 'postal_adress' of 'program'"),
        ("{{ program.postal_address }}", "{{ partner.name }}", "'partner' may be empty"),
    ],
)
def test_what_a_layout_would_lose_is_found_first(find: str, put: str, says: str) -> None:
    sources = shared_sources()
    assert find in sources[LAYOUT_HTML]
    sources[LAYOUT_HTML] = sources[LAYOUT_HTML].replace(find, put, 1)
    line = sources[LAYOUT_HTML].count("\n", 0, sources[LAYOUT_HTML].index(put)) + 1
    _, problems = Templates.from_sources(sources, PARSE_FACT)
    assert any(says in str(problem) and problem.line == line for problem in problems), problems


@pytest.mark.parametrize("name", ["program.postal_address", "links.unsubscribe"])
def test_a_layout_must_show_what_the_law_wants(name: str) -> None:
    sources = shared_sources()
    sources[LAYOUT_HTML] = sources[LAYOUT_HTML].replace(name, "program.name")
    _, problems = Templates.from_sources(sources, PARSE_FACT)
    assert [problem.message for problem in problems] == [f"the layout does not show '{name}'"]


def test_a_block_needs_both_forms() -> None:
    sources = shared_sources()
    sources[BLOCKS_HTML] += "{% macro new(x) %}<b>{{ x }}</b>{% endmacro %}"
    _, problems = Templates.from_sources(sources, PARSE_FACT)
    assert [str(problem).split(";")[0] for problem in problems] == ["_blocks.txt:1:1: block 'new' is missing here"]


def test_a_folder_without_layout_says_what_to_copy(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("---\nsubject: S\n---\nx")
    templates, problems = load_templates(tmp_path, PARSE_FACT)
    assert templates.names == ()
    assert all("copy it from the email_templates folder" in problem.hint for problem in problems)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        load_templates(tmp_path / "nowhere", PARSE_FACT)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    for name, source in shared_sources().items():
        (tmp_path / name).write_text(source)
    (tmp_path / "x.md").write_bytes("---\nsubject: Größe\n---\nx".encode("latin-1"))
    _, problems = load_templates(tmp_path, PARSE_FACT)
    assert [str(p) for p in problems] == [
        f"{tmp_path.name}/x.md:1:1: the file is not UTF-8; save it with the encoding UTF-8"
    ]


def test_the_shipped_folder_has_no_problems() -> None:
    assert load_templates(TEMPLATES, PARSE_FACT)[1] == ()
