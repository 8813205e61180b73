"""The test message: an ebMS ping to an access point, which answers with a receipt and delivers nothing.

Source: ebMS 3.0 Core 5.2.2 (service and action of the test service), Peppol AS4 profile 2.0.3.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from gateway.model.document import Envelope
from gateway.model.identifiers import MessageId, ParticipantId
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Clock, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Sends test messages from a participant to itself, over the network as others would."""

    transport: Transport
    clock: Clock
    pack: Callable[[bytes], bytes]
    message_id: Callable[[], MessageId]

    async def send(self, participant: ParticipantId, endpoint: Endpoint) -> str:
        """Send one; gives in words what proves that it came. Raises what a transport raises."""
        now = self.clock.now()
        envelope = Envelope(
            sender=participant,
            receiver=participant,
            document_type=BILLING_INVOICE,
            process=BILLING_PROCESS,
            country_c1="",
            instance_id="",
            created=now.isoformat(),
        )
        outgoing = Outgoing(
            message_id=self.message_id(),
            conversation_id=str(uuid.uuid4()),
            timestamp=now,
            envelope=envelope,
            part=self.pack(b"<test/>"),
            is_test=True,
        )
        delivery = await self.transport.send(outgoing, endpoint)
        return f"test message {outgoing.message_id}: receipt of {endpoint.seat} after {delivery.milliseconds:.0f} ms"
