"""What happened, as programs are told of it: the same object in a webhook and in ``GET /v1/events``.

Source: docs/api.md, "Events"; the outer shape (type, timestamp, data) is that of Standard Webhooks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway.model.view import moment

RECEIVED: Final = "document.received"
"""A document came in for one of our participants: what a delivery by webhook sends."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


def event_type(event: str) -> str:
    """The type of a timeline row: ``GaveUp`` is ``document.gave-up``."""
    return "document." + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", event).lower()


def event_id(document: str, event: str, number: int = 0) -> str:
    """What names one event for ever: a repeat carries the same. It has no full stop, as its signature demands.

    A document comes once; of all other events there may be several, told apart by their ``number``.
    """
    plain = document if _PLAIN.fullmatch(document) else hashlib.sha256(document.encode()).hexdigest()[:40]
    return f"{plain}_{event_type(event).removeprefix('document.')}" + (f"_{number}" if number else "")


def happening(id: str, type: str, time: datetime, data: Mapping[str, object]) -> dict[str, object]:
    """The event object: JSON values only."""
    return {"id": id, "type": type, "timestamp": moment(time), "data": dict(data)}
