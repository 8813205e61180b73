"""What a large message costs in memory: a curve of the receiving and the sending gateway while one goes through both.

    python -m benchmarks.memory [--megabytes 250] [--out DIR]

Two gateways run as processes of their own. An invoice with a large attachment is handed in at the first over its API,
goes over AS4 to the second, and is fetched there; then its evidence is fetched. The attachment is random, so the
message is about as large on the wire as the figure says. Memory is what the kernel counts (resident and its peak,
VmHWM), the base is that of the same process after small messages; shared file pages are counted too. DIR (default:
var/bench) gets memory.txt, memory.json and memory.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import aiohttp

from gateway.network.market import Market, Member, new_market
from gateway.network.running import Running, run_market
from gateway.ubl import invoice

SAMPLE = resources.files("gateway.ubl").joinpath("examples/network.xml").read_bytes()
FACTS = invoice.read(SAMPLE)
_LINE_OCTETS = 57
_GROWTH = 77 / 57
"""Base64 with line ends."""


@dataclass(slots=True)
class Curve:
    """Resident MiB of one process over the seconds."""

    name: str
    base: float = 0.0
    peak: float = 0.0
    points: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mark:
    """When a step began."""

    seconds: float
    name: str


def invoice_of(octets: int, number: str) -> Iterator[bytes]:
    """An invoice that is packed about as large as this, because its attachment is random."""
    reference = (
        "<cac:AdditionalDocumentReference><cbc:ID>attachment</cbc:ID><cac:Attachment>"
        '<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="drawing.pdf">'
    )
    before, after = SAMPLE.split(b"<cac:AccountingSupplierParty>", 1)
    yield before.replace(FACTS.number.encode(), number.encode(), 1) + reference.encode()
    for _ in range(max(1, octets // (_LINE_OCTETS * 1000))):
        yield b"".join(base64.b64encode(line) + b"\n" for line in _lines(os.urandom(_LINE_OCTETS * 1000)))
    yield (
        b"</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>"
        b"<cac:AccountingSupplierParty>" + after
    )


def _lines(octets: bytes) -> Iterator[bytes]:
    return (octets[at : at + _LINE_OCTETS] for at in range(0, len(octets), _LINE_OCTETS))


def memory_of(pid: int, name: str) -> float:
    """MiB that the kernel says under this name: ``VmRSS`` now, ``VmHWM`` the most there was."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


