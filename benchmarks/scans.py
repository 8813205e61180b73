"""How well paper is read: generated invoices, damaged, with and without a code, and what was accepted of them.

    python -m benchmarks.scans --invoices 300

Prints for each field how many were accepted right, accepted wrong, and left to a person; and how many invoices went
through without one. The pages are those of ``tests/scanning/generator.py``; the same seed gives the same pages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from gateway.model.scan import NEEDED, Reading, Supplier
from gateway.scanning.reader import FileReader
from tests.scanning import generator

KINDS = ("pdf", *generator.DAMAGES)


async def _nobody(numbers: Collection[str]) -> Sequence[Supplier]:
    """Every supplier is new: the hardest case."""
    return ()


def made(seed: int, how: str, *, code: bool) -> tuple[generator.Invoice, bytes, str]:
    """One invoice as a file."""
    one = generator.invoice(seed, code=code)
    if how == "pdf":
        code_picture = generator.qr(one.using_qr(), 120) if code else None
        return one, generator.text_pdf(generator.page(one), code=code_picture), ".pdf"
    kind, suffix = {"fax": ("TIFF", ".tif"), "clean": ("PNG", ".png")}.get(how, ("JPEG", ".jpg"))
    return one, generator.encoded(generator.damage(generator.draw(one), how, seed), kind), suffix


def judged(reading: Reading, truth: dict[str, str]) -> dict[str, str]:
    """``right``, ``wrong`` or ``review`` for each field that stands on the page."""
    outcome = {}
    for name, value in truth.items():
        found = reading.fields.get(name)
        if reading.refusal is not None or found is None or not found.accepted:
            outcome[name] = "review"
        else:
            outcome[name] = "right" if found.value == value else "wrong"
    return outcome


async def run(first: int, invoices: int, kinds: Sequence[str], log: Path | None) -> int:
    """Read so many invoices; gives 1 when a wrong field was accepted."""
    reader = FileReader()
    fields: dict[str, Counter[str]] = {}
    automatic: dict[tuple[str, bool], Counter[bool]] = {}
    begun = time.monotonic()
    for number in range(invoices):
        seed, how, code = first + number, kinds[number % len(kinds)], (number // len(kinds)) % 2 == 0
        one, octets, suffix = made(seed, how, code=code)
        own = {f"SE{one.buyer}", f"Kund {one.buyer[3:7]} AB"}
        reading = await reader.read(octets, file_name=f"scan{suffix}", own=own, suppliers_of=_nobody)
        outcome = judged(reading, one.truth)
        for name, word in outcome.items():
            fields.setdefault(name, Counter())[word] += 1
        through = reading.refusal is None and all(outcome[name] == "right" for name in outcome if name in NEEDED)
        through = through and "review" not in outcome.values()
        automatic.setdefault((how, code), Counter())[through] += 1
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                line = {"seed": seed, "how": how, "code": code, "layout": one.layout, "rungs": reading.rungs,
                        "refused": reading.refusal and reading.refusal.name,
                        "not_right": {n: [w, one.truth[n], reading.fields[n].value if n in reading.fields else ""]
                                      for n, w in outcome.items() if w != "right"}}  # fmt: skip
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if (number + 1) % 10 == 0:
            wrong = sum(counts["wrong"] for counts in fields.values())
            print(
                f"{number + 1:>5} of {invoices}, {time.monotonic() - begun:6.0f} s, wrong {wrong}",
                file=sys.stderr,
                flush=True,
            )
    table(fields, automatic)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\nprocessor time of the readers: {(used.ru_utime + used.ru_stime) / invoices:.2f} s a document")
    print(f"largest process: {used.ru_maxrss / 1024:.0f} MiB")
    return 1 if sum(counts["wrong"] for counts in fields.values()) else 0


def table(fields: dict[str, Counter[str]], automatic: dict[tuple[str, bool], Counter[bool]]) -> None:
    """Print both tables."""
    print(f"{'field':<16}{'right':>8}{'wrong':>8}{'review':>8}")
    sums: Counter[str] = Counter()
    for name, counts in fields.items():
        sums.update(counts)
        print(f"{name:<16}{counts['right']:>8}{counts['wrong']:>8}{counts['review']:>8}")
    print(f"{'all':<16}{sums['right']:>8}{sums['wrong']:>8}{sums['review']:>8}\n")
    print(f"{'page':<12}{'with a code':>22}{'without':>22}")
    whole = {True: Counter[bool](), False: Counter[bool]()}
    for how in dict.fromkeys(how for how, _ in automatic):
        cells = []
        for code in (True, False):
            pages = automatic.get((how, code), Counter())
            whole[code].update(pages)
            cells.append(_share(pages))
        print(f"{how:<12}{cells[0]:>22}{cells[1]:>22}")
    print(f"{'all':<12}{_share(whole[True]):>22}{_share(whole[False]):>22}   fully automatic")


def _share(counts: Counter[bool]) -> str:
    total = counts.total()
    return f"{counts[True]} of {total} ({100 * counts[True] / total:.0f} %)" if total else "-"


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--invoices", type=int, default=60)
    parser.add_argument("--first", type=int, default=1_000, help="seed of the first invoice")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--log", type=Path, help="a JSON line for each invoice")
    asked = parser.parse_args()
    return asyncio.run(run(asked.first, asked.invoices, asked.kinds, asked.log))


if __name__ == "__main__":
    raise SystemExit(main())
