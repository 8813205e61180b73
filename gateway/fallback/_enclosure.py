"""A PDF of the sender's own inside the invoice: found, read in a process of its own, put behind the cover sheet.

Which attachment is the invoice's picture: the first PDF whose reference says so (BT-122 is the invoice's number, or
BT-123 has the word faktura or invoice), else the only PDF there is. Source: BIS Billing 3.0, BG-24.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import subprocess
import sys
from typing import Final

from lxml import etree

from gateway.errors import ChannelRefused
from gateway.security.safexml import UnsafeXml, parse

_COMMON: Final = {
    "a": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "b": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
_SECONDS: Final = 30
_MEMORY: Final = 1_000_000_000
_REMEDY: Final = "Hand in a PDF that can be printed, or none: then the page is made from the invoice itself."


def find(document: bytes) -> bytes | None:
    """The PDF that shows the invoice, or None."""
    try:
        root = parse(document, huge=True)
    except UnsafeXml:
        return None
    number = root.findtext("b:ID", "", _COMMON).strip()
    pdfs: list[tuple[bool, bytes]] = []
    for reference in root.iterfind("a:AdditionalDocumentReference", _COMMON):
        binary = reference.find("a:Attachment/b:EmbeddedDocumentBinaryObject", _COMMON)
        if binary is None or binary.get("mimeCode", "").lower() != "application/pdf":
            continue
        octets = _decoded(binary)
        if octets:
            pdfs.append((_shows(reference, number), octets))
    shown = next((octets for said, octets in pdfs if said), None)
    return shown or (pdfs[0][1] if len(pdfs) == 1 else None)


def _decoded(binary: etree._Element) -> bytes:
    try:
        octets = base64.b64decode("".join((binary.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return octets if octets[:1024].find(b"%PDF-") >= 0 else b""


def _shows(reference: etree._Element, number: str) -> bool:
    said = reference.findtext("b:ID", "", _COMMON).strip()
    described = reference.findtext("b:DocumentDescription", "", _COMMON)
    return said == number or re.search(r"faktura|invoice", described, re.IGNORECASE) is not None


def behind(cover: bytes, own: bytes, *, most: int) -> bytes:
    """The cover sheet and then the sender's pages, made anew without scripts, forms and attachments.

    Raises ``ChannelRefused`` for a PDF that cannot be read, is encrypted, or takes too long or too much memory.
    """
    head = f"{len(cover)} {len(own)} {most}\n".encode()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "gateway.fallback._enclosure"],
            input=head + cover + own,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        )
    except subprocess.TimeoutExpired:
        raise ChannelRefused("The sender's PDF takes too long to read", remedy=_REMEDY) from None
    if done.returncode or not done.stdout.startswith(b"%PDF-"):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1][:200] if said else "it takes too much memory"
        raise ChannelRefused(f"The sender's PDF cannot be printed: {why}", remedy=_REMEDY)
    return done.stdout


def _join(cover: bytes, own: bytes, most: int) -> bytes:
    import pypdf

    foreign = pypdf.PdfReader(io.BytesIO(own), strict=False)
    if foreign.is_encrypted:
        raise ValueError("it is encrypted")
    if not 1 <= len(foreign.pages) < most:
        raise ValueError(f"it has {len(foreign.pages)} pages; at most {most - 1} fit behind the cover sheet")
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(cover))
    for page in foreign.pages:
        added = writer.add_page(page)
        for key in ("/AA", "/Annots"):
            added.pop(key, None)
    octets = io.BytesIO()
    writer.write(octets)
    return octets.getvalue()


def _child() -> int:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    first, second, most = map(int, sys.stdin.buffer.readline().split())
    cover, own = sys.stdin.buffer.read(first), sys.stdin.buffer.read(second)
    try:
        octets = _join(cover, own, most)
    except Exception as error:  # whatever pypdf finds in a broken file: the parent says it
        print(f"{str(error)[:200] or type(error).__name__}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(octets)
    return 0


if __name__ == "__main__":
    sys.exit(_child())
