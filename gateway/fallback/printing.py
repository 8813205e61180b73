"""Invoice by letter: laid out for the bureau's envelope, checked, and handed to one of four kinds of bureau.

Alone, as a batch of one named after day and document (``collect = false``); or with everything of the day: then it
lies in the tray below ``var/handovers/print`` until the bureau's cut-off, and :meth:`Printing.flush` closes the batch.
A letter is in the tray, in a closed batch of ours, or with the bureau; each move is one rename, and what is left over
by a kill is known by its name. The kinds are the files ``_bureau_KIND.py``.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.discovery import ChannelContext
from gateway.errors import ChannelRefused
from gateway.fallback import _enclosure
from gateway.fallback._batch import Batch, Printed
from gateway.fallback._bureau import Adapter, Steps
from gateway.fallback._preflight import Limits, count_pages
from gateway.fallback._print_settings import Settings
from gateway.fallback._tray import Tray
from gateway.files import Handovers, remove_leftovers, safe_name
from gateway.files.spool import in_memory
from gateway.model.address import letter_fault, letter_lines
from gateway.model.letter import Letter, LetterId, LetterState, LetterStep
from gateway.model.message import Parcel
from gateway.model.signals import Handover
from gateway.ports import Channel, Clock

_ADDRESS: Final = "Complete the receiver's PostalAddress: name, street or box, postal code, city, country."


class Printing:
    """The bureau named in ``[print]``."""

    name = "print"
    confirms = False

    def __init__(self, settings: Settings, adapter: Adapter, handovers: Handovers, tray: Tray, clock: Clock) -> None:
        self.kind = settings.kind
        self._settings = settings
        self._envelope = settings.profile
        self._adapter = adapter
        self._handovers = handovers
        self._tray = tray
        self._clock = clock
        self._flushed: list[str] = []

    def serves(self, parcel: Parcel) -> str:
        facts = parcel.facts
        return letter_fault(facts.receiver.address, facts.sender.country, parcel.language)

    def layout(self, parcel: Parcel) -> dict[str, object]:
        """Where address and sender's line stand; a cover sheet where the invoice is a PDF of the sender's own."""
        own = self._settings.own_pdf and _enclosure.find(in_memory(parcel.document)) is not None
        return self._envelope.layout(cover=own)

    async def dispatch(self, parcel: Parcel) -> Handover:
        refusal = self.serves(parcel)
        if refusal:
            raise ChannelRefused(refusal[0].upper() + refusal[1:], remedy=_ADDRESS)

        async def hand_over() -> Handover:
            letter = await asyncio.to_thread(self._prepare, parcel)
            if self._settings.collect:
                return await self._lay_by(letter)
            return await self._submit(parcel, letter)

        return await self._handovers.once(parcel.message, hand_over)

    async def _submit(self, parcel: Parcel, letter: Printed) -> Handover:
        batch = Batch(name=f"{parcel.message.created:%Y%m%d}-{safe_name(parcel.id)}", letters=(letter,))
        done = await self._adapter.submit(batch, self._handovers.begun(parcel.message))
        return Handover(
            reference=f"{done.reference}/{letter.file}",
            text=f"{done.text}: {_counted(letter)}, to {', '.join(letter.address)}",
            evidence=(done.manifest or batch.manifest()) + _told(done.steps.get(letter.id, ())),
        )

    async def _lay_by(self, letter: Printed) -> Handover:
        closes = self._envelope.next_cut_off(self._clock.now())
        await asyncio.to_thread(self._tray.put, letter)
        return Handover(
            reference=f"tray/{letter.file}",
            text=(
                f"In the tray for the print bureau, whose batch closes at {closes:%Y-%m-%d %H:%M} UTC: "
                f"{_counted(letter)}, to {', '.join(letter.address)}"
            ),
            evidence=Batch(name="tray", letters=(letter,)).manifest(),
        )

    def _prepare(self, parcel: Parcel) -> Printed:
        """The letter as it is printed; raises ``ChannelRefused`` where it cannot be."""
        settings, envelope, facts = self._settings, self._envelope, parcel.facts
        pdf = parcel.page
        if settings.own_pdf:
            own = _enclosure.find(in_memory(parcel.document))
            if own is not None:
                pdf = _enclosure.behind(pdf, own, most=settings.max_pages)
        address = letter_lines(facts.receiver.address, facts.sender.country, parcel.language)
        limits = Limits(settings.max_pages, min(settings.max_bytes, envelope.most_bytes))
        pages = count_pages(pdf, limits, envelope, address, duplex=settings.two_sided)
        letter = Printed(
            document=parcel.id,
            account=parcel.message.account,
            pdf=pdf,
            pages=pages,
            duplex=settings.two_sided,
            address=address,
            country=facts.receiver.address.country or facts.sender.country,
            number=facts.number,
            colour=settings.in_colour,
            envelope=envelope.name,
            postage=settings.postage_class,
            currency=envelope.currency,
        )
        grams = envelope.weigh(letter.sheets)
        price = envelope.price(pages=pages, sheets=letter.sheets, colour=letter.colour, postage=settings.postage_class)
        if price is None:
            raise ChannelRefused(
                f"The letter weighs {grams} g, more than the postage class {settings.postage_class} takes",
                remedy="Send this invoice another way, or name another class in print.postage.",
            )
        return replace(letter, grams=grams, price=price)

    async def flush(self) -> Steps:
        """Close batches that are due, and submit what is closed. Raises ``ChannelUnavailable``."""
        steps: list[tuple[LetterId, LetterStep]] = []
        await asyncio.to_thread(self._tray.close_due, self._clock.now(), self._envelope.next_cut_off)
        for name, done_before in await asyncio.to_thread(self._tray.closed):
            batch = await asyncio.to_thread(self._tray.read, name)
            text, known = f"Given to the print bureau in batch {name}", dict[str, tuple[LetterStep, ...]]()
            if not done_before:
                done = await self._adapter.submit(batch, self._tray.begun(name))
                await asyncio.to_thread(self._tray.submitted, name)
                text, known = done.text, done.steps
            self._flushed.append(name)
            for one in batch.letters:
                facts: dict[str, object] = {"batch": name, "file": one.file}
                mine = [
                    LetterStep(state=LetterState.BATCHED, reason=f"In batch {name}", facts=facts),
                    LetterStep(state=LetterState.SUBMITTED, reason=text),
                    *known.get(one.id, ()),
                ]
                steps += [(LetterId(one.id), step) for step in mine]
        return steps

    async def flushed(self) -> None:
        """That is written down."""
        while self._flushed:
            await asyncio.to_thread(self._tray.told, self._flushed[-1])
            self._flushed.pop()

    async def answers(self, waiting: Sequence[Letter]) -> Steps:
        """What the bureau says of letters. Raises ``ChannelUnavailable``."""
        return await self._adapter.answers(waiting)

    async def answered(self) -> None:
        """That is written down."""
        await self._adapter.answered()


def _told(steps: Sequence[LetterStep]) -> bytes:
    """What is known beyond the handover, as a second line of its evidence."""
    rows = [{"state": one.state, "reason": one.reason, "reference": one.reference} for one in steps]
    return json.dumps({"steps": rows}, ensure_ascii=False).encode() + b"\n" if rows else b""


def _counted(letter: Printed) -> str:
    return f"{_count(letter.pages, 'page')} on {_count(letter.sheets, 'sheet')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel; raises ``ConfigurationError``."""
    read = Settings.read(settings, context.section, context.base)
    if read.kind == "folder":
        remove_leftovers(read.target)
    memory = context.memory("print")
    module = importlib.import_module(f"gateway.fallback._bureau_{read.kind}")
    adapter: Adapter = module.open_adapter(read, context.clock.now)
    tray = Tray(memory / "tray", keep=timedelta(days=60))
    return Printing(read, adapter, Handovers(memory, context.clock.now), tray, context.clock)
