"""Invoice by letter: a batch directory for a print bureau that watches a folder.

``TARGET/BATCH/`` holds the PDFs and ``manifest.jsonl``, one line a letter: ``id`` of the letter, ``document``,
``file``, ``sha256`` of the PDF, ``sheets`` of paper, ``pages``, ``duplex``, ``address`` (lines as in the window).
A batch is complete when its name appears; names with a leading dot are unfinished. The bureau may take a batch away.

For now a batch is one letter, named after day and document, so that a repeat finds its own earlier work and nothing
has to be coordinated. Larger batches need no new format: :func:`write_batch` takes any number of letters, and a
collector that waits for the bureau's cut-off would call it with a name of its own choosing.
Ordinary mail has no receipt: that the batch lies there is all that will be known. A process that was killed right
after it appeared may find it taken away: then nobody prints it again, and a person asks the bureau.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config import ByteSize, read_section
from gateway.discovery import ChannelContext
from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError
from gateway.fallback._preflight import Limits, count_pages
from gateway.files import (
    Handovers,
    publish_directory,
    remove_leftovers,
    safe_name,
    unfinished_name,
    write_durably,
)
from gateway.model.address import letter_fault, letter_lines
from gateway.model.message import Parcel
from gateway.model.signals import Handover
from gateway.ports import Channel

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[print]``."""

    kind: Literal["folder"] = "folder"
    target: Path = Path("var/letters")
    """Where batches appear; made when it is not there."""
    duplex: bool = True
    max_pages: int = 100
    max_bytes: ByteSize = ByteSize(10_000_000)
    """Limits of the bureau for one letter."""

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        problems: list[tuple[str, str]] = []
        settings = read_section(cls, table, path, base, problems)
        if settings is not None and not 1 <= settings.max_pages <= 1000:
            problems.append((f"{path}.max_pages", "must be between 1 and 1000"))
        if settings is not None and not 10_000 <= settings.max_bytes <= 100_000_000:
            problems.append((f"{path}.max_bytes", "must be between 10 kB and 100 MB"))
        if settings is None or problems:
            raise ConfigurationError(problems)
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter, checked and ready to be printed."""

    document: str
    pdf: bytes
    pages: int
    duplex: bool
    address: tuple[str, ...]

    @property
    def file(self) -> str:
        return f"{safe_name(self.document)}.pdf"

    @property
    def sheets(self) -> int:
        return (self.pages + 1) // 2 if self.duplex else self.pages

    def write(self) -> bytes:
        """The letter's line of the manifest."""
        row = {
            "id": f"letter-{self.document}",
            "document": self.document,
            "file": self.file,
            "sha256": hashlib.sha256(self.pdf).hexdigest(),
            "sheets": self.sheets,
            "pages": self.pages,
            "duplex": self.duplex,
            "address": self.address,
        }
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def write_batch(
    target: Path, batch: str, letters: Sequence[Letter], *, before: Callable[[], object] = lambda: None
) -> bytes:
    """Publish letters as one batch and give its manifest; a batch of that name that is there already stands.

    ``before`` is called right before its name appears. Raises ``OSError``; then nothing can be seen under its name.
    """
    manifest = b"".join(letter.write() for letter in letters)
    files = {**{letter.file: letter.pdf for letter in letters}, MANIFEST: manifest}
    if publish_directory(files, target / batch, before=before):
        return manifest
    try:
        return (target / batch / MANIFEST).read_bytes()
    except FileNotFoundError:  # the bureau has just taken it away
        return manifest


class Printing:
    """A print bureau's folder."""

    name = "print"
    confirms = False

    def __init__(self, settings: Settings, handovers: Handovers) -> None:
        self._settings = settings
        self._handovers = handovers

    def serves(self, parcel: Parcel) -> str:
        facts = parcel.facts
        return letter_fault(facts.receiver.address, facts.sender.country, parcel.language)

    async def dispatch(self, parcel: Parcel) -> Handover:
        refusal = self.serves(parcel)
        if refusal:
            raise ChannelRefused(
                refusal[0].upper() + refusal[1:],
                remedy="Complete the receiver's PostalAddress: name, street or box, postal code, city, country.",
            )

        async def hand_over() -> Handover:
            return await asyncio.to_thread(self._hand_over, parcel)

        return await self._handovers.once(parcel.message, hand_over)

    def _hand_over(self, parcel: Parcel) -> Handover:
        limits = Limits(self._settings.max_pages, self._settings.max_bytes)
        letter = Letter(
            document=parcel.id,
            pdf=parcel.page,
            pages=count_pages(parcel.page, limits),
            duplex=self._settings.duplex,
            address=letter_lines(parcel.facts.receiver.address, parcel.facts.sender.country, parcel.language),
        )
        batch = f"{parcel.message.created:%Y%m%d}-{safe_name(parcel.id)}"
        begun = self._handovers.begun(parcel.message)
        self._not_in_doubt(begun, self._settings.target / batch)
        try:
            manifest = write_batch(self._settings.target, batch, [letter], before=lambda: write_durably(begun, b""))
        except OSError:
            if not (self._settings.target / batch).exists():
                begun.unlink(missing_ok=True)
            raise
        return Handover(
            reference=f"{batch}/{letter.file}",
            text=(
                f"Given to the print bureau as batch {batch}: {_count(letter.pages, 'page')} on "
                f"{_count(letter.sheets, 'sheet')}, to {', '.join(letter.address)}"
            ),
            evidence=manifest,
        )

    def _not_in_doubt(self, begun: Path, final: Path) -> None:
        """Raises ``ChannelUnavailable`` when an earlier process may have shown the batch and it is no longer there."""
        if not begun.exists() or final.exists():
            return
        if not unfinished_name(final).exists():
            raise ChannelUnavailable(
                f"Batch {final.name} was about to appear when the gateway was stopped, and is not there: in doubt "
                "whether the bureau has it",
                sent=True,
                remedy=f"Ask the bureau for {final.name}. If it does not have it, remove {begun}: then it is printed.",
            )
        begun.unlink()  # it never appeared


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel; raises ``ConfigurationError``."""
    read = Settings.read(settings, context.section, context.base)
    remove_leftovers(read.target)
    return Printing(read, Handovers(context.memory("print"), context.clock.now))
