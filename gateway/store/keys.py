"""By which words a document is known: what there may be only one of, what a search looks at."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quoted

from gateway.model.message import Direction, Message


def once_key(message: Message) -> str | None:
    """The key that only one document may have, or None: inbound seat and MessageId, outbound account and key."""
    if message.direction is Direction.IN:
        return inbound_key(message.peer, message.message_id)
    return _key("out", message.account, message.idempotency_key) if message.idempotency_key else None


def inbound_key(seat: str, message_id: str) -> str:
    """The key of a received message."""
    return _key("in", seat, message_id)


def instance_key(message: Message) -> str | None:
    """What one business envelope has in common however often it is sent: account, sender's seat, receiver, its id.

    Of what we send its id alone: by that its receiver speaks of it.
    """
    if not message.instance_id:
        return None
    if message.direction is Direction.OUT:
        return sent_key(message.instance_id)
    return _key("sbd", message.account, message.peer, message.receiver, message.instance_id)


def sent_key(instance_id: str) -> str:
    """The key of what we sent in this business envelope; a resent whole envelope has it too."""
    return _key("out", instance_id)


def _key(*words: str) -> str:
    """The words as a JSON list, so that no two lists can be written alike; a third of the cost of ``json.dumps``."""
    return f"[{', '.join(map(quoted, words))}]"


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
