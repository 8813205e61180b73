"""The Peppol AS4 profile 2.0.3 (transport profile ``peppol-transport-as4-v2_0``)."""

from __future__ import annotations

from typing import Final

from gateway.as4.namespaces import EB
from gateway.as4.profiles import Profile
from gateway.model.identifiers import TRANSPORT_PROFILE

PROFILE: Final = Profile(
    name=TRANSPORT_PROFILE,
    agreement="urn:fdc:peppol.eu:2017:agreements:tia:ap_provider",
    party_type="urn:fdc:peppol.eu:2017:identifiers:ap",
    initiator=EB + "initiator",
    responder=EB + "responder",
    channel=EB + "defaultMPC",
    original_sender="originalSender",
    final_recipient="finalRecipient",
    payloads=1,
)
