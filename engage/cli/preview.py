"""`preview`: a campaign's mails as one partner would read them, or an email with a sample in the place of data."""

from pathlib import Path
from typing import Annotated

import typer

from engage.cli.context import JsonOption, console, library_of, print_json, services
from engage.cli.planning import find_campaign
from engage.content import RenderError
from engage.content.wording import language_of
from engage.domain.errors import InputError, UsageError
from engage.pipeline.previewing import Previewed
from engage.pipeline.previewing import preview as preview_campaign
from engage.pipeline.sampling import Showcase
from engage.settings import Settings

ShownArgument = Annotated[
    str, typer.Argument(help="A campaign's name, or the path to its file; with --sample an email's name.")
]
PartnerArgument = Annotated[
    str | None,
    typer.Argument(
        help="The partner's external id or email address; the company's or member of staff's if it is for these."
    ),
]


def register(app: typer.Typer) -> None:
    app.command()(preview)


def preview(
    shown: ShownArgument,
    partner: PartnerArgument = None,
    sample: Annotated[
        str | None, typer.Option("--sample", help="Show one email with this sample, such as usual; asks no database.")
    ] = None,
    locale: Annotated[str, typer.Option("--locale", help="With --sample: the reader's locale, such as de.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the HTML here; a browser shows it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a campaign's mails as a partner would read them now, drafts too. Sends nothing."""
    if (sample is None) == (partner is None):
        hint = "engage preview referral-won P-1007, or engage preview --sample usual status_updates/won"
        raise UsageError("a preview is for a partner, or of a sample", hint)
    if partner is None:
        mails = [_of_sample(shown, sample or "", locale)]
    elif locale:
        raise UsageError("--locale goes with --sample", "a partner has a locale of their own")
    else:
        with services() as built:
            library = library_of(built)
            found = find_campaign(library, shown)
            with built.database.read() as db:
                mails = preview_campaign(db, library, found, partner, built.settings.public_url, built.clock())
    written = _write(out, mails) if out else []
    if as_json:
        print_json([_json(one) for one in mails])
        return
    for one in mails:
        mail = one.message
        console.print(f"[bold]{_title(one)}[/]", highlight=False)
        for note in one.notes:
            typer.echo(f"({note})")
        to = f"{mail.to.name} <{mail.to.email or 'no address'}>"
        sender = f"{mail.sender.name} <{mail.sender.email}>"
        # as it is: brackets in a mail are no markup
        typer.echo(f"From: {sender}\nTo: {to}\nSubject: {mail.subject}\n\n{mail.text}")
    for path in written:
        typer.echo(f"HTML written to {path}")


def _of_sample(email: str, sample: str, locale: str) -> Previewed:
    """The email with a sample's values: the files are all that it takes."""
    settings = Settings.load()
    showcase = Showcase.load(settings.campaigns_dir, settings.templates_dir)
    try:
        message = showcase.message(email, sample, locale)
    except RenderError as error:
        raise InputError(f"email '{email}': {error}", "engage lint may say more") from None
    translated = not locale or language_of(locale) == language_of(message.locale)
    notes = () if translated else (f"it is not written in {locale}, and is shown in {message.locale}",)
    return Previewed(f"{email}, {showcase.sample(sample).about}", email, message, notes=notes)


def _title(one: Previewed) -> str:
    return f"{one.step}: {one.email}, {one.choice}" if one.choice else one.step


def _write(out: Path, mails: list[Previewed]) -> list[Path]:
    """The HTML of a single mail goes to `out`; of several, each to a file beside it that also names step and text."""
    paths = [out if len(mails) == 1 else out.with_stem(f"{out.stem}-{_file_part(one)}") for one in mails]
    for path, one in zip(paths, mails, strict=True):
        try:
            path.write_text(one.message.html, encoding="utf-8")
        except OSError as error:
            message = f"{path} cannot be written: {error.strerror}"
            raise InputError(message, "name a file in a folder that is there") from None
    return paths


def _file_part(one: Previewed) -> str:
    return f"{one.step}-{one.email.replace('/', '-')}" if one.choice else one.step


def _json(one: Previewed) -> dict[str, object]:
    mail = one.message
    return {
        "step": one.step,
        "email": one.email,
        "choice": one.choice or None,
        "notes": one.notes,
        "to": {"name": mail.to.name, "email": mail.to.email},
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
    }
