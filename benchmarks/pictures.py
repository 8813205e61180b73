"""``python -m benchmarks.pictures``: attached PDFs beside their invoices: altered ones seen, honest ones blamed.

Each invoice of ``tests/scanning/generator.py`` gets PDFs of itself that show another total (alone, or with the lines
that make it), another account, another number, or two of these, and PDFs that are honest or no invoice at all. They are
read in this process, without the sandbox, so that many can be compared; ``--sandbox`` opens each as the gateway does.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter

from gateway.scanning import child, comparing, finding, pages, weighing
from gateway.scanning.comparing import Stated
from gateway.scanning.pictures import PictureReader
from gateway.scanning.reader import Limits, codes_of
from tests.scanning import generator, pairs


def names_here(stated: Stated, pdf: bytes) -> tuple[str, ...]:
    """What differs, read in this process."""
    seen, _ = child.look(pdf, "pdf", {**Limits().sizes(), "drawn": 0})
    words, codes = pages.words_of(seen.get("words")), codes_of(seen.get("codes"))
    found = finding.find(words, "text")
    weighed = weighing.weigh([found], codes)
    return tuple(one.name for one in comparing.differences(stated, found, codes, weighed))


def names_in_sandbox(stated: Stated, pdf: bytes) -> tuple[str, ...]:
    """What differs, read as the gateway reads it."""
    compared = asyncio.run(PictureReader().compare(pdf, stated))
    return tuple(one.name for one in compared.differences) if compared else ()


def main() -> None:
    """Compare, count, print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=300)
    parser.add_argument("--first", type=int, default=1_000)
    parser.add_argument("--sandbox", action="store_true")
    options = parser.parse_args()
    names = names_in_sandbox if options.sandbox else names_here
    right: Counter[str] = Counter()
    all_: Counter[str] = Counter()
    began, cpu = time.monotonic(), time.process_time()
    for seed in range(options.first, options.first + options.invoices):
        one = generator.invoice(seed, code=seed % 3 == 0)
        stated = comparing.read_document(pairs.ubl(one))
        assert stated is not None
        wanted = {f"altered: {kind}": row for kind, row in pairs.altered(one, seed).items()}
        wanted |= {f"innocent: {kind}": ((), pdf) for kind, pdf in pairs.innocent(one, seed).items()}
        for kind, (differs, pdf) in wanted.items():
            all_[kind] += 1
            right[kind] += names(stated, pdf) == differs
    for kind, number in all_.items():
        print(f"{kind:30} {right[kind]:6} of {number} right")
    number = sum(all_.values())
    seconds, spent = time.monotonic() - began, time.process_time() - cpu
    print(
        f"{number} pairs, {seconds / number * 1000:.1f} ms each, {spent / number * 1000:.1f} ms of them in this process"
    )


if __name__ == "__main__":
    main()
