"""What waits for a clerk when the demonstration opens: three proposals, a case to review, a changed bank account.

All of it is done by the running gateway: three customers who get letters are put onto the network at the other
operator, and the next invoice to each finds them; papers of two suppliers are handed in as a scanner would.
"""

from __future__ import annotations

import asyncio
import io
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.model.counterpart import Role
from gateway.network.history import company_number
from gateway.network.mail_server import GONE
from gateway.ubl import invoice, page

FOUND: Final = (17, 23, 31)
"""Customers who got letters all year, and can be reached now."""
_KNOWN, _UNKNOWN = 2, 4
"""Suppliers by their number in the history: of whom paper came before, and of whom none did."""
_ACCOUNTS: Final = ("01234566", "50501055")
"""Two bankgiro numbers with right check digits: of the first invoice, and of the second."""
_PAYMENT: Final = re.compile(r"<cbc:PaymentID>([^<]+)<")
_SIDE: Final = 200 / 72
_LOOKS, _LOOK_SECONDS = 15, 0.2


class Api(Protocol):
    """A gateway's API as its account uses it."""

    async def call(self, method: str, path: str, **more: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """How many of each wait."""

    proposals: int = 0
    reviews: int = 0
    held: int = 0
    """Invoices with another bank account than ever before."""

    asked: tuple[int, int] = (0, 0)
    """Of the sweep over all customers: who has been looked up, of how many."""
    ready: bool = True
    """False while papers are still being read."""

    @property
    def words(self) -> str:
        """One line for the terminal."""
        more = "" if self.ready else "; papers are still being read"
        what = f"{self.proposals} customers to move, {self.reviews} to review, {self.held} changed bank account"
        done, of = self.asked
        sweep = f"; a sweep over {of} customers is running, {done} looked up" if done < of else ""
        if done == of and of:
            sweep = f"; all {of} customers have just been looked up anew"
        return f"waiting: {what}{sweep}{more}"


async def fill_desk(ours: Api, theirs: Api, template: bytes, mailed: bytes, *, reads: bool) -> None:
    """Let it happen. ``mailed`` is an invoice that goes by mail. ``reads``: whether paper and PDF are taken here.

    Raises ``GatewayError``.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_become_reachable(ours, theirs, template))
        tasks.create_task(_lose_a_mail(ours, mailed))
        if reads:
            tasks.create_task(_hand_in_bills(ours, template))
            tasks.create_task(_hand_in_scan(ours, template))


async def begin_sweep(ours: Api) -> None:
    """Have all customers looked up anew; gives once it has begun, after three seconds in any case."""
    sweep = await ours.call("POST", "/v1/sweeps")
    for _ in range(_LOOKS):
        if (await ours.call("GET", f"/v1/sweeps/{sweep['id']}"))["total"]:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def look_at_desk(ours: Api, *, ready: bool) -> Desk:
    """What waits now, by the API."""
    proposals = (await ours.call("GET", "/v1/proposals?state=open&direction=out"))["items"]
    waiting = (await ours.call("GET", "/v1/reviews"))["items"]
    held = sum(one["hold"] == "bank_account" for one in waiting)
    sweeps = (await ours.call("GET", "/v1/sweeps"))["items"]
    asked = (sweeps[0]["done"], sweeps[0]["total"]) if sweeps else (0, 0)
    return Desk(asked=asked, proposals=len(proposals), reviews=len(waiting) - held, held=held, ready=ready)


async def _become_reachable(ours: Api, theirs: Api, template: bytes) -> None:
    facts = invoice.read(template)
    assert facts.buyer.endpoint is not None
    number = facts.buyer.endpoint.value.partition(":")[2]
    for place in FOUND:
        name, own = f"Exempelkund {place} AB", company_number(place, Role.CUSTOMER)
        body = {"id": f"0007:{own}", "name": name, "country": "SE"}
        await theirs.call("POST", "/v1/participants", json=body)
        octets = _with(template, {number: own, facts.buyer.shown_name: name, facts.number: f"2026{place:05}"})
        headers = {"Content-Type": "application/xml", "Idempotency-Key": f"desk-{place}"}
        await ours.call("POST", "/v1/documents?wait=10", data=octets, headers=headers)


async def _lose_a_mail(ours: Api, template: bytes) -> None:
    """An invoice to a mailbox that is not there: it comes back, and goes on as a letter."""
    facts = invoice.read(template)
    octets = _with(template, {facts.buyer.email: GONE, facts.number: "202600199"})
    headers = {"Content-Type": "application/xml", "Idempotency-Key": "desk-mail"}
    await ours.call("POST", "/v1/documents?wait=10", data=octets, headers=headers)


async def _hand_in_bills(ours: Api, template: bytes) -> None:
    """Two PDF files of one supplier; the second wants its money somewhere else."""
    first, second = (_bill(template, _KNOWN, f"F-{place}01", account) for place, account in enumerate(_ACCOUNTS, 1))
    for name, octets in (("faktura-oktober.pdf", first), ("faktura-november.pdf", second)):
        await _upload(ours, name, "application/pdf", await asyncio.to_thread(page.render, octets, language="sv"))


async def _hand_in_scan(ours: Api, template: bytes) -> None:
    """A crumpled page: its code can be read, not all of its text; without an optical reader only the code."""
    crumpled = await asyncio.to_thread(crumple, _bill(template, _UNKNOWN, "88213", _ACCOUNTS[0]))
    await _upload(ours, "skannat-0001.jpg", "image/jpeg", crumpled)


async def _upload(ours: Api, name: str, media_type: str, octets: bytes) -> None:
    await ours.call("POST", f"/v1/scans?file_name={name}", data=octets, headers={"Content-Type": media_type})


def _bill(template: bytes, supplier: int, number: str, account: str) -> bytes:
    """An invoice of a supplier to the company whose invoice the template is."""
    facts = invoice.read(template)
    assert facts.seller.endpoint is not None and facts.buyer.endpoint is not None
    us, them = (one.endpoint.value.partition(":")[2] for one in (facts.seller, facts.buyer) if one.endpoint)
    own = company_number(supplier, Role.SUPPLIER)
    names = {
        facts.seller.shown_name: f"Exempelleverantör {supplier} AB",
        facts.buyer.shown_name: facts.seller.shown_name,
    }
    paid = dict.fromkeys(_PAYMENT.findall(template.decode()), number)
    return _with(template, {us: own, them: us, **names, **paid, facts.number: number, _ACCOUNTS[0]: account})


def _with(template: bytes, other: Mapping[str, str]) -> bytes:
    """The template with other texts in place of some, all at once: one may take another's place."""
    text = template.decode()
    for place, old in enumerate(other):
        text = text.replace(old, f"\ue000{place}\ue001")
    for place, new in enumerate(other.values()):
        text = text.replace(f"\ue000{place}\ue001", new)
    return text.encode()


def crumple(octets: bytes) -> bytes:
    """The invoice printed, crumpled and scanned askew: a JPEG that says less than the paper did."""
    import pypdfium2
    from PIL import Image, ImageChops, ImageFilter

    rng = random.Random(7)  # noqa: S311  the same page each time
    document = pypdfium2.PdfDocument(page.render(octets, language="sv", layout={"code": True}))
    drawn = document[0].render(scale=_SIDE, grayscale=True).to_pil().convert("L")
    width, height = drawn.size
    across, down = 8, 11
    moved = [[(rng.uniform(-5, 5), rng.uniform(-4, 4)) for _ in range(across + 1)] for _ in range(down + 1)]
    mesh = []
    for row in range(down):
        for column in range(across):
            corners = ((column, row), (column, row + 1), (column + 1, row + 1), (column + 1, row))
            quad: list[float] = []
            for x, y in corners:
                quad += [x * width / across + moved[y][x][0], y * height / down + moved[y][x][1]]
            box = (column * width // across, row * height // down)
            mesh.append(((*box, (column + 1) * width // across, (row + 1) * height // down), tuple(quad)))
    bent = drawn.transform(drawn.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC, fillcolor=255)
    shade = Image.frombytes("L", (12, 16), bytes(rng.randint(205, 255) for _ in range(12 * 16)))
    bent = ImageChops.multiply(bent, shade.resize(bent.size, Image.Resampling.BICUBIC))
    bent = bent.rotate(0.9, resample=Image.Resampling.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(1.0))
    out = io.BytesIO()
    bent.save(out, "JPEG", quality=45, dpi=(200, 200))
    return out.getvalue()
