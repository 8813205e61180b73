"""Invoices that nobody sent: made from a seed, set in several layouts, printed, damaged, or written as PDF with text.

What stands on each is known, so that what is read can be counted. Companies are numbered, not named; organisation and
account numbers have right check digits and belong to nobody in particular.
"""

from __future__ import annotations

import io
import json
import random
import zlib
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter, ImageFont

DAMAGES = ("clean", "mild", "hard", "fax", "crumpled")
LAYOUTS = ("labels", "table", "english", "classic")
_GOODS = (
    "Skruv försänkt 5×60", "Bräda 22×95 hyvlad", "Målarfärg vit, matt", "Gångjärn mässing", "Lödtenn blyfritt",
    "Arbetshandskar storlek 9", "Rörkoppling 15 mm", "Städning av kök", "Hyra av släpvagn", "Årsavgift säkerhet",
    "Översyn av ventilation", "Kaffe mörkrost 500 g", "Papper A4, 5 paket", "Frakt", "Läsplatta, begagnad",
)  # fmt: skip
_STREETS = ("Björkvägen", "Storgatan", "Ängsgränd", "Hamngatan", "Österlånggatan", "Fabriksvägen")
_TOWNS = ("Östersund", "Malmö", "Gävle", "Västerås", "Umeå", "Kalmar")
_ORE = Decimal("0.01")


