"""`plan`, `explain` and `run`: who would get what and why, before it happens, and a schedule's slot now."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.tree import Tree

from engage.authoring import parse_campaign
from engage.cli.context import JsonOption, console, instant, library_of, print_json, services
from engage.domain.campaigns import Campaign, CampaignState, ScheduleTrigger
from engage.domain.decisions import Decision, Defer, Skip
from engage.domain.errors import InputError, UsageError
from engage.facts import Node
from engage.pipeline.explaining import Explanation
from engage.pipeline.explaining import explain as explain_partner
from engage.pipeline.library import Library
from engage.pipeline.plan import Plan
from engage.pipeline.plan import plan as plan_campaign
from engage.store.runs import HELD

SHOWN = 40

CampaignArgument = Annotated[str, typer.Argument(help="A campaign's name, or the path to its file.")]


def register(app: typer.Typer) -> None:
    app.command()(plan)
    app.command()(explain)
    app.command()(run)


def plan(
    campaign: CampaignArgument,
    as_of: Annotated[str | None, typer.Option("--as-of", help="An instant, such as 2026-11-21T09:00:00Z.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show who would get a campaign as of an instant, and why the others would not. Sends nothing."""
    with services() as built:
        at = instant(as_of, built.clock())
        library = library_of(built)
        found = find_campaign(library, campaign)
        with built.database.read() as db:
            planned = plan_campaign(db, library.scope_of(found), found, at)
    if as_json:
        print_json(_plan_json(planned))
    else:
        _print_plan(planned)


def explain(
    partner: Annotated[str, typer.Argument(help="The partner's external id.")],
    campaign: CampaignArgument,
    at: Annotated[str | None, typer.Option("--at", help="An instant; now by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show why a partner would or would not get a campaign: its condition with each value, and each guard."""
    with services() as built:
        as_of = instant(at, built.clock())
        library = library_of(built)
        found = find_campaign(library, campaign)
        with built.database.read() as db:
            explanation = explain_partner(db, library.scope_of(found), found, partner, as_of)
    if as_json:
        print_json(_explanation_json(explanation))
    else:
        _print_explanation(explanation)


def run(campaign: CampaignArgument, as_json: JsonOption = False) -> None:
    """Run a schedule's current slot now. Twice is once: what this slot has sent is not sent again."""
    with services() as built:
        library = library_of(built)
        found = library.find(campaign)
        if not isinstance(found.trigger, ScheduleTrigger):
            raise UsageError(f"'{found.name}' waits for events", "only a campaign with `every` or `cron` can be run")
        if found.state is not CampaignState.LIVE:
            raise InputError(f"'{found.name}' has the state {found.state}", "set `state: live` in its file")
        done, new = built.run_now(found)
    if as_json:
        print_json(
            {"campaign": found.name, "slot": done.slot, "new": new, "state": done.state, "matched": done.matched}
        )
    if done.state == HELD:
        raise InputError(f"the run of {done.slot} is held: {done.reason}", "engage doctor says more of feeds")
    if not as_json:
        what = "has run" if new else "had run already"
        console.print(f"{found.name}: slot {done.slot} {what}; {done.matched} matched. Workers deliver what is due.")


def find_campaign(library: Library, name: str) -> Campaign:
    """The campaign with this name, or the one in the file at this path, which need not be in the campaigns folder."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        return library.find(name)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read: {error}", "name a campaign file in UTF-8") from None
    return parse_campaign(source, name, library.programs)


def _plan_json(planned: Plan) -> dict[str, object]:
    return {
        "campaign": planned.campaign.name,
        "as_of": planned.as_of.isoformat().replace("+00:00", "Z"),
        "matched": planned.matched,
        "decisions": [
            {
                "partner": one.partner,
                **_decision_json(one.decision),
                "steps": [{"step": s.step, "to": s.to, **_decision_json(s.decision)} for s in one.steps],
            }
            for one in planned.decisions
        ],
    }


def _decision_json(decision: Decision) -> dict[str, object]:
    reason = decision.reason.value if isinstance(decision, Defer | Skip) else None
    until = {"until": decision.until.isoformat().replace("+00:00", "Z")} if isinstance(decision, Defer) else {}
    return {"decision": decision.kind, "reason": reason, **until}


def _print_plan(planned: Plan) -> None:
    console.print(
        f"[bold]{planned.campaign.name}[/] as of {planned.as_of:%Y-%m-%d %H:%M} UTC: {planned.matched} matched"
    )
    counts: dict[str, int] = {}
    for one in planned.decisions:
        shown = _decision_json(one.decision)
        label = f"{shown['decision']}: {shown['reason']}" if shown["reason"] else str(shown["decision"])
        counts[label] = counts.get(label, 0) + 1
    for label, count in sorted(counts.items(), key=lambda item: -item[1]):
        console.print(f"  {count:>6}  {label}")
    if not planned.decisions:
        return
    table = Table("partner", "to", "decision", "reason", box=None, padding=(0, 2, 0, 0))
    for one in planned.decisions[:SHOWN]:
        for step in one.steps:
            shown = _decision_json(step.decision)
            table.add_row(one.partner, step.to, str(shown["decision"]), str(shown["reason"] or ""))
    console.print(table, soft_wrap=False)
    if len(planned.decisions) > SHOWN:
        console.print(f"... and {len(planned.decisions) - SHOWN} more; --json lists all")


def _explanation_json(explanation: Explanation) -> dict[str, object]:
    return {
        "partner": explanation.partner,
        "campaign": explanation.campaign.name,
        "as_of": explanation.as_of.isoformat().replace("+00:00", "Z"),
        "conditions": [{"of": name, "condition": _node_json(node)} for name, node in explanation.conditions],
        "steps": [
            {
                "step": step.step,
                "to": step.to,
                "guards": [
                    {"guard": v.guard, **(_decision_json(v.decision) if v.decision else {"decision": "pass"})}
                    for v in step.verdicts
                ],
            }
            for step in explanation.steps
        ],
    }


def _node_json(node: Node) -> dict[str, object]:
    found: dict[str, object] = {"text": node.text, "holds": node.truth}
    if node.parts:
        found["parts"] = [_node_json(part) for part in node.parts]
    else:
        found["value"] = node.value
    return found


def _print_explanation(explanation: Explanation) -> None:
    console.print(
        f"[bold]{explanation.campaign.name}[/] for {explanation.partner} as of {explanation.as_of:%Y-%m-%d %H:%M} UTC"
    )
    for name, node in explanation.conditions:
        tree = Tree(f"{_mark(node.truth)} where ({explanation.campaign.subject} {name}): {node.text}{_value(node)}")
        _grow(tree, node)
        console.print(tree, soft_wrap=False)
    for step in explanation.steps:
        tree = Tree(f"guards of {step.step} to {step.to}")
        for verdict in step.verdicts:
            passed = verdict.decision is None
            shown = "" if verdict.decision is None else f": {_decision_json(verdict.decision)}"
            tree.add(f"{_mark(passed)} {verdict.guard.replace('_', ' ')}{shown}")
        console.print(tree, soft_wrap=False)


def _grow(tree: Tree, node: Node) -> None:
    for part in node.parts:
        _grow(tree.add(f"{_mark(part.truth)} {part.text}{_value(part)}"), part)


def _value(node: Node) -> str:
    return "" if node.parts else f"  (found: {'unknown' if node.value is None else node.value})"


def _mark(truth: bool) -> str:
    return "[green]yes[/]" if truth else "[red]no [/]"
