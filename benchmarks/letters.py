"""Letters: milliseconds of a page, the preflight against an independent witness, a batch killed again and again.

``python -m benchmarks.letters --letters 1000 --kills 100`` (``make letters``). The witness is ``pdftotext -bbox`` of
poppler: it has its own idea of where each word stands, and from its words the same rectangle test must say the same of
each generated letter, good or bad (address moved, too long, something else in the window, in a forbidden zone).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from importlib import resources
from pathlib import Path
from typing import Any

from gateway.fallback import _envelope, _preflight, _sheet
from gateway.fallback._envelope import Box, Envelope
from gateway.model.address import letter_lines
from gateway.model.document import PostalAddress
from gateway.ubl import page

_WORD = re.compile(r'<word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*?)</word>')
NAMES = ("Exempel AB", "Åkeri & Grävtjänst i Örnsköldsvik AB", "Ny Affär", "O'Mallory's Pub", "Kommun 17", "Ægir ehf")
STREETS = ("Storgatan 1", "Box 1204", "Södra Förstadsgatan 117 B", "FE 17", "c/o Utan Lokal, Plan 3")
CITIES = (("11122", "Stockholm"), ("62157", "Visby"), ("98138", "Kiruna"), ("41106", "Göteborg"))
MOST = 35
"""Milliseconds of a page with all that belongs on it."""
KINDS = ("good", "good", "good", "moved", "intruder", "zone", "long")


def example() -> str:
    return resources.files("gateway.ubl").joinpath("examples/letter.xml").read_text("utf-8")


def letter(dice: random.Random) -> tuple[bytes, Envelope, tuple[str, ...], str]:
    """A letter as the product makes it, its envelope and address, and what was done to it."""
    envelope = _envelope.shipped(dice.choice(_envelope.known()))
    code, city = dice.choice(CITIES)
    address = PostalAddress(
        name=dice.choice(NAMES), street=dice.choice(STREETS), postal_code=code, city=city, country="SE",
        attention=dice.choice(("", "Ekonomiavdelningen")),
    )  # fmt: skip
    text = re.sub(r"Exempel Bageri", "EXAMPLE", example())
    for old, new in (("EXAMPLE", address.name), ("Kvarngatan 3", address.street), ("Visby", city), ("62157", code)):
        text = text.replace(old, new.replace("&", "&amp;"))
    from gateway.security import safexml
    from gateway.ubl import invoice

    facts = invoice.facts_of(safexml.parse(text.encode()))
    lines = letter_lines(facts.receiver.address, facts.sender.country, page.language_of(facts))
    kind = dice.choice(KINDS)
    layout: dict[str, Any] = envelope.layout()
    if kind == "moved":  # by three millimetres and more, so that nobody can see it otherwise
        away = dice.uniform(3, 15)
        box = dict(layout["address"])
        side, sign = dice.choice((("x", -1), ("y", -1), ("y", 1)))
        box[side] += sign * away
        layout["address"] = box
    elif kind == "intruder":
        layout["return_line"] = {**layout["return_line"], "y": envelope.address.bottom - dice.uniform(4, 8)}
    elif kind == "zone":
        zone = Box(x=envelope.return_line.x - 5, y=envelope.return_line.y, width=60, height=5, name="stamp")
        envelope = replace(envelope, forbidden=(*envelope.forbidden, zone))
    elif kind == "long":
        envelope = replace(envelope, address=replace(envelope.address, width=12))
    return page.render(text.encode(), layout=layout), envelope, lines, kind


def witness(pdf: bytes) -> list[_sheet.Word]:
    """The words of the first page as poppler sees them."""
    command = ["pdftotext", "-bbox", "-f", "1", "-l", "1", "-", "-"]
    said = subprocess.run(command, input=pdf, capture_output=True, check=True).stdout.decode()
    words = []
    for left, top, right, bottom, text in _WORD.findall(said):
        x, y = float(left) * _sheet.MM, float(top) * _sheet.MM
        box = Box(x=x, y=y, width=float(right) * _sheet.MM - x, height=float(bottom) * _sheet.MM - y)
        words.append(_sheet.Word(unescape(text), box))
    return words


def compare(number: int, seed: int = 1) -> tuple[int, Counter[str], list[str]]:
    """How many letters both see alike, how many of each verdict there were, and where they differ."""
    dice = random.Random(seed)
    same, verdicts, differ = 0, Counter[str](), list[str]()
    for place in range(number):
        pdf, envelope, lines, kind = letter(dice)
        words = _sheet.read_sheets(pdf, most=1).sheets[0].words
        ours = _preflight.window_faults(words, (), envelope, lines)
        theirs = _preflight.window_faults(witness(pdf), (), envelope, lines)
        verdict = {fault.rule for fault in ours}
        verdicts[f"{kind}: {', '.join(sorted(verdict)) or 'good'}"] += 1
        if verdict == {fault.rule for fault in theirs}:
            same += 1
        else:
            differ.append(f"letter {place} ({kind}, {envelope.name}): {ours} / {theirs}")
    return same, verdicts, differ


CHILD = """
import asyncio, json, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from gateway.fallback._batch import Printed
from gateway.fallback._bureau_folder import Folder
from gateway.fallback._tray import Tray
base, number = Path(sys.argv[1]), int(sys.argv[2])
tray = Tray(base / "tray", timedelta(days=60))
later = datetime.now(UTC) + timedelta(days=3)
async def main():
    print("ready", flush=True)
    for n in range(number):
        tray.put(Printed(document=f"doc-{n}", account="main", pdf=b"%PDF-1.7 " + str(n).encode() * 200, pages=1,
                         duplex=True, address=("Exempel AB",)))
    tray.close_due(later, lambda since: later)
    bureau = Folder(base / "letters", lambda: later)
    for name, done in tray.closed():
        if not done:
            await bureau.submit(tray.read(name), tray.begun(name))
            tray.submitted(name)
        tray.told(name)
    print("done", flush=True)
