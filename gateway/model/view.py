"""Documents as programs see them: the document object and the timeline row of the API.

One function for everybody who shows a document (API, CLI, folder delivery, webhooks), so that they never differ.
Source: docs/api.md, "Document object".
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from gateway.model.double import warnings
from gateway.model.lifecycle import STATUS
from gateway.model.message import Message, TimelineEntry


def describe(message: Message) -> dict[str, object]:
    """The document object: JSON values only, every key always there, None where there is nothing."""
    return {
        "id": message.id,
        "direction": str(message.direction),
        "state": str(message.state),
        "status": STATUS[message.state],
        "channel": message.channel or None,
        "reason": message.reason or None,
        "route": str(message.route),
        "sender": message.sender or None,
        "receiver": message.receiver or None,
        "sender_name": message.seller_name or None,
        "receiver_name": message.buyer_name or None,
        "document_type": message.document_type or None,
        "process": message.process or None,
        "number": message.number or None,
        "issue_date": _day(message.issue_date),
        "due_date": _day(message.due_date),
        "amount": None if message.amount is None else {"value": f"{message.amount:f}", "currency": message.currency},
        "message_id": message.message_id or None,
        "instance_id": message.instance_id or None,
        "peer": message.peer or None,
        "attempts": message.attempts,
        "next_attempt": moment(message.next_attempt),
        "created": moment(message.created),
        "updated": moment(message.updated),
        "acknowledged": moment(message.acknowledged),
        "sha256": message.sha256,
        "size": message.size,
        "links": message.links,
        "warnings": warnings(message),
    }


def describe_entry(entry: TimelineEntry) -> dict[str, object]:
    """One row of the timeline as JSON values."""
    return {
        "time": moment(entry.time),
        "event": entry.event,
        "reason": entry.reason or None,
        "detail": entry.detail,
        "attempt": entry.attempt,
        "next_attempt": moment(entry.next_attempt),
        "evidence": list(entry.evidence),
    }


def moment(value: datetime | None) -> str | None:
    """A time as RFC 3339 in UTC with milliseconds."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(value: date | None) -> str | None:
    return value.isoformat() if value else None