def base_of(pid: int) -> float:
    """MiB that are resident now; the peak that the kernel remembers begins anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory_of(pid, "VmRSS")


@contextlib.asynccontextmanager
async def watched(curves: dict[int, Curve], every: float = 0.02) -> AsyncIterator[float]:
    """Look at the processes again and again; gives the moment from which seconds count."""
    began = time.monotonic()

    async def look() -> None:
        while True:
            for pid, curve in curves.items():
                curve.points.append((time.monotonic() - began, memory_of(pid, "VmRSS")))
            await asyncio.sleep(every)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        try:
            yield began
        finally:
            looking.cancel()


@dataclass(frozen=True, slots=True)
class Api:
    """The API of one gateway."""

    http: aiohttp.ClientSession
    member: Member

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.member.key_file.read_text().strip()}"}

    async def post(self, path: str, data: Any, kind: str = "application/xml") -> dict[str, Any]:
        headers = {**self._headers, "Content-Type": kind}
        async with self.http.post(f"http://{self.member.api}{path}", data=data, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise RuntimeError(f"{path}: {answer.status} {text}")
            return dict(json.loads(text))

    async def digest(self, path: str) -> tuple[str, int]:
        """SHA-256 and size of what is there."""
        digest, size = hashlib.sha256(), 0
        async with self.http.get(f"http://{self.member.api}{path}", headers=self._headers) as answer:
            answer.raise_for_status()
            async for piece in answer.content.iter_chunked(256 * 1024):
                digest.update(piece)
                size += len(piece)
        return digest.hexdigest(), size

    async def get(self, path: str) -> dict[str, Any]:
        async with self.http.get(f"http://{self.member.api}{path}", headers=self._headers) as answer:
            answer.raise_for_status()
            return dict(await answer.json())


async def _register(api: Api, participant: str) -> None:
    await api.post(
        "/v1/participants", json.dumps({"id": participant, "name": "x", "country": "SE"}), "application/json"
    )


async def settled(api: Api, id: str, seconds: float = 600.0) -> dict[str, Any]:
    """The document once it is no longer queued."""
    until = time.monotonic() + seconds
    while True:
        document = await api.get(f"/v1/documents/{id}")
        if document["status"] != "queued" or time.monotonic() > until:
            return document
        await asyncio.sleep(0.1)


async def arrived(api: Api, known: set[str], seconds: float = 600.0) -> str:
    """What is new in the inbox, as soon as what is attached to it was looked at; added to what is known."""
    until = time.monotonic() + seconds
    while True:
        new = {one["id"] for one in (await api.get("/v1/inbox"))["items"]} - known
        if new or time.monotonic() > until:
            known |= new
            return str(new.pop())
        await asyncio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Trip:
    """What one large message cost."""

    megabytes: float
    seconds: float
    sender: Curve
    receiver: Curve
    marks: tuple[Mark, ...]


async def trip(directory: Path, octets: int) -> Trip:
    """One large invoice from API to API, with the memory of both gateways watched."""
    market = new_market(directory, 2, now=datetime.now(UTC))
    for member in market.members:
        text = member.config.read_text()
        member.config.write_text(text.replace("[as4]", '[as4]\nmax_message = "250 MB"', 1))
    timeout = aiohttp.ClientTimeout(total=1200)
    async with run_market(market) as running, aiohttp.ClientSession(timeout=timeout) as http:
        return await _measured(market, running, http, octets)


async def _measured(market: Market, running: tuple[Running, ...], http: aiohttp.ClientSession, octets: int) -> Trip:
    sender, receiver = (Api(http, member) for member in market.members)
    assert FACTS.seller.endpoint and FACTS.buyer.endpoint
    await _register(sender, FACTS.seller.endpoint.value)
    await _register(receiver, FACTS.buyer.endpoint.value)
    known = set[str]()
    for number in range(20):
        small = await sender.post("/v1/documents?wait=20", b"".join(invoice_of(0, f"small-{number}")))
        assert small["state"] == "SENT", small
        inbox = await arrived(receiver, known)
        await receiver.digest(f"/v1/documents/{inbox}/content")
        await receiver.digest(f"/v1/documents/{inbox}/evidence.zip")
    curves = {r.pid: Curve(name) for r, name in zip(running, ("sender", "receiver"), strict=True)}
    for pid, curve in curves.items():
        curve.base = base_of(pid)
    marks = []
    digest, size = hashlib.sha256(), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal size
        for piece in invoice_of(octets, "large-1"):
            digest.update(piece)
            size += len(piece)
            yield piece

    async with watched(curves) as began:
        marks.append(Mark(time.monotonic() - began, "handed in"))
        accepted = await sender.post("/v1/documents", body())
        marks.append(Mark(time.monotonic() - began, "accepted"))
        document = await settled(sender, accepted["id"])
        assert document["state"] == "SENT", document
        marks.append(Mark(time.monotonic() - began, "sent, receipt checked"))
        inbox = await arrived(receiver, known)
        found, there = await receiver.digest(f"/v1/documents/{inbox}/content")
        marks.append(Mark(time.monotonic() - began, "fetched"))
        await receiver.digest(f"/v1/documents/{inbox}/evidence.zip")
        ended = time.monotonic() - began
        marks.append(Mark(ended, "evidence fetched"))
    declaration = SAMPLE.index(b"?>") + 2
    assert there <= size and there >= size - declaration - 2, (there, size)
    assert (await receiver.get(f"/v1/documents/{inbox}"))["sha256"] == found
    for pid, curve in curves.items():
        curve.peak = memory_of(pid, "VmHWM")
    left, right = curves.values()
    return Trip(size / 1e6, ended, left, right, tuple(marks))


def table(found: Trip) -> str:
    """The figures for people."""
    lines = [f"{'':12}{'base MiB':>10}{'peak MiB':>10}{'more MiB':>10}"]
    lines += [
        f"{curve.name:12}{curve.base:10.1f}{curve.peak:10.1f}{curve.peak - curve.base:10.1f}"
        for curve in (found.sender, found.receiver)
    ]
    lines.append(f"a document of {found.megabytes:.0f} MB in {found.seconds:.1f} s")
    lines += [f"  {mark.seconds:7.1f} s  {mark.name}" for mark in found.marks]
    return "\n".join(lines)


def picture(found: Trip) -> str:
    """The two curves as SVG, with the size of the message as a line to compare them with."""
    width, height, left, top = 720, 330, 60, 56
    across, down = width - left - 24, 200
    highest = max(found.megabytes * 1e6 / 2**20, found.sender.peak, found.receiver.peak) * 1.1

    def at(seconds: float, mib: float) -> str:
        return f"{left + seconds / found.seconds * across:.1f},{top + down - mib / highest * down:.1f}"

    parts = [f'<text class="title" x="16" y="28">{escape(_TITLE.format(found.megabytes))}</text>']
    for mib in range(0, int(highest), 50):
        y = top + down - mib / highest * down
        parts.append(f'<line class="grid" x1="{left}" x2="{left + across}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="note" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{mib}</text>')
    size = found.megabytes * 1e6 / 2**20
    parts.append(f'<polyline class="size" points="{at(0, size)} {at(found.seconds, size)}"/>')
    parts.append(f'<text class="note" x="{left + 6}" y="{top + down - size / highest * down - 6:.1f}">its size</text>')
    for style, curve in (("ours", found.sender), ("other", found.receiver)):
        points = " ".join(at(seconds, mib) for seconds, mib in _corners(curve.points))
        parts.append(f'<polyline class="{style}" points="{points}"/>')
    for number, mark in enumerate(found.marks):
        x = left + mark.seconds / found.seconds * across
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + down}"/>')
        side = ' text-anchor="end"' if x > left + across * 0.8 else ""
        y = top + down + 16 + 13 * (number % 3)
        parts.append(f'<text class="note" x="{x + 2:.1f}" y="{y}"{side}>{mark.name}</text>')
    y = top + down + 62
    for style, curve in (("ours", found.sender), ("other", found.receiver)):
        parts.append(f'<text class="note {style}-text" x="16" y="{y}">{_legend(curve)}</text>')
        y += 16
    inside = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 20}" width="{width}" '
        f'height="{height + 20}" role="img">\n  <title>{escape(_TITLE.format(found.megabytes))}</title>\n'
        f"  <style>{_STYLE}\n  </style>\n  {inside}\n</svg>\n"
    )


def _corners(points: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The first and last point, and those where the curve is not flat: the picture is the same with fewer."""
    for number, (seconds, mib) in enumerate(points):
        beside = points[max(0, number - 1) : number + 2]
        if number in (0, len(points) - 1) or any(abs(other - mib) > _FLAT for _, other in beside):
            yield seconds, mib