asyncio.run(main())
"""


def killed(number: int, kills: int, seed: int = 1) -> tuple[int, int, int]:
    """A batch of so many letters, its process killed at random moments: kills, letters lost, letters twice.

    Each round the process comes back and goes on; when it has done all, a new batch begins. What the bureau holds in
    the end is counted from its manifests.
    """
    dice, dead, lost, twice = random.Random(seed), 0, 0, 0
    while dead < kills:
        with tempfile.TemporaryDirectory() as folder:
            longest = 0.0
            while True:
                with subprocess.Popen(
                    [sys.executable, "-c", CHILD, folder, str(number)], stdout=subprocess.PIPE, text=True
                ) as child:
                    assert child.stdout is not None
                    child.stdout.readline()
                    longest = longest or 0.002 * number + 0.3
                    if dead < kills:
                        time.sleep(dice.uniform(0, longest))
                        if child.poll() is None:
                            child.kill()
                            child.wait()
                            dead += 1
                            continue
                    if child.stdout.read().strip() == "done":
                        break
                    raise RuntimeError("the process ended by itself before it was done")
            seen: Counter[str] = Counter()
            for manifest in Path(folder).glob("letters/[!.]*/manifest.jsonl"):
                seen.update(json.loads(line)["id"] for line in manifest.read_text("utf-8").splitlines())
            lost += number - len(seen)
            twice += sum(times - 1 for times in seen.values())
    return dead, lost, twice


def milliseconds(times: int, octets: bytes) -> tuple[float, float]:
    """Median of making the page of a letter, and of its whole preflight, in CPU time.

    Each letter has another number, so that nothing of an earlier one helps it: neither its page nor its code.
    """
    envelope = _envelope.shipped(_envelope.DEFAULT)
    made, checked = [], []
    for place in range(times + 3):
        begun = time.process_time()
        pdf = page.render(octets.replace(b"NUMBER", f"F{place:05}".encode()), layout=envelope.layout())
        between = time.process_time()
        _preflight.inspect(pdf, envelope, (), most=100)
        made.append((between - begun) * 1000)
        checked.append((time.process_time() - between) * 1000)
    return statistics.median(made[3:]), statistics.median(checked[3:])


def pages() -> bool:
    """What a page costs, without and with a code to pay with; whether it is as cheap as promised."""
    coded = re.sub("(<cbc:ID>)[^<]+(</cbc:ID>)", r"\1NUMBER\2", example(), count=1)
    coded = re.sub("(<cbc:PaymentID>)[^<]+", r"\1NUMBER", coded)
    plain = re.sub("(?s)<cac:PayeeFinancialAccount>.*?</cac:PayeeFinancialAccount>", "", coded)
    for what, octets in (("without a code", plain), ("with a code", coded)):
        made, checked = milliseconds(40, octets.encode())
        print(f"page {what}: {made:.1f} ms, preflight {checked:.1f} ms (CPU, medians of 40)")
    return made <= MOST


def preflight(letters: int, seed: int) -> bool:
    if shutil.which("pdftotext") is None:
        print("no pdftotext here: nothing to compare with")
        return True
    same, verdicts, differ = compare(letters, seed)
    print(f"preflight and pdftotext agree in {same} of {letters}: {dict(sorted(verdicts.items()))}")
    print(*differ[:10], sep="\n")
    return same == letters


def kills(letters: int, times: int, seed: int) -> bool:
    dead, lost, twice = killed(letters, times, seed)
    print(f"{letters} letters, killed {dead} times (seed {seed}): {lost} lost, {twice} twice", flush=True)
    return not lost and not twice


def main() -> int:
    """Print the three figures; ends 1 where one of them is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("pages", "preflight", "kills"))
    asked = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    parts: dict[str, Callable[[], bool]] = {
        "pages": pages,
        "preflight": lambda: preflight(asked.letters, asked.seed),
        "kills": lambda: kills(asked.letters, asked.kills, asked.seed),
    }
    fine = [run() for name, run in parts.items() if asked.only in (None, name)]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
