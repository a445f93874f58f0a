"""A sheet of business cards to print: a partner's name, company, link and its QR code, ten times on A4."""

from markupsafe import Markup

from engage.content import qr
from engage.content.colors import on_light
from engage.content.sandbox import printable

CARDS = 10
"""Of 85 by 54 millimetres, in two columns: as sheets of blank cards are sold."""

_SHEET = Markup("""\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
@page {{ size: A4; margin: 0; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: #e9ecf0; font: 9pt/1.35 "Helvetica Neue", Arial, sans-serif; color: #22282f;
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }}
.sheet {{ width: 210mm; height: 297mm; margin: 0 auto; padding: 13.5mm 20mm; background: #fff; display: grid;
  grid-template: repeat(5, 54mm) / repeat(2, 85mm); }}
.card {{ display: flex; gap: 5mm; align-items: center; padding: 6mm; overflow: hidden; outline: .1mm dashed #b8c0ca; }}
.code {{ flex: 0 0 30mm; }}
.code svg {{ display: block; width: 30mm; height: 30mm; }}
.words {{ min-width: 0; flex: 1; overflow-wrap: anywhere; }}
.name {{ font-size: 12pt; line-height: 1.2; font-weight: 700; }}
.quiet {{ color: #5b6570; }}
.brand {{ margin-top: 3mm; font-weight: 700; color: {color}; }}
.link {{ font-size: 7pt; }}
.name, .quiet, .brand {{ display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }}
@media print {{ body {{ background: #fff; }} }}
</style>
</head>
<body>
<main class="sheet">
{cards}</main>
</body>
</html>
""")
_CARD = Markup("""\
<article class="card"><div class="code">{code}</div><div class="words">
<div class="name">{name}</div>{company}
<div class="brand">{brand}</div>
<div class="quiet link">{link}</div>
</div></article>
""")
_COMPANY = Markup('\n<div class="quiet">{}</div>')


def sheet(link: str, name: str, company: str, brand: str, color: str, locale: str) -> str:
    """The sheet as one HTML page, which loads nothing. Raises RenderError for a link that is too long."""
    name, company, brand = (" ".join(printable(text).split()) for text in (name, company, brand))
    card = _CARD.format(
        code=Markup(qr.svg(link, inline=True)),  # made by us: nothing of it comes from data  # nosec B704
        name=name,
        company=_COMPANY.format(company) if company and company != name else "",
        brand=brand,
        link=link.partition("://")[2],
    )
    cards = card * CARDS
    language = locale.replace("_", "-")
    return _SHEET.format(language=language, title=f"{brand}: {name}", color=on_light(color), cards=cards)
