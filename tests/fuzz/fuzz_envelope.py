"""The SOAP gate and the header: an envelope that is read gives values, or errors of ours."""

from __future__ import annotations

from gateway.as4 import ebms
from gateway.as4.limits import LIMITS
from gateway.as4.soap import read_envelope
from tests.fuzz.seeds import OURS, envelopes


def seeds() -> list[bytes]:
    return list(envelopes())


def fuzz(data: bytes) -> None:
    try:
        envelope = read_envelope(data, LIMITS)
        if envelope.messaging is None:
            return
        ebms.glimpse_message_id(envelope.messaging, LIMITS)
        ebms.glimpse_hrefs(envelope.messaging)
        ebms.read_signal(envelope.messaging)
        user = ebms.read_user_message(envelope.messaging, LIMITS)
    except OURS:
        return
    assert ebms.is_message_id(user.message_id, LIMITS)
    assert all(len(typed.value) <= LIMITS.value for typed in user.properties.values())