_FLAT = 0.2
_TITLE = "Memory in MiB while a document of {:.0f} MB goes through two gateways"
_STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .note { font-size: 11px; fill: #656d76 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  polyline { fill: none; stroke-width: 1.5 }
  .size { stroke: #cf222e; stroke-dasharray: 4 3 }
  .ours { stroke: #0969da } .other { stroke: #1a7f37 }
  .ours-text { fill: #0969da } .other-text { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #8d96a0 } .grid { stroke: #30363d } }"""


def _legend(curve: Curve) -> str:
    more = curve.peak - curve.base
    return f"{curve.name}: {curve.base:.0f} MiB after small messages, {curve.peak:.0f} at the most: {more:.0f} MiB more"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=250, help="size of the body that is handed in")
    parser.add_argument("--out", type=Path, default=Path("var/bench"))
    arguments = parser.parse_args()
    attached = int(arguments.megabytes * 1e6 / _GROWTH) - 20_000
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(trip(Path(directory) / "market", attached))
    print(table(found))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    (out / "memory.txt").write_text(table(found) + "\n")
    (out / "memory.svg").write_text(picture(found))
    figures: dict[str, object] = {"megabytes": round(found.megabytes, 1), "seconds": round(found.seconds, 1)}
    for curve in (found.sender, found.receiver):
        figures[curve.name] = {"base_mib": round(curve.base, 1), "peak_mib": round(curve.peak, 1)}
    (out / "memory.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
