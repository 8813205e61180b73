"""Letters and batches of them as a bureau gets them: PDFs, a manifest in three renderings, totals to compare.

``manifest.jsonl`` is the one that counts: a line a letter with ``id``, ``document``, ``file``, ``sha256`` of the PDF,
``sheets``, ``pages``, ``duplex``, ``address`` (lines as in the window), and what paper and post need to know.
``manifest.csv`` and ``manifest.xml`` say the same; ``totals.json`` counts it and names the SHA-256 of each of them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from lxml import etree

from gateway.files import publish_directory, safe_name
from gateway.model.cells import harmless
from gateway.model.letter import letter_id

MANIFEST: Final = "manifest.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One letter, checked and ready to be printed."""

    document: str
    pdf: bytes
    pages: int
    duplex: bool
    address: tuple[str, ...]
    account: str = ""
    number: str = ""
    country: str = ""
    colour: bool = False
    envelope: str = ""
    postage: str = ""
    grams: int = 0
    price: Decimal | None = None
    currency: str = ""

    @property
    def id(self) -> str:
        return letter_id(self.document)  # type: ignore[arg-type]

    @property
    def file(self) -> str:
        return f"{safe_name(self.document)}.pdf"

    @property
    def sheets(self) -> int:
        return (self.pages + 1) // 2 if self.duplex else self.pages

    def row(self) -> dict[str, Any]:
        """The letter's line of the manifest."""
        return {
            "id": self.id,
            "document": self.document,
            "file": self.file,
            "sha256": hashlib.sha256(self.pdf).hexdigest(),
            "sheets": self.sheets,
            "pages": self.pages,
            "duplex": self.duplex,
            "address": list(self.address),
            "country": self.country,
            "number": self.number,
            "colour": self.colour,
            "envelope": self.envelope,
            "postage": self.postage,
            "grams": self.grams,
            "price": None if self.price is None else str(self.price),
            "currency": self.currency,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Letters that go to the bureau together; its name is its identity."""

    name: str
    letters: tuple[Printed, ...]

    def manifest(self) -> bytes:
        """``manifest.jsonl``."""
        lines = (json.dumps(one.row(), ensure_ascii=False, separators=(",", ":")) for one in self.letters)
        return "".join(f"{line}\n" for line in lines).encode()

    def files(self) -> dict[str, bytes]:
        """Everything that lies in the batch, by name."""
        rows = [one.row() for one in self.letters]
        manifests = {MANIFEST: self.manifest(), "manifest.csv": _as_csv(rows), "manifest.xml": _as_xml(self.name, rows)}
        return {
            **{one.file: one.pdf for one in self.letters},
            **manifests,
            "totals.json": _totals(self.name, rows, manifests),
        }


def write_batch(target: Path, batch: Batch, *, before: Callable[[], object] = lambda: None) -> bytes:
    """Publish a batch as a directory and give its manifest; one of that name that is there already stands.

    ``before`` is called right before its name appears. Raises ``OSError``; then nothing can be seen under its name.
    """
    if publish_directory(batch.files(), target / batch.name, before=before):
        return batch.manifest()
    try:
        return (target / batch.name / MANIFEST).read_bytes()
    except FileNotFoundError:  # the bureau has just taken it away
        return batch.manifest()


def read_batch(directory: Path) -> Batch:
    """Read a batch that was written here; each PDF is compared with its digest. Raises ``OSError``, ``ValueError``."""
    letters: list[Printed] = []
    for line in (directory / MANIFEST).read_text("utf-8").splitlines():
        row = json.loads(line)
        pdf = (directory / row["file"]).read_bytes()
        if hashlib.sha256(pdf).hexdigest() != row["sha256"]:
            raise ValueError(f"{directory / row['file']} is not what its manifest says")
        letters.append(of_row(row, pdf))
    return Batch(name=directory.name, letters=tuple(letters))


def of_row(row: dict[str, Any], pdf: bytes) -> Printed:
    """The letter of a line of the manifest."""
    same = ("document", "pages", "duplex", "number", "country", "colour", "envelope", "postage", "grams", "currency")
    price = None if row.get("price") is None else Decimal(row["price"])
    known = {key: row[key] for key in same if key in row}
    return Printed(pdf=pdf, address=tuple(row["address"]), price=price, **known)


def _totals(name: str, rows: Sequence[dict[str, Any]], manifests: dict[str, bytes]) -> bytes:
    costs: dict[str, Decimal] = {}
    for row in rows:
        if row["price"] is not None:
            costs[row["currency"]] = costs.get(row["currency"], Decimal(0)) + Decimal(row["price"])
    totals = {
        "batch": name,
        "letters": len(rows),
        "sheets": sum(row["sheets"] for row in rows),
        "pages": sum(row["pages"] for row in rows),
        "grams": sum(row["grams"] for row in rows),
        "price": {currency: str(amount) for currency, amount in costs.items()},
        "sha256": {file: hashlib.sha256(octets).hexdigest() for file, octets in manifests.items()},
    }
    return json.dumps(totals, indent=2).encode() + b"\n"


def _as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """Semicolons and a byte order mark: what spreadsheets of this part of the world open as it is."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(rows[0] if rows else ())
    for row in rows:
        writer.writerow([_cell(value) for value in row.values()])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _cell(value: Any) -> str:
    text = "\n".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return harmless(text)


def _as_xml(name: str, rows: Sequence[dict[str, Any]]) -> bytes:
    root = etree.Element("batch", name=name)
    for row in rows:
        one = etree.SubElement(root, "letter", id=_clean(row["id"]))
        for key, value in row.items():
            if key == "id":
                continue
            for line in value if isinstance(value, list) else [value]:
                said = "" if line is None else str(line).lower() if isinstance(line, bool) else str(line)
                etree.SubElement(one, key).text = _clean(said)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _clean(text: str) -> str:
    return "".join(letter for letter in text if letter >= " " and letter not in "\ufffe\uffff")
