"""`unknown`: mails that may have gone out or not, which nobody sends again but an operator who says so."""

from typing import Annotated

import typer

from engage.cli.context import JsonOption, WhyOption
from engage.cli.stuck import (
    AddressesOption,
    AllOption,
    CampaignOption,
    IdsArgument,
    LimitOption,
    act,
    chosen,
    show,
)
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import UsageError
from engage.pipeline.settling import Move
from engage.store.settling import Which

_HINT = (
    "engage unknown resend ID sends it again, and its partner may get it twice; "
    "engage unknown settle ID says what you found out."
)

SentOption = Annotated[bool, typer.Option("--sent", help="You found out that the provider has it.")]
NotSentOption = Annotated[bool, typer.Option("--not-sent", help="You found out that the provider has it not.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="List, resend or settle mails that may have gone out or not.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(resend)
    group.command()(settle)
    app.add_typer(group, name="unknown")


def list_(
    campaign: CampaignOption = None,
    limit: LimitOption = 50,
    addresses: AddressesOption = False,
    as_json: JsonOption = False,
) -> None:
    """List mails whose answer was lost: they may have gone out or not, and are not sent again by themselves."""
    show(DeliveryState.UNKNOWN, Which(campaign=campaign), limit, addresses, as_json, _HINT)


def resend(
    why: WhyOption,
    ids: IdsArgument = None,
    campaign: CampaignOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send them again, decided anew. Who got the first one gets it twice. All that are named or none."""
    said = "will go out again if it is still right. A partner whom the first one reached gets it twice."
    act(Move.RESEND, chosen(ids, campaign, everything=everything), why, as_json, said)


def settle(
    why: WhyOption,
    sent: SentOption = False,
    not_sent: NotSentOption = False,
    ids: IdsArgument = None,
    campaign: CampaignOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what you found out: with --sent they are accepted, with --not-sent cancelled. All that are named or none."""
    if sent is not_sent:
        raise UsageError("say what you found out", "--sent if the provider has them, --not-sent if it has not")
    which = chosen(ids, campaign, everything=everything)
    if sent:
        act(Move.SENT, which, why, as_json, "will count as accepted.")
    else:
        act(Move.NOT_SENT, which, why, as_json, "will not go out any more.")
