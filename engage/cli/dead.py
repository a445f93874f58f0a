"""`dead`: mails of which nothing can come by itself, to be tried again or dropped."""

import typer

from engage.cli.context import JsonOption, WhyOption
from engage.cli.stuck import (
    AddressesOption,
    AllOption,
    CampaignOption,
    ErrorOption,
    IdsArgument,
    LimitOption,
    act,
    chosen,
    show,
)
from engage.domain.deliveries import DeliveryState
from engage.pipeline.settling import Move
from engage.store.settling import Which

_HINT = (
    "engage dead retry ID --why TEXT tries it again once you have mended what was wrong; "
    "engage dead drop ID --why TEXT ends it for good."
)


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="List, retry or drop mails that could not be sent.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(retry)
    group.command()(drop)
    app.add_typer(group, name="dead")


def list_(
    campaign: CampaignOption = None,
    error: ErrorOption = None,
    limit: LimitOption = 50,
    addresses: AddressesOption = False,
    as_json: JsonOption = False,
) -> None:
    """List mails that were refused for good, could not be composed, or wore out their workers, each with why."""
    show(DeliveryState.DEAD, Which(campaign=campaign, error=error), limit, addresses, as_json, _HINT)


def retry(
    why: WhyOption,
    ids: IdsArgument = None,
    campaign: CampaignOption = None,
    error: ErrorOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Try them again, decided anew. All that are named or none."""
    which = chosen(ids, campaign, error, everything)
    act(Move.RETRY, which, why, as_json, "will be tried again if it is still right.")


def drop(
    why: WhyOption,
    ids: IdsArgument = None,
    campaign: CampaignOption = None,
    error: ErrorOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """End them for good: they are cancelled. All that are named or none."""
    act(Move.DROP, chosen(ids, campaign, error, everything), why, as_json, "will never go out.")
