"""The zone file of a private network as a register: :class:`gateway.ports.Register`. [I/O]"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import NotFound, RegisterRefused
from gateway.model.identifiers import ParticipantId
from gateway.smp import zone


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRegister:
    """Enters our participants there, and removes only ours."""

    path: Path
    smp_url: str
    zone: str

    async def enter(self, participant: ParticipantId, key: str = "") -> None:
        """See :class:`gateway.ports.Register`."""
        if key:
            raise RegisterRefused("A zone file knows no migration keys", remedy="Leave it out, or name [smp] sml_url.")
        await asyncio.to_thread(zone.register, self.path, participant, self.smp_url, self.zone)

    async def leave(self, participant: ParticipantId) -> None:
        """See :class:`gateway.ports.Register`."""
        await asyncio.to_thread(self._leave, participant)

    def _leave(self, participant: ParticipantId) -> None:
        if self.path.exists() and zone.read_zone(self.path).participants.get(participant) == self.smp_url.rstrip("/"):
            with suppress(NotFound):  # somebody was quicker
                zone.unregister(self.path, participant)

    async def hand_over(self, participant: ParticipantId, key: str) -> None:
        """See :class:`gateway.ports.Register`."""
        raise RegisterRefused("A zone file knows no migration keys", remedy="Remove it here, and add it there.")
