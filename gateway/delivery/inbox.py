"""Delivery by leaving it in the inbox: C4 pulls the document through the API and acknowledges it there.

The document is in our store already, so there is nothing to move; the acknowledgement is the store's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config import read_settings
from gateway.discovery import ChannelContext
from gateway.model.message import Parcel
from gateway.model.signals import Handover
from gateway.ports import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[delivery.NAME]`` with ``kind = "inbox"``; it has no other keys."""

    kind: Literal["inbox"] = "inbox"

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        return read_settings(cls, table, path, base)


class Inbox:
    """The inbox of an account."""

    name = "inbox"
    confirms = True

    def serves(self, parcel: Parcel) -> str:
        return ""

    async def dispatch(self, parcel: Parcel) -> Handover:
        return Handover(
            reference=f"inbox/{parcel.id}",
            text="It lies in the inbox, where the receiver's system fetches and acknowledges it through the API",
            confirmed=True,
        )


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel of one section; raises ``ConfigurationError``."""
    Settings.read(settings, context.section, context.base)
    return Inbox()
