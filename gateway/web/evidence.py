"""``evidence.zip``: everything that proves what happened to one document, for a court or a colleague.

The same content gives the same octets. ``manifest.json`` names every other file with size and SHA-256; the digest of
``envelope.xml.gz`` is the one that the receipt of the other access point signs. Pure: no I/O.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from gateway.files.spool import measured, pieces
from gateway.model.message import Direction, Evidence, Message, TimelineEntry
from gateway.model.octets import Octets, Spooled, sha256_of, size_of
from gateway.model.view import describe, describe_entry, moment

_BEGINNING: Final = (1980, 1, 1, 0, 0, 0)
_ENDINGS: Final = {
    "application/soap+xml": "xml",
    "application/xml": "xml",
    "text/xml": "xml",
    "application/json": "json",
    "application/pdf": "pdf",
    "message/rfc822": "eml",
    "text/plain": "txt",
}
_OUT: Final = {
    "receipt": "The signed receipt of the other access point: it names the digests of what it received.",
    "request-envelope": "The signed SOAP envelope as we sent it.",
}
_IN: Final = {
    "receipt": "Our signed receipt, as it answered the message.",
    "request-envelope": "The signed SOAP envelope as the other access point sent it.",
}
_BOTH: Final = {
    "lookup": "The relation search: what was asked, whom, and what came back.",
    "smp": "The signed answer of the receiver's SMP.",
    "email": "The mail as it was handed to the mail server, or the server's answer.",
    "print": "The entry of the letter in its batch.",
    "error": "The error message of the other access point.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    octets: Octets
    what: str
    name_in_timeline: str = ""
    time: datetime | None = None


def write(
    message: Message,
    timeline: Sequence[TimelineEntry],
    document: Octets,
    part: Octets,
    proofs: Sequence[tuple[str, datetime, Evidence]],
    target: Path | None = None,
) -> Octets:
    """Write the zip, into a new file where one is named.

    ``part`` is empty where none was made; ``proofs`` are (name, time, evidence), oldest first.
    """
    handed = "handed in" if message.direction is Direction.OUT else "received"
    files = [
        _File(name="document.xml", octets=document, what=f"The document, octet for octet as it was {handed}."),
        _File(name="document.json", octets=_json(describe(message)), what="What the gateway knows of it."),
        _File(name="timeline.json", octets=_json([describe_entry(e) for e in timeline]), what="What happened."),
    ]
    if part:
        packed = next(pieces(part), b"").startswith(b"\x1f\x8b")
        what = "The business envelope exactly as it was signed on the wire" + (" (gzip)." if packed else ".")
        files.append(_File(name="envelope.xml.gz" if packed else "envelope.xml", octets=part, what=what))
    files.extend(_proof(place, message.direction, *proof) for place, proof in enumerate(proofs, 1))
    manifest = {
        "about": "Evidence of one document. Compare each file with its SHA-256: sha256sum FILE.",
        "document": message.id,
        "message_id": message.message_id or None,
        "files": [_row(file) for file in files],
    }
    files.insert(0, _File(name="manifest.json", octets=_json(manifest), what=""))
    if target is not None:
        with target.open("xb") as file:
            _zip(files, file)
        return measured(target)
    made = io.BytesIO()
    _zip(files, made)
    return made.getvalue()


def _proof(place: int, direction: Direction, name: str, time: datetime, proof: Evidence) -> _File:
    kind = re.sub(r"[^a-z0-9-]+", "-", proof.kind.lower())[:40]
    known = _BOTH | (_OUT if direction is Direction.OUT else _IN)
    return _File(
        name=f"evidence/{place:02d}-{kind}.{_ENDINGS.get(proof.media_type, 'bin')}",
        octets=proof.octets,
        what=known.get(proof.kind, proof.kind),
        name_in_timeline=name,
        time=time,
    )


def _row(file: _File) -> dict[str, object]:
    row: dict[str, object] = {
        "file": file.name,
        "what": file.what,
        "size": size_of(file.octets),
        "sha256": sha256_of(file.octets),
    }
    if file.name_in_timeline:
        row |= {"evidence": file.name_in_timeline, "time": moment(file.time)}
    return row


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _zip(files: Sequence[_File], made: IO[bytes]) -> None:
    with zipfile.ZipFile(made, "w") as archive:
        for file in files:
            # Time, mode and system are fixed: the octets depend on the content alone.
            info = zipfile.ZipInfo(file.name, date_time=_BEGINNING)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            large = isinstance(file.octets, Spooled)  # packing it would take longer than fetching it
            packed = large or file.name.endswith(".gz")
            info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            if isinstance(file.octets, bytes):
                archive.writestr(info, file.octets)
                continue
            info.file_size = file.octets.size
            with archive.open(info, "w") as entry:
                for piece in pieces(file.octets):
                    entry.write(piece)
