"""By which words a document is known: what there may be only one of, what a search looks at."""

from __future__ import annotations

import json
from functools import lru_cache

from gateway.model.message import Direction, Message


def once_key(message: Message) -> str | None:
    """The key that only one document may have, or None: inbound seat and MessageId, outbound account and key."""
    if message.direction is Direction.IN:
        return inbound_key(message.peer, message.message_id)
    return json.dumps(["out", message.account, message.idempotency_key]) if message.idempotency_key else None


@lru_cache(maxsize=512)
def inbound_key(seat: str, message_id: str) -> str:
    """The key of a received message. JSON, so that no two pairs can be written alike."""
    return json.dumps(["in", seat, message_id])


def instance_key(message: Message) -> str | None:
    """What one business envelope has in common however often it is sent: account, sender's seat, receiver, its id.

    Of what we send its id alone: by that its receiver speaks of it.
    """
    if not message.instance_id:
        return None
    if message.direction is Direction.OUT:
        return sent_key(message.instance_id)
    return _envelope_key(message.account, message.peer, message.receiver, message.instance_id)


@lru_cache(maxsize=512)
def _envelope_key(account: str, peer: str, receiver: str, instance_id: str) -> str:
    # One document's is asked for several times, one after another.
    return json.dumps(["sbd", account, peer, receiver, instance_id])


@lru_cache(maxsize=512)
def sent_key(instance_id: str) -> str:
    """The key of what we sent in this business envelope; a resent whole envelope has it too."""
    return json.dumps(["out", instance_id])


def search_text(message: Message) -> str:
    """What a search in lists looks at, case-folded."""
    words = (
        *(message.number, message.seller_name, message.buyer_name, message.sender, message.receiver),
        *(message.id, message.message_id, message.instance_id),
    )
    return "\n".join(filter(None, words)).casefold()


def evidence_name(number: int, kind: str) -> str:
    """How the timeline and the evidence archive call a proof: ``02-receipt``."""
    return f"{number:02}-{kind}"
