"""``/metrics``: Prometheus text format 0.0.4.

What happened to documents is read from the store at each scrape and so equals it, over kills and restarts and for all
processes together. What happened in the processes (answers, times) is added up over them since the start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from gateway import __version__
from gateway.errors import GatewayError
from gateway.model.sweep import Change
from gateway.serving.meters import HANDOVERS, RECEIPTS, histogram, kinds
from gateway.web.certificates import certificate_metrics
from gateway.web.destinations import destination_metrics
from gateway.web.shares import DELAYED, REFUSED

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.ports import Ledger

log = logging.getLogger(__name__)

_OF_LEDGER: Final = (
    ("received", "in", ("Received", "Repeated"), "Messages of other access points that were taken and acknowledged."),
    ("duplicate", "in", ("Repeated",), "Of these, envelopes that came again under another MessageId."),
    ("accepted", "out", ("Accepted",), "Documents that companies handed in and that were accepted."),
    ("sent", "out", ("Sent",), "Signed receipts of other access points."),
    ("dispatched", "out", ("Dispatched",), "Handovers to mail servers and letter bureaus."),
)
_BOTH_WAYS: Final = (
    ("delivered", ("Delivered",), "Documents of which the far side said that it has them."),
    ("rejected", ("Rejected",), "Documents that the other side, or our own rules, refused for good."),
    ("dead_lettered", ("GaveUp",), "Documents that were given up: a person must look."),
    ("unknown_outcome", ("LostTrack",), "Documents that went out and of which no word came in time."),
    ("requeued", ("Requeued",), "Documents that a person put back to work."),
    ("postponed", ("Postponed",), "Tries that are to be repeated."),
)

Rows = Iterable[tuple[Mapping[str, str], float]]


async def metrics(gateway: Gateway, answers: Mapping[str, float]) -> str:
    """Everything, as text; ``answers`` are the counters of all processes."""
    statuses = [({"status": name}, n) for name, n in sorted(answers.items()) if name.isdigit()]
    lines = [
        *_family("gateway_info", "gauge", "What runs.", [({"version": __version__}, 1)]),
        *_one("gateway_start_time_seconds", "When it started, in seconds since 1970.", gateway.started.timestamp()),
        *_one("gateway_worker_running", "Whether the worker runs.", gateway.worker.running),
        *_family("gateway_http_answers_total", "counter", "Answers of this site by HTTP status.", statuses),
        *_of_shares(answers),
        *_of_as4(answers),
        *await _of_store(gateway),
        *await _of_sweeps(gateway),
        *_of_machine(gateway),
        *certificate_metrics(gateway.certificates),
        *destination_metrics(gateway.outbound.breakers.standing()),
    ]
    if gateway.siblings:
        rows = [({"state": state}, n) for state, n in gateway.siblings.processes.items()]
        lines += _family("gateway_processes", "gauge", "Processes of this gateway.", rows)
    return "\n".join(lines) + "\n"


def _of_shares(counts: Mapping[str, float]) -> list[str]:
    """Calls of accounts that wanted more than their share, beside others."""
    rows = (
        ("delayed", DELAYED, "Calls that waited, because their account had all its places or others were before it."),
        ("refused", REFUSED, "Calls that were answered 429, because too many of their account waited already."),
    )
    lines: list[str] = []
    for name, counter, text in rows:
        lines += _family(f"gateway_api_calls_{name}_total", "counter", text, [({}, counts.get(counter, 0))])
    return lines


def _of_as4(counts: Mapping[str, float]) -> list[str]:
    rows = [({"answer": kind}, n) for kind, n in kinds(counts)]
    text = "Answers to messages since the start: receipt, ebMS error code, or HTTP status."
    lines = _family("gateway_as4_answers_total", "counter", text, rows)
    for name, metric, text in (
        (RECEIPTS, "gateway_receipt_seconds", "From the request of a message to its receipt."),
        (HANDOVERS, "gateway_handover_seconds", "From the receipt of a document to its handover to C4."),
    ):
        buckets, seconds = histogram(counts, name)
        lines += [f"# HELP {metric} {text}", f"# TYPE {metric} histogram"]
        lines += [f'{metric}_bucket{{le="{bound}"}} {n:.0f}' for bound, n in buckets]
        lines += [f"{metric}_sum {seconds:.3f}", f"{metric}_count {buckets[-1][1]:.0f}"]
    return lines


async def _of_store(gateway: Gateway) -> list[str]:
    """The ledger; only that it cannot be read when it cannot."""
    readable = "gateway_store_readable"
    try:
        ledger = await gateway.store.operation.ledger()
        await gateway.door.look()
        gap = await gateway.store.operation.gap()
    except GatewayError as error:
        log.error("the ledger cannot be read: %s", error)
        return _one(readable, "Whether the store could be read for what follows.", False)
    queue = gateway.door.queue
    oldest = max(0.0, (gateway.clock.now() - queue.oldest).total_seconds()) if queue.oldest else 0.0
    trouble = [({"direction": d, "state": s}, n) for (d, s), n in sorted(ledger.trouble.items())]
    return [
        *_one(readable, "Whether the store could be read for what follows.", True),
        *_of_ledger(ledger),
        *_family("gateway_documents_in_trouble", "gauge", "Documents that wait for a person now.", trouble),
        *_one("gateway_documents_waiting", "Documents that wait for a worker, or for their next try.", queue.waiting),
        *_one("gateway_documents_overdue", "Due for more than five minutes, in nobody's hand.", queue.overdue),
        *_one("gateway_oldest_due_seconds", "How long the oldest has been due.", oldest),
        *_one("gateway_reconcile_waits", "Whether a restored store waits for a person.", gap is not None),
    ]


async def _of_sweeps(gateway: Gateway) -> list[str]:
    """The last sweep of each account, added up; nothing while the store cannot be read."""
    try:
        last = await gateway.store.sweeps.latest()
    except GatewayError:
        return []
    found = [({"change": change.value}, sum(one.count(change) for one in last)) for change in Change]
    ended = max((one.ended.timestamp() for one in last if one.ended), default=0.0)
    return [
        *_one("gateway_sweeps_running", "Sweeps that have begun and not ended.", sum(o.ended is None for o in last)),
        *_one("gateway_sweep_ended_seconds", "When a sweep ended last, in seconds since 1970; 0: none.", ended),
        *_one("gateway_sweep_customers", "Customers that the last sweeps are done with.", sum(o.done for o in last)),
        *_one("gateway_sweep_questions", "Questions to DNS of the last sweeps.", sum(o.questions for o in last)),
        *_one("gateway_sweep_requests", "Requests to SMPs of the last sweeps.", sum(o.requests for o in last)),
        *_family("gateway_sweep_changes", "gauge", "What the last sweeps found; unknown: no answer.", found),
    ]


def _of_ledger(ledger: Ledger) -> list[str]:
    lines: list[str] = []
    events = ledger.events
    for name, direction, names, text in _OF_LEDGER:
        number = sum(events.get(f"{direction} {event}", 0) for event in names)
        lines += _family(f"gateway_documents_{name}_total", "counter", text, [({}, number)])
    for name, names, text in _BOTH_WAYS:
        rows = [({"direction": d}, sum(events.get(f"{d} {event}", 0) for event in names)) for d in ("in", "out")]
        lines += _family(f"gateway_documents_{name}_total", "counter", text, rows)
    return lines


def _of_machine(gateway: Gateway) -> list[str]:
    door, kept = gateway.door, gateway.timekeeping
    lines = [
        *_one("gateway_door_open", "Whether new documents and messages are taken.", door.refusal() is None),
        *_one("gateway_writes_waiting", "Writes that wait for the disk.", gateway.store.writes_waiting),
        *_family("gateway_clock_jumps_total", "counter", "Jumps of the clock since the start.", [({}, kept.jumps)]),
    ]
    if door.room.folders:
        try:
            lines += _one("gateway_space_free_octets", "Free on the fullest disk.", door.room.free())
            lines += _one("gateway_space_kept_octets", "Kept free for what was accepted.", door.room.kept())
        except OSError as error:
            log.error("a disk cannot be looked at: %s", error.strerror)
    offset = kept.offset()
    if offset is not None:
        lines += _one("gateway_clock_offset_seconds", "Offset of the clock as the kernel knows it.", offset.seconds)
        lines += _one("gateway_clock_synchronised", "Whether a time service keeps the clock.", offset.synchronised)
    return lines


def _one(name: str, text: str, value: float) -> list[str]:
    return _family(name, "gauge", text, [({}, value)])


def _family(name: str, kind: str, text: str, rows: Rows) -> list[str]:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in rows:
        shown = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        number = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{int(value)}"
        lines.append(f"{name}{{{shown}}} {number}" if shown else f"{name} {number}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
