"""What `explain` says: what became of somebody so far, the condition with each value, and each guard."""

from collections.abc import Sequence

from rich.markup import escape
from rich.tree import Tree

from engage.cli.context import console
from engage.cli.said import caps_json, decision_json, minute, words
from engage.cli.so_far import print_so_far
from engage.domain.campaigns import Campaign, CampaignState, EventTrigger
from engage.domain.decisions import Decision, Defer, Send, Skip
from engage.facts import Node
from engage.pipeline.explaining import Explanation
from engage.store.so_far import Entered


def explanation_json(explanation: Explanation) -> dict[str, object]:
    return {
        "partner": explanation.whom if explanation.campaign.subject.leads_to_partner else None,
        "whom": explanation.whom,
        "campaign": explanation.campaign.name,
        "state": explanation.campaign.state.value,
        "as_of": explanation.as_of.isoformat().replace("+00:00", "Z"),
        **decision_json(explanation.decision),
        "conditions": [{"of": name, "condition": _node_json(node)} for name, node in explanation.conditions],
        "stop_when": [{"of": name, "condition": _node_json(node)} for name, node in explanation.stops],
        "steps": [
            {
                "step": step.step,
                "to": step.to,
                **decision_json(step.decision),
                "guards": [
                    {"guard": v.guard, **(decision_json(v.decision) if v.decision else {"decision": "pass"})}
                    for v in step.verdicts
                ],
                "caps": caps_json(step.caps),
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


def print_explanation(explanation: Explanation, entries: Sequence[Entered]) -> None:
    campaign = explanation.campaign
    console.print(
        f"[bold]{campaign.name}[/] for {escape(explanation.whom)} as of {explanation.as_of:%Y-%m-%d %H:%M} UTC"
    )
    if campaign.state is not CampaignState.LIVE:
        console.print(f"state: {campaign.state} (sends nothing; below is what it would do if it were live)")
    print_so_far(entries)
    if not explanation.conditions:
        console.print(f"{_mark(False)} where: the partner has no {campaign.subject}")
    for word, trees in (("where", explanation.conditions), ("stop_when", explanation.stops)):
        for name, node in trees:
            tree = Tree(f"{_mark(node.truth)} {word} ({campaign.subject} {escape(name)}): {_shown(node)}")
            _grow(tree, node)
            console.print(tree, soft_wrap=False)
    for step in explanation.steps:
        tree = Tree(f"guards of {step.step} to {escape(step.to)}")
        for verdict in step.verdicts:
            objection = "" if verdict.decision is None else f"  ({_said(verdict.decision)})"
            tree.add(f"{_mark(verdict.decision is None)} {verdict.guard.replace('_', ' ')}{objection}")
        for one in step.caps:
            tree.add(f"{_mark(one.used < one.cap.at_most)} {one.cap}  (found: {one.used})")
        console.print(tree, soft_wrap=False)
    console.print(f"[bold]{_conclusion(campaign, explanation.decision)}[/]")


def _grow(tree: Tree, node: Node) -> None:
    for part in node.parts:
        _grow(tree.add(f"{_mark(part.truth)} {_shown(part)}"), part)


def _shown(node: Node) -> str:
    return escape(f"{node.text}  (found: {node.found})" if node.found else node.text)


def _mark(truth: bool) -> str:
    return "[green]yes[/]" if truth else "[red]no [/]"


def _said(decision: Decision) -> str:
    match decision:
        case Send():
            return "send"
        case Skip(reason):
            return f"skip: {words(reason)}"
        case Defer(until, reason):
            return f"defer: {words(reason)}, look again at {minute(until)}"


def _conclusion(campaign: Campaign, decision: Decision) -> str:
    match decision, campaign.trigger:
        case Skip(reason), _:
            return f"would not: {words(reason)}"
        case Defer(until, reason), _:
            return f"would not yet: {words(reason)}, look again at {minute(until)}"
        case _, EventTrigger(event, to):
            return " to ".join(filter(None, (f"would get it at {event}", " or ".join(to))))
        case _:
            return "would get it"