def luhn_digit(digits: str) -> str:
    """The check digit that completes these."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """What stands on the page."""

    supplier: str
    supplier_name: str
    buyer: str
    number: str
    issued: date
    terms: int
    account: str
    reference: str
    lines: tuple[tuple[str, int, Decimal], ...]
    rate: Decimal
    code: bool
    layout: str
    credit: bool = False
    shown_account: str = field(default="")

    @property
    def due(self) -> date:
        return self.issued + timedelta(days=self.terms)

    @property
    def net(self) -> Decimal:
        return sum((count * price for _, count, price in self.lines), Decimal(0)).quantize(_ORE)

    @property
    def vat(self) -> Decimal:
        return (self.net * self.rate / 100).quantize(_ORE, ROUND_HALF_UP)

    @property
    def total(self) -> Decimal:
        return self.net + self.vat

    @property
    def truth(self) -> dict[str, str]:
        """The fields as a reader should give them."""
        return {
            "kind": "credit" if self.credit else "invoice",
            "number": self.number,
            "issue_date": self.issued.isoformat(),
            "due_date": self.due.isoformat(),
            "supplier": f"SE{self.supplier}",
            "supplier_name": self.supplier_name,
            "account": f"BG:{self.account}",
            "reference": self.reference,
            "currency": "SEK",
            "net": f"{self.net:.2f}",
            "vat": f"{self.vat:.2f}",
            "total": f"{self.total:.2f}",
        }

    def using_qr(self) -> str:
        """The code, as the UsingQR specification has it."""
        table: dict[str, Any] = {
            "uqr": 1, "tp": 2 if self.credit else 1, "nme": self.supplier_name, "cc": "SE",
            "cid": f"{self.supplier[:6]}-{self.supplier[6:]}", "iref": self.number,
            "idt": f"{self.issued:%Y%m%d}", "ddt": f"{self.due:%Y%m%d}",
            "due": float(self.total), "vat": float(self.vat), "cur": "SEK", "pt": "BG", "acc": self.account,
        }  # fmt: skip
        return json.dumps(table, ensure_ascii=False, separators=(",", ":"))


def organisation(rng: random.Random) -> str:
    """A number of a Swedish company."""
    digits = f"55{rng.randint(6, 9)}{rng.randint(0, 999999):06}"
    return digits + luhn_digit(digits)


def account(rng: random.Random) -> str:
    """A bankgiro number."""
    digits = str(rng.randint(100_000, 9_999_999))
    return digits + luhn_digit(digits)


def invoice(seed: int, *, code: bool, layout: str = "") -> Invoice:
    """The invoice of this seed."""
    rng = random.Random(seed)
    supplier = organisation(rng)
    number = str(rng.randint(1_000, 99_999_999)) if rng.random() < 0.8 else f"F{rng.randint(2020, 2026)}-{seed:04}"
    issued = date(2026, 1, 1) + timedelta(days=rng.randint(0, 330))
    digits = "".join(filter(str.isdigit, number)) + str(rng.randint(0, 9))
    digits += str((len(digits) + 2) % 10)
    lines = tuple(
        (rng.choice(_GOODS), rng.randint(1, 40), Decimal(rng.randint(500, 250_000)) / 100)
        for _ in range(rng.randint(1, 12))
    )
    return Invoice(
        supplier=supplier,
        supplier_name=f"Exempel {supplier[3:7]} AB",
        buyer=organisation(rng),
        number=number,
        issued=issued,
        terms=rng.choice((10, 15, 20, 30, 30, 30, 45, 60)),
        account=account(rng),
        reference=digits + luhn_digit(digits),
        lines=lines,
        rate=Decimal(rng.choice((25, 25, 25, 12, 6))),
        code=code,
        layout=layout or LAYOUTS[seed % len(LAYOUTS)],
    )


Item = tuple[float, float, float, str]
"""Left and baseline in mm, size in points, text."""


def money(value: Decimal, style: int = 0) -> str:
    """An amount as it is printed."""
    plain = f"{value:,.2f}"
    return plain if style == 2 else plain.replace(",", " ").replace(".", ",")


def giro(digits: str) -> str:
    """A bankgiro number as it is printed."""
    return f"{digits[:-4]}-{digits[-4:]}"


def page(one: Invoice) -> list[Item]:
    """Every text of the page, in its layout."""
    rng = random.Random(one.number)
    items: list[Item] = [(20, 22, 16, one.supplier_name)]
    title = "KREDITFAKTURA" if one.credit else "FAKTURA"
    shown = giro(one.shown_account or one.account)
    org = f"{one.supplier[:6]}-{one.supplier[6:]}"
    address = (f"Kund {one.buyer[3:7]} AB", f"{rng.choice(_STREETS)} {rng.randint(1, 99)}",
               f"{rng.randint(100, 999)} {rng.randint(10, 99)}  {rng.choice(_TOWNS)}")  # fmt: skip
    items += [(118, 52 + 5 * place, 10.5, text) for place, text in enumerate(address)]
    english = one.layout == "english"
    facts = (
        ("Invoice number", one.number), ("Invoice date", one.issued.isoformat()), ("Due date", one.due.isoformat()),
        ("Payment terms", f"{one.terms} days"), ("Payment reference", one.reference),
    ) if english else (
        ("Fakturanummer", one.number), ("Fakturadatum", one.issued.isoformat()), ("Förfallodatum", one.due.isoformat()),
        ("Betalningsvillkor", f"{one.terms} dagar netto"), ("OCR-nummer", one.reference),
    )  # fmt: skip
    items.append((118, 22, 18, ("CREDIT NOTE" if one.credit else "INVOICE") if english else title))
    top = 84.0
    if one.layout == "table":
        for place, (label, value) in enumerate(facts):
            items += [(20 + 36 * place, top, 8.5, label), (20 + 36 * place, top + 5.2, 10, value)]
        top += 16
    else:
        for label, value in facts:
            gap = 42 if one.layout != "classic" else 38
            text = f"{label}:" if one.layout == "classic" else label
            items += [(20, top, 10, text), (20 + gap, top, 10, value)]
            top += 5.6
        top += 6
    heads = ("Description", "Qty", "Price", "Amount") if english else ("Benämning", "Antal", "à-pris", "Belopp")
    items += [(x, top, 9, text) for x, text in zip((20, 108, 128, 160), heads, strict=True)]
    for name, count, price in one.lines:
        top += 5.6
        items += [(20, top, 10, name), (108, top, 10, str(count)), (128, top, 10, money(price))]
        items.append((160, top, 10, money((count * price).quantize(_ORE))))
    top = max(top + 12, 190)
    words = (
        ("Net amount", f"VAT {one.rate} %", "Amount due") if english else ("Netto", f"Moms {one.rate} %", "Att betala")
    )
    style = 2 if english else 0
    if one.layout == "table":
        for place, (label, value) in enumerate(zip(words, (one.net, one.vat, one.total), strict=True)):
            items += [(100 + 34 * place, top, 9, label), (100 + 34 * place, top + 5.6, 11, money(value, style))]
    else:
        for label, value in zip(words, (one.net, one.vat, one.total), strict=True):
            suffix = " SEK" if label in ("Att betala", "Amount due") else ""
            items += [(118, top, 11, label), (155, top, 11, money(value, style) + suffix)]
            top += 6.4
    foot = 262.0
    vat = f"SE{one.supplier}01"
    items += [
        (20, foot, 9, "Org.nr" if not english else "Org. no"), (20, foot + 4.6, 9, org),
        (65, foot, 9, "Momsreg.nr" if not english else "VAT no"), (65, foot + 4.6, 9, vat),
        (115, foot, 9, "Bankgiro"), (115, foot + 4.6, 10, shown),
        (150, foot, 9, "Godkänd för F-skatt"), (150, foot + 4.6, 9, "Valuta SEK"),
    ]  # fmt: skip
    return items


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(name, size)


@cache
def fonts() -> tuple[str, ...]:
    """Font files of this machine that have every letter."""
    found = []
    spec = find_spec("font_source_sans_pro")
    if spec and spec.origin:
        found += [str(one) for one in Path(spec.origin).parent.rglob("SourceSansPro-Regular.ttf")]
    for name in (
        "dejavu/DejaVuSans.ttf", "dejavu/DejaVuSerif.ttf", "dejavu/DejaVuSansCondensed.ttf",
        "liberation/LiberationSans-Regular.ttf", "liberation/LiberationSerif-Regular.ttf",
    ):  # fmt: skip
        path = Path("/usr/share/fonts/truetype") / name
        if path.exists():
            found.append(str(path))
    return tuple(found)


def draw(one: Invoice, dpi: int = 200, font: str = "") -> Image.Image:
    """The page as a printer and a good scanner would give it."""
    millimetre = dpi / 25.4
    image = Image.new("L", (round(210 * millimetre), round(297 * millimetre)), 255)
    pen = ImageDraw.Draw(image)
    font = font or fonts()[zlib.crc32(one.number.encode()) % len(fonts())]
    for x, y, size, text in page(one):
        pen.text((x * millimetre, y * millimetre), text, fill=0, font=_font(font, round(size * dpi / 72)), anchor="ls")
    if one.code:
        image.paste(qr(one.using_qr(), round(38 * millimetre)), (round(20 * millimetre), round(205 * millimetre)))
    return image


def qr(text: str, size: int) -> Image.Image:
    """A QR code of so many pixels."""
    import segno

    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="png", border=2)
    return Image.open(io.BytesIO(out.getvalue())).convert("L").resize((size, size), Image.Resampling.NEAREST)


def damage(image: Image.Image, how: str, seed: int) -> Image.Image:
    """What scanners, fax machines and people do to a page."""
    rng = random.Random(seed)
    if how == "clean":
        return image
    if how == "crumpled":
        image = _crumple(image, rng)
    angle = {"mild": 0.8, "hard": 2.0, "fax": 0.7, "crumpled": 1.2}[how] * rng.choice((-1, 1)) * rng.uniform(0.5, 1)
    image = image.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=255)
    image = image.filter(ImageFilter.GaussianBlur({"mild": 0.7, "hard": 1.5, "fax": 0.6, "crumpled": 0.9}[how]))
    noise = Image.effect_noise(image.size, {"mild": 15, "hard": 60, "fax": 50, "crumpled": 30}[how])
    image = Image.blend(image, noise, {"mild": 0.1, "hard": 0.25, "fax": 0.2, "crumpled": 0.15}[how])
    if how == "fax":  # 204 dots across and 98 lines down an inch, black and white
        image = image.resize((image.size[0], image.size[1] // 2), Image.Resampling.BOX)
        image = image.resize((image.size[0], image.size[1] * 2), Image.Resampling.NEAREST)
        return image.point([0 if value < 150 else 255 for value in range(256)])
    out = io.BytesIO()
    image.save(out, "JPEG", quality={"mild": 60, "hard": 25, "crumpled": 40}[how])
    return Image.open(io.BytesIO(out.getvalue())).convert("L")


def _crumple(image: Image.Image, rng: random.Random) -> Image.Image:
    """Bent and shaded: a grid whose corners have moved, with a fold across."""
    width, height = image.size
    across, down = 8, 11
    moved = [[(rng.uniform(-4, 4), rng.uniform(-3, 3)) for _ in range(across + 1)] for _ in range(down + 1)]
    mesh = []
    for row in range(down):
        for column in range(across):
            box = (
                column * width // across,
                row * height // down,
                (column + 1) * width // across,
                (row + 1) * height // down,
            )
            corners = ((column, row), (column, row + 1), (column + 1, row + 1), (column + 1, row))
            quad: list[float] = []
            for x, y in corners:
                dx, dy = moved[y][x]
                quad += [x * width / across + dx, y * height / down + dy]
            mesh.append((box, tuple(quad)))
    bent = image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC, fillcolor=255)
    shade = Image.new("L", (12, 16), 0)
    shade.putdata([rng.randint(205, 255) for _ in range(12 * 16)])
    from PIL import ImageChops

    return ImageChops.multiply(bent, shade.resize(image.size, Image.Resampling.BICUBIC))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    """The octets of a file: PNG, JPEG or TIFF (Group 4 where it is black and white)."""
    out = io.BytesIO()
    if kind == "TIFF" and image.getextrema() == (0, 255) and len(image.getcolors(300) or ()) == 2:
        image.convert("1").save(out, "TIFF", compression="group4", dpi=(200, 200))
    else:
        image.save(out, kind, dpi=(200, 200))
    return out.getvalue()


def text_pdf(*pages: list[Item], code: Image.Image | None = None, attached: tuple[str, bytes] | None = None) -> bytes:
    """A PDF with a text layer in Helvetica, with nothing but what is needed; a code as picture on its first page."""
    objects: list[bytes] = [
        b"",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    kids = []
    for number, items in enumerate(pages):
        content = b"".join(
            b"BT /F1 %.1f Tf %.2f %.2f Td (%s) Tj ET\n" % (size, x * 72 / 25.4, 842 - y * 72 / 25.4, _escaped(text))
            for x, y, size, text in items
        )
        resources = b"/Font << /F1 3 0 R >>"
        if code is not None and number == 0:
            content += b"q 108 0 0 108 57 153 cm /Im0 Do Q\n"
            pixels = zlib.compress(code.tobytes())
            objects.append(
                b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8"
                b" /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (*code.size, len(pixels), pixels)
            )
            resources += b" /XObject << /Im0 %d 0 R >>" % len(objects)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << %s >> /Contents %d 0 R >>"
            % (resources, len(objects))
        )
        kids.append(len(objects))
    more = b""
    if attached is not None:
        name, octets = attached
        objects.append(b"<< /Type /EmbeddedFile /Length %d >>\nstream\n%s\nendstream" % (len(octets), octets))
        objects.append(b"<< /Type /Filespec /F (%s) /EF << /F %d 0 R >> >>" % (name.encode(), len(objects)))
        more = b"/Names << /EmbeddedFiles << /Names [(%s) %d 0 R] >> >>" % (name.encode(), len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R %s >>" % more
    kids_text = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), kids_text)
    return written(objects)


def written(objects: list[bytes]) -> bytes:
    """A PDF file of these objects; the first is the catalogue."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _escaped(text: str) -> bytes:
    plain = text.encode("cp1252", "replace")
    return plain.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
