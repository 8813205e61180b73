"""Delivery into a directory: ``ID.xml`` (the document) and ``ID.json`` (the document object as the API shows it).

Each is complete when its name appears, the XML first: whoever waits for ``ID.json`` finds both. The reader may take
the files away at once; a repeat does not bring them back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config import read_settings
from gateway.discovery import ChannelContext
from gateway.files import Handovers, make_directory, remove_leftovers, safe_name, write_durably
from gateway.files.spool import pieces
from gateway.model.message import Message, Parcel
from gateway.model.signals import Handover
from gateway.ports import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[delivery.NAME]`` with ``kind = "folder"``."""

    target: Path
    """Where the files go; made when it is not there."""
    kind: Literal["folder"] = "folder"

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        return read_settings(cls, table, path, base)


class Folder:
    """A directory that the receiver's system watches."""

    name = "folder"
    confirms = True

    def __init__(self, settings: Settings, context: ChannelContext) -> None:
        self._target = settings.target
        self._describe = context.describe
        self._handovers = Handovers(context.memory("delivery-folder"), context.clock.now)

    def serves(self, parcel: Parcel) -> str:
        return ""

    async def dispatch(self, parcel: Parcel) -> Handover:
        async def write() -> Handover:
            return await asyncio.to_thread(self._write, parcel)

        return await self._handovers.once(parcel.message, write)

    async def forget(self, message: Message) -> None:
        """The next handover of this document shall write the files again."""
        await self._handovers.forget(message)

    def _write(self, parcel: Parcel) -> Handover:
        name = safe_name(parcel.id)
        described = json.dumps(self._describe(parcel.message), ensure_ascii=False, indent=2, default=str)
        make_directory(self._target)
        write_durably(self._target / f"{name}.xml", pieces(parcel.document))
        write_durably(self._target / f"{name}.json", described.encode() + b"\n")
        return Handover(
            reference=f"{name}.xml",
            text=f"Written to {self._target} as {name}.xml and {name}.json",
            confirmed=True,
        )


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel of one section; raises ``ConfigurationError``."""
    read = Settings.read(settings, context.section, context.base)
    remove_leftovers(read.target)
    return Folder(read, context)
