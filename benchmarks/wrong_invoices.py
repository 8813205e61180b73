#!/usr/bin/env python3
"""Ten wrong invoices as a clerk sees them: the pictures of docs/wrong-invoices.md, made anew.

    python -m benchmarks.wrong_invoices [--into FOLDER]

Changes one thing in the example ``network.xml`` for each file, runs ``gateway validate`` on them in English and Swedish
in 100 columns, and writes what it said into the page. ``--into`` keeps the files, to try them oneself. Exit 1 when one
of them is called valid.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "wrong-invoices.md"
_DATES: Final = ("<cbc:IssueDate>2026-11-20</cbc:IssueDate>", "<cbc:DueDate>2026-12-20</cbc:DueDate>")
CHANGES: Final = {
    "01-total": (">24650.84<", ">24651.34<"),
    "02-line": (">5780.00<", ">5790.00<"),
    "03-no-reference": (
        r"\s*<cbc:BuyerReference>.*?</cbc:BuyerReference>|\s*<cac:OrderReference>.*?</cac:OrderReference>",
        "",
    ),
    "04-vat-number": (">SE556712340001<", ">556712340001<"),
    "05-unit": ('unitCode="XCT"', 'unitCode="KARTONG"'),
    "06-type": (">380<", ">999<"),
    "07-check-digit": (">5567987606</cbc:EndpointID>", ">5567987605</cbc:EndpointID>"),
    "08-rate": (">4636.10<", ">2225.33<"),
    "09-empty": (r"\A(.*?)<cbc:Note>.*?</cbc:Note>", r"\1<cbc:Note/>"),
    "10-sequence": (r"\s*".join(_DATES), "\n  ".join(reversed(_DATES))),
}
"""By file: what is looked for in the example, and what stands there instead."""


def main() -> int:
    """Make the files, ask the command, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, help="keep the files here")
    into: Path | None = parser.parse_args().into
    with tempfile.TemporaryDirectory() as scratch:
        folder = into or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, octets in invoices().items():
            (folder / f"{name}.xml").write_bytes(octets)
        pictures = iter([picture(folder, "en"), picture(folder, "sv")])
    blocks = re.compile(r"```text\n.*?```", re.DOTALL)
    PAGE.write_text(blocks.sub(lambda _: f"```text\n{next(pictures)}```", PAGE.read_text("utf-8")), "utf-8")
    return 0


def invoices() -> dict[str, bytes]:
    """The ten, by name."""
    good = files("gateway.ubl").joinpath("examples/network.xml").read_text("utf-8")
    found = {}
    for name, (old, new) in CHANGES.items():
        changed, count = re.subn(old, new, good, flags=re.DOTALL)
        if not count:
            raise ValueError(f"{name}: the example has no {old}")
        found[name] = changed.encode()
    return found


def picture(folder: Path, language: str) -> str:
    """What the command says of them, in a terminal of 100 columns."""
    command = [sys.executable, "-m", "gateway", "validate", "--language", language]
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    names = [f"{name}.xml" for name in CHANGES]
    done = subprocess.run(
        command + names, cwd=folder, env=environment, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    if done.returncode != 1 or done.stdout.count("01-total.xml") != 1 or "✓" in done.stdout:
        raise SystemExit(f"they are not all refused:\n{done.stdout}{done.stderr}")
    return re.sub(r"busdox-docid-qns::\S+", "…", done.stdout)


if __name__ == "__main__":
    sys.exit(main())
