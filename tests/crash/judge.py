"""Compares the ledgers outside with what the gateway says of itself, and finds every broken promise.

It knows nothing of how the gateway works: only the ledgers, the public API of both gateways, and the letters' folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.network.market import Member
from tests.crash.ledgers import Fetched, content
from tests.crash.world import World

_OPEN = frozenset({"ACCEPTED", "DIVERTED", "RECEIVED"})
_ARRIVED = {
    "network": {"SENT", "DELIVERED"},
    "email": {"DISPATCHED", "DELIVERED"},
    "letter": {"DISPATCHED", "DELIVERED"},
}
_REFERENCE = re.compile(rb"<cac:DocumentReference>\s*<cbc:ID>([^<]+)")
_CHANNEL = {"network": "peppol", "email": "email", "letter": "print"}


@dataclass(slots=True)
class Verdict:
    """What was compared and what was found."""

    counts: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    for_people: list[str] = field(default_factory=list)
    """Visible trouble that a person has to look at: allowed, but told."""

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.mixed or self.stuck)


async def judge(world: World) -> Verdict:
    """Compare everything, after calm."""
    verdict = Verdict()
    ours = [d async for d in documents(world, world.ours)]
    theirs = [d async for d in documents(world, world.theirs) if d["direction"] == "in"]
    told = [d for d in theirs if _is_status(d)]
    ours, telling = [d for d in ours if not _is_status(d)], [d for d in ours if _is_status(d)]
    theirs = [d for d in theirs if not _is_status(d)]
    verdict.counts["documents here"] = len(ours)
    _judge_inbound(world, [d for d in ours if d["direction"] == "in"], verdict)
    _judge_outbound(world, [d for d in ours if d["direction"] == "out"], verdict)
    await _judge_c3(world, ours, theirs, {d["message_id"] for d in telling}, verdict)
    await _judge_statuses(world, telling, told, verdict)
    _judge_mail(world, ours, verdict)
    _judge_letters(world, ours, verdict)
    _judge_overdue(ours, verdict)
    return verdict


def _judge_inbound(world: World, documents: list[dict[str, Any]], verdict: Verdict) -> None:
    by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for document in documents:
        by_id[document["message_id"]].append(document)
    fetched: dict[str, list[Fetched]] = defaultdict(list)
    for fetch in world.ledgers.fetched:
        fetched[fetch.message_id].append(fetch)
    for sent in world.ledgers.sent.values():
        kept = by_id.get(sent.message_id, [])
        if sent.receipts and not kept:
            verdict.lost.append(f"{sent.message_id} has a receipt and is not there")
        if len(kept) > 1 or len({f.id for f in fetched[sent.message_id]}) > 1:
            verdict.twice.append(f"{sent.message_id} is there {len(kept)} times")
        if len(set(sent.receipts)) > 1:
            verdict.twice.append(f"{sent.message_id} has {len(set(sent.receipts))} different receipts")
        if sent.receipts and not fetched[sent.message_id]:
            verdict.lost.append(f"{sent.message_id} has a receipt and never came to C4")
        digests = {f.sha256 for f in fetched[sent.message_id]} - {d["sha256"] for d in kept}
        if digests or {f.content for f in fetched[sent.message_id]} - {sent.content}:
            verdict.mixed.append(f"{sent.message_id} came to C4 with other octets")
    for message_id in (by_id.keys() | fetched.keys()) - world.ledgers.sent.keys():
        verdict.mixed.append(f"{message_id} was never sent and is there")
    verdict.counts |= {
        "messages sent to us": len(world.ledgers.sent),
        "receipts": sum(len(s.receipts) for s in world.ledgers.sent.values()),
        "fetched by C4": len(fetched),
    }


def _judge_outbound(world: World, documents: list[dict[str, Any]], verdict: Verdict) -> None:
    by_number = _by_number(documents)
    for mine in world.ledgers.handed_in.values():
        kept = by_number.get(mine.number, [])
        if mine.ids and not kept:
            verdict.lost.append(f"{mine.number} has its 202 and is not there")
        if len(kept) > 1 or len(mine.ids) > 1:
            verdict.twice.append(f"{mine.number} is there {len(kept)} times, its 202s name {len(mine.ids)} documents")
        for document in kept:
            if document["sha256"] != mine.sha256:
                verdict.mixed.append(f"{mine.number} is kept with other octets")
            if document["state"] not in _ARRIVED[mine.kind]:
                text = f"{mine.number} is {document['state']} by {document['channel']}: {document['reason']}"
                (verdict.stuck if document["state"] in _OPEN else verdict.for_people).append(text)
            elif document["channel"] != _CHANNEL[mine.kind]:
                verdict.mixed.append(f"{mine.number} went by {document['channel']}, not by {_CHANNEL[mine.kind]}")
    verdict.counts["documents handed in"] = len(world.ledgers.handed_in)


async def _judge_c3(
    world: World, ours: list[dict[str, Any]], theirs: list[dict[str, Any]], also: set[str], verdict: Verdict
) -> None:
    handed_in = {h.number: h for h in world.ledgers.handed_in.values()}
    at_c3 = _by_number(theirs)
    for document in ours:
        if document["direction"] == "out" and document["state"] == "SENT" and document["number"] not in at_c3:
            verdict.lost.append(f"{document['number']} is SENT and not at C3")
    for number, found in at_c3.items():
        if len(found) > 1:
            verdict.twice.append(f"{number} is at C3 {len(found)} times")
        if number not in handed_in:
            verdict.mixed.append(f"{number} is at C3 and was never handed in")
            continue
        _, octets = await world.call(world.theirs, "GET", f"/v1/documents/{found[0]['id']}/content")
        if content(octets) != handed_in[number].content:
            verdict.mixed.append(f"{number} is at C3 with other content")
    known = {d["message_id"] for d in ours} | also
    for message_id in set(world.ledgers.forwarded) - known:
        verdict.mixed.append(f"{message_id} went to C3 and is nobody's MessageId here")
    verdict.counts |= {
        "documents at C3": len(theirs),
        "sent to C3 again": len(world.ledgers.forwarded) - len(set(world.ledgers.forwarded)),
    }


async def _judge_statuses(
    world: World, telling: list[dict[str, Any]], told: list[dict[str, Any]], verdict: Verdict
) -> None:
    heard: Counter[str] = Counter()
    for document in told:
        _, octets = await world.call(world.theirs, "GET", f"/v1/documents/{document['id']}/content")
        heard[_REFERENCE.findall(octets)[-1].decode()] += 1
    asked = {sent.instance_id: sent for sent in world.ledgers.sent.values() if sent.instance_id}
    for instance, sent in asked.items():
        if sent.receipts and not heard[instance]:
            verdict.lost.append(f"{sent.message_id} has a receipt and its sender got no status")
        if heard[instance] > 1:
            verdict.twice.append(f"the sender of {sent.message_id} got {heard[instance]} statuses")
    for instance in heard.keys() - asked.keys():
        verdict.mixed.append(f"a status came of {instance}, whose sender asked for none")
    for document in telling:
        if document["state"] not in _ARRIVED["network"]:
            text = f"status {document['id']} is {document['state']}: {document['reason']}"
            (verdict.stuck if document["state"] in _OPEN else verdict.for_people).append(text)
    verdict.counts |= {"statuses asked for": len(asked), "statuses at C2": sum(heard.values())}


def _is_status(document: dict[str, Any]) -> bool:
    return "urn:peppol:edec:mls" in document["document_type"]


def _judge_mail(world: World, ours: list[dict[str, Any]], verdict: Verdict) -> None:
    ids: dict[str, set[str]] = defaultdict(set)
    for message_id, number in world.ledgers.mails:
        ids[number].add(message_id)
    for number, found in ids.items():
        if len(found) > 1:
            verdict.twice.append(f"{number} was mailed under {len(found)} Message-IDs")
    for document in ours:
        if document["channel"] == "email" and document["state"] == "DISPATCHED" and document["number"] not in ids:
            verdict.lost.append(f"{document['number']} is DISPATCHED by mail and the mail server has nothing")
    again = len(world.ledgers.mails) - len(set(world.ledgers.mails))
    verdict.counts |= {"mails": len(world.ledgers.mails), "mails again, same Message-ID": again}


def _judge_letters(world: World, ours: list[dict[str, Any]], verdict: Verdict) -> None:
    printed: Counter[str] = Counter()
    for manifest in world.letters.glob("*/manifest.jsonl"):
        for line in manifest.read_text().splitlines():
            entry = json.loads(line)
            printed[entry["document"]] += 1
            if _sha256(manifest.parent / entry["file"]) != entry["sha256"]:
                verdict.mixed.append(f"the letter of {entry['document']} differs from its manifest")
    for printed_id, times in printed.items():
        if times > 1:
            verdict.twice.append(f"{printed_id} was printed {times} times")
    for document in ours:
        if document["channel"] == "print" and document["state"] == "DISPATCHED" and not printed[document["id"]]:
            verdict.lost.append(f"{document['number']} is DISPATCHED as a letter and the bureau has none")
    for printed_id in printed.keys() - {d["id"] for d in ours}:
        verdict.mixed.append(f"a letter of {printed_id}, which is no document here")
    verdict.counts["letters"] = sum(printed.values())


def _judge_overdue(ours: list[dict[str, Any]], verdict: Verdict) -> None:
    late = datetime.now(UTC) - timedelta(minutes=5)
    for document in ours:
        due = document["next_attempt"]
        if document["state"] in _OPEN and due and datetime.fromisoformat(due) < late:
            verdict.stuck.append(f"{document['id']} is {document['state']} and overdue since {due}")


async def unfinished(world: World) -> int:
    """How many documents are still on their way."""
    found = 0
    for state in sorted(_OPEN):
        status, body = await world.call(world.ours, "GET", f"/v1/documents?state={state}&limit=200")
        assert status == 200, body
        found += sum((item["number"] or "").startswith(world.prefix) for item in json.loads(body)["items"])
    return found


async def documents(world: World, member: Member) -> AsyncIterator[dict[str, Any]]:
    cursor = ""
    while True:
        status, body = await world.call(member, "GET", f"/v1/documents?limit=200{cursor}")
        assert status == 200, body
        page = json.loads(body)
        for item in page["items"]:
            if (item["number"] or "").startswith(world.prefix):
                yield item
        if not page["next"]:
            return
        cursor = f"&cursor={page['next']}"


def _by_number(documents: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for document in documents:
        found[document["number"]].append(document)
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
