"""What becomes of what is unknown: webhooks settle what the provider has, an operator sends the rest again."""

import subprocess
from dataclasses import dataclass, field
from typing import Any

import orjson

from engage.domain.deliveries import DeliveryState
from tests.faults import ledger
from tests.faults.site import COMMAND
from tests.faults.stage import Stage


@dataclass(slots=True)
class Settled:
    """What became of the unknown ones: `said` for people, `figures` for machines."""

    said: str
    breaches: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)


def settle_by_webhooks(on: Stage) -> Settled:
    """Has the mailbox report every mail, twice, shuffled and with other ids the second time.

    Then nothing may be unknown that the provider has. What it never got cannot be reported: that is listed by
    `engage unknown list`, sent again by `engage unknown resend`, and must then have gone out once, as all the rest.
    So must what is dead because its workers were killed three times, after `engage dead retry`.
    """
    before, dead = len(on.unknown()), on.count(DeliveryState.DEAD)
    if not before and not dead:
        return Settled("none was unknown")
    on.unarmed_crew()
    on.web  # noqa: B018 - it takes the webhooks
    on.mailbox.post("/mailbox/webhooks", {"duplicate": 2, "change_ids": True, "shuffle": 7})
    have = ledger.provider_log(on.site).deliveries
    on.wait_for(lambda: not any(id_ in have for id_ in on.unknown()), "webhooks have not settled what is unknown", 120)
    never_left = on.unknown()
    breaches = [] if listed(on) == never_left else ["engage unknown list does not list exactly what is unknown"]
    if never_left:
        engage(on, "unknown", "resend", "--all", "--why", "the provider has none of them", "--json")
        on.settle()
    if dead:
        engage(on, "dead", "retry", "--all", "--why", "it was their workers that were killed", "--json")
        on.settle()
    found = on.ledger()
    left, still_dead = found.states[DeliveryState.UNKNOWN], found.states[DeliveryState.DEAD]
    breaches += [*found.breaches, *([f"{left} are unknown after the webhooks came in"] if left else [])]
    if still_dead:
        breaches.append(f"{still_dead} are dead again")
    said = f"webhooks settled {before - len(never_left)}, {len(never_left)} never reached the provider and were resent"
    if dead:
        said += f", {dead} dead were tried again"
    figures = {
        "unknown_before_webhooks": before,
        "settled_by_webhooks": before - len(never_left),
        "never_reached_the_provider": len(never_left),
        "dead_tried_again": dead,
        "unknown_at_the_end": left,
    }
    return Settled(said, breaches, figures)


def listed(on: Stage) -> set[str]:
    """What `engage unknown list` shows, by the deliveries' ids at the provider."""
    shown = engage(on, "unknown", "list", "--json", "--limit", "100000")
    return {row["public_id"] for row in shown["deliveries"]}


def engage(on: Stage, *arguments: str) -> Any:
    """Runs a command that prints JSON, as an operator would."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=on.site.folder,
        env=on.site.command_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"engage {' '.join(arguments)}: {done.stderr}")
    return orjson.loads(done.stdout)
