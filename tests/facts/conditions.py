"""Every fact with its arguments, and random conditions on them."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random

from engage.domain.conditions import All, AnyOf, Comparator, Condition, FactRef, Not, Scalar, Test
from engage.domain.facts import CATALOGUE, COMPARATORS, METRICS, FactType, Subject
from engage.domain.programs import METHODS, PARTNER_STATUSES, Program, StatusKind
from engage.domain.windows import Window, WindowKind

QUESTIONS = ("mood", "plans")
_WINDOWS = (
    None,
    *(Window(kind, timedelta(days=days)) for kind in WindowKind for days in (30, 60)),
    Window(WindowKind.FIRST, timedelta(minutes=14_401)),
    Window(WindowKind.LAST, timedelta(days=4_000_000 // 7)),
)


def all_refs(program: Program) -> list[FactRef]:
    """Every fact of the catalogue, with every kind of argument that it takes."""
    refs: list[FactRef] = []
    for fact in CATALOGUE.values():
        for window in _WINDOWS if fact.windows else (None,):
            refs += [FactRef(fact.name, window, by=metric) for metric in METRICS if fact.by and not fact.last]
            refs += [FactRef(fact.name, name=name) for name in program.attributes if fact.named]
            refs += [FactRef(fact.name, question=question) for question in QUESTIONS if fact.asked]
            refs += [FactRef(fact.name, window)] if not fact.by and not fact.named and not fact.asked else []
            refs += [FactRef(fact.name, window, methods) for methods in (("email",), METHODS[:3]) if fact.methods]
        last = [window for window in _WINDOWS if window and window.kind is WindowKind.LAST]
        refs += [FactRef(fact.name, window, by=metric) for window in last for metric in METRICS if fact.last]
    return refs


def refs_for(subject: Subject, program: Program) -> list[FactRef]:
    """The facts that may be asked of a subject; of referrals and rewards those without arguments."""
    refs = [ref for ref in all_refs(program) if CATALOGUE[ref.fact].allows(subject)]
    if subject not in (Subject.REFERRAL, Subject.REWARD):
        return refs
    return [ref for ref in refs if ref.window is None and not ref.methods]


_TEXTS = {
    "status": PARTNER_STATUSES,
    "tier": ("bronze", "silver", "gold"),
    "next_tier": ("bronze", "silver", "gold"),
    "previous_tier": ("bronze", "silver", "gold"),
    "program": ("acme", "Acme"),
    "company": ("company-1", "Company-1"),
    "owner": ("sales-1", "sales-2"),
    "salesperson": ("sales-1", "sales-2"),
    "region": ("north", "North"),
    "locale": ("en", "de"),
    "answer": ("fine", "Fine", "stuck"),
    "attribute": ("retail", "Retail", "", "été", "true"),
    "referral_status": tuple(f"{kind}-1" for kind in StatusKind),
    "reward_stage": ("win", "Win", "retention"),
    "method": METHODS,
    "product": ("one", "two"),
}


def operand(random: Random, ref: FactRef, type_: FactType) -> Scalar:
    """A value near those that facts have in `worlds`."""
    match type_:
        case FactType.TEXT:
            return random.choice(_TEXTS[ref.fact])
        case FactType.BOOLEAN:
            return random.choice((True, False))
        case FactType.COUNT:
            return random.choice((0, 0, 1, 1, 2, 3, 5, 10, 75))
        case FactType.DAYS_SINCE:
            return random.choice((0, 1, 9, 10, 15, 20, 29, 30, 31, 60, 90, 119, 10**9))
        case FactType.MONEY:
            # 0.125 lies between two minor units of most currencies
            return random.choice((0, 1, Decimal("2.5"), Decimal("9.99"), Decimal("0.125"), -1, 100, 10**15, 10**30))
        case FactType.RATIO:
            return random.choice((0, 1, Decimal("0.5"), Decimal("0.3333333333333333"), Decimal("0.25")))
        case FactType.MULTIPLE:
            return random.choice((0, 1, Decimal("0.5"), Decimal("0.01"), Decimal("1.3333"), 2, 10))
        case FactType.NUMBER:
            return random.choice((0, Decimal("0.1"), Decimal("2.5"), 12, -3, 2**40, Decimal("1099511627776.5")))


def comparison(random: Random, ref: FactRef, program: Program, comparator: Comparator | None = None) -> Test:
    type_ = program.type_of(ref)
    comparator = comparator or random.choice(sorted(COMPARATORS[type_]))
    match comparator:
        case Comparator.EXISTS:
            return Test(ref, comparator, random.choice((True, False)))
        case Comparator.IN:
            return Test(ref, comparator, tuple(operand(random, ref, type_) for _ in range(random.randint(1, 3))))
        case Comparator.BETWEEN:
            low, high = sorted(Decimal(operand(random, ref, type_)) for _ in range(2))
            return Test(ref, comparator, (low, high))
        case _:
            return Test(ref, comparator, operand(random, ref, type_))


def condition(random: Random, refs: Sequence[FactRef], program: Program, depth: int = 3) -> Condition:
    """A tree of at most so many levels of lists below each other."""
    kind = random.random()
    if depth == 0 or kind < 0.3:
        return comparison(random, random.choice(refs), program)
    if kind < 0.5:
        return Not(condition(random, refs, program, depth - 1))
    parts = tuple(condition(random, refs, program, depth - 1) for _ in range(random.randint(0, 3)))
    return All(parts) if kind < 0.75 else AnyOf(parts)
