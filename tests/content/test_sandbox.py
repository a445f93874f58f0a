"""A template can be wrong, greedy or hostile: it fails with a typed error, soon, and never takes the worker along."""

import time

import pytest

from engage.content import LimitError, RenderError, Templates
from engage.content.library import SHARED
from tests.content.samples import PARSE_FACT, context, one_email, shared_sources

SOON_SECONDS = 5.0  # of the processor, however busy the machine; without the limits: minutes, or all memory


def loads_or_renders(body: str) -> RenderError | tuple[object, ...]:
    """What stops an email with this body: problems when it is loaded, or the error when it is rendered."""
    source = f"---\nsubject: S\n---\n{body}"
    templates, problems = Templates.from_sources({**shared_sources(), "x.md": source}, PARSE_FACT)
    if problems:
        return problems
    with pytest.raises(RenderError) as raised:
        templates.get("x").render(context())
    return raised.value


@pytest.mark.parametrize(
    "body",
    [
        "{{ 'a' * 300000000 }}",
        "{{ 'a' ~ 'b' * 99999999 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 999999999 * 999999999 }}",
        "{{ range(100000000) | length }}",
        "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}",
        "{% for a in range(900) %}{% for b in range(900) %}{{ a }}{% endfor %}{% endfor %}",
        "{% for a in range(999) %}{{ partner.greeting_name | upper | lower | title }}{{ a }}{% endfor %}" * 60,
        "{% set t = 'abcdefgh' %}" + "{% set t = t ~ t %}" * 40 + "{{ t }}",
        "{% set t = 'abcdefgh' %}" + "{% set t = t + t %}" * 40 + "{{ t }}",
        "{% set t = range(1000) | join('abcdefghijklmnop') %}{{ t }}",
        "{{ 1 | round(99999999) }}",
        "{{ [1] * 99999999 }}",
        "{% for x in [" + "1," * 200 + "] %}{{ x }}{% endfor %}",
    ],
)
def test_greedy_templates_are_stopped_soon(body: str) -> None:
    began = time.process_time()
    assert loads_or_renders(body)
    assert time.process_time() - began < SOON_SECONDS


def test_an_email_cannot_grow_without_end() -> None:
    body = "{% set t = 'abcdefgh' %}" + "{% set t = t ~ t %}" * 10 + "{% for a in range(500) %}{{ t }}{% endfor %}"
    with pytest.raises(LimitError, match="larger than 512 KB"):
        one_email(body).get("x").render(context())


@pytest.mark.parametrize(
    "body",
    [
        "{{ partner.greeting_name.upper() }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ partner.__class__ }}",
        "{{ partner.items() }}",
        "{{ partner | attr('keys') }}",
        "{{ partner | tojson }}",
        "{{ partner | map(attribute='x') | list }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% set ns = namespace(a=1) %}",
        "{{ self.x() }}",
        "{{ lipsum() }}",
        "{{ cycler('a') }}",
        "{{ '<b>' | safe }}",
        "{% raw %}{{ x }}{% endraw %}",
        "{{ _work }}",
        "{{ partner['__class__'] }}",
        "{% for x in leaders recursive %}{{ loop(x) }}{% endfor %}",
        "{% set b = blocks.tip('x') %}",
    ],
)
def test_templates_reach_nothing_but_their_context(body: str) -> None:
    assert loads_or_renders(body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{{ partner.joined_at }}", "a value of type datetime was to be printed"),
        ("{{ referral.missing }}", "has no attribute 'missing'"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ referral.loss_reason_ | default(none) }}", "an empty value was to be printed"),
        ("{{ partner.first_name | money }}", "needs a whole number, not a value of type str"),
        ("{{ none | money }}", "was given an empty value"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ referral.amount / 3 }}", "a value of type float was to be printed"),
        ("[x]({{ partner.company }})", "a link's address must begin with"),
        ("{% for x in partner.company %}{{ x }}{% endfor %}", "only lists can be looped over"),
    ],
)
def test_a_render_error_says_what_was_wrong(body: str, says: str) -> None:
    with pytest.raises(RenderError, match=says.replace("(", r"\(")):
        one_email(body).get("x").render(context())


def test_a_render_error_holds_no_personal_data() -> None:
    with pytest.raises(RenderError) as raised:
        one_email("{{ partner.email | date }}").get("x").render(context())
    assert "dana" not in str(raised.value).lower()


def test_a_failed_render_leaves_the_template_usable() -> None:
    template = one_email("{{ partner.company | upper }}").get("x")
    with pytest.raises(RenderError):
        template.render(context(partner={}))
    assert "BRIGHTFIELD ADVISORS" in template.render(context()).text


def test_blocks_and_layouts_are_bounded_too() -> None:
    for name in (name for name in SHARED if "blocks" in name):
        sources = shared_sources()
        sources[name] += "{% macro twice(x) %}{{ twice(x) }}{{ twice(x) }}{% endmacro %}"
        _, problems = Templates.from_sources(sources, PARSE_FACT)
        assert "only blocks can be called" in {problem.message for problem in problems}
