"""What is handed out by hand: `share-kit`, a partner's own link for print; `refer-link`, one to the referral form."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from engage.cli.context import JsonOption, ProgramOption, console, library_of, print_json, scope_named, services
from engage.content import qr
from engage.content.cards import CARDS, sheet
from engage.domain.errors import InputError
from engage.domain.facts import Subject
from engage.domain.programs import address_for
from engage.pipeline.contexts import partner_contexts
from engage.pipeline.naming import somebody_named
from engage.pipeline.refer_links import DAYS, PARTNER, STAFF, refer_url
from engage.queueing import NoQueue
from engage.store.people import partners_known_as
from engage.store.subjects import staff_known_as


def register(app: typer.Typer) -> None:
    app.command("share-kit")(share_kit)
    app.command("refer-link")(refer_link)


def share_kit(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's external id or email address.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go; made if it is not there.")],
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a partner's QR code (qr.svg, qr.png) and a sheet of business cards (cards.html) with their own link."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.read() as db:
            name, id_ = somebody_named(db, scope, Subject.PARTNER, partner)
            found = partner_contexts(db, {id_})[id_]
    brand = scope.program.brand
    link = address_for(brand.share_url, name)
    if link is None:
        hint = "add one to its brand in program.yaml, such as https://partners.example.com/r/{partner}"
        raise InputError(f"programme '{scope.program.key}' has no share_url", hint)
    cards = sheet(
        link, found["name"], found["company"], brand.name, brand.color, found["locale"] or scope.program.locale
    )
    files = {"qr.svg": qr.svg(link).encode(), "qr.png": qr.png(link), "cards.html": cards.encode()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (out / file).write_bytes(content)
    except OSError as error:
        raise InputError(f"nothing can be written to {out}: {error.strerror}") from error
    if as_json:
        print_json({"partner": name, "link": link, "files": [str(out / file) for file in files]})
        return
    typer.echo(f"{found['name']}: {link}")
    for file, what in zip(
        files, ("for print, of any size", "for screens", f"{CARDS} business cards on A4"), strict=True
    ):
        console.print(f"  {out / file}  {what}", markup=False, highlight=False, soft_wrap=True)


def refer_link(
    name: Annotated[str, typer.Argument(metavar="PARTNER|STAFF", help="Their external id or email address.")],
    staff: Annotated[
        bool, typer.Option("--staff", help="The member of staff, where a partner has that id or address too.")
    ] = False,
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the link to the form on which a partner, or a salesperson, tells of a referral. It works for 90 days."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.read() as db:
            partners = [] if staff else partners_known_as(db, scope.program_id, name)
            who, subject = (PARTNER, Subject.PARTNER) if partners else (STAFF, Subject.STAFF)
            if not partners and not staff and not staff_known_as(db, scope.program_id, name):
                message = f"nobody '{name}' is a partner of programme '{scope.program.key}', or of its staff"
                raise InputError(message, "give the external id or the email address")
            external_id, id_ = somebody_named(db, scope, subject, name)
        now = built.clock()
        url = refer_url(built.signer, built.settings.public_url, who, scope.program_id, id_, now)
    until = (now + timedelta(days=DAYS)).date()
    if as_json:
        print_json({who: external_id, "link": url, "until": until.isoformat()})
        return
    typer.echo(url)
    typer.echo(
        f"For {who} '{external_id}', until {until}. Whoever has it refers in their name: give it to nobody else.",
        err=True,
    )
