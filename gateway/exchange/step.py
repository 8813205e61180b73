"""What a step of the worker gives back, and evidence made of values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.errors import AtRest, ChannelUnavailable, GatewayError
from gateway.model.document import Facts, bare_facts
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, Message
from gateway.model.often import made_often
from gateway.model.relation import Step
from gateway.ports import Arrival
from gateway.ubl.submission import Submission


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened to a claimed document: recorded by the worker in one commit."""

    message: Message
    """As claimed, or as changed by ``Store.mark_sending``."""
    event: Event
    evidence: tuple[Evidence, ...] = ()
    follow: Arrival | None = None
    """A document that this gives rise to, added in the same commit: a status message."""


def facts_of(submission: Submission) -> Facts:
    """The document's facts; what its envelope says where it is no invoice that we understand."""
    if submission.facts is not None:
        return submission.facts
    assert submission.envelope is not None  # a bare document that is no invoice is refused at the door
    return bare_facts(submission.envelope.document_type, submission.envelope.process)


def lookup_evidence(steps: Sequence[Step]) -> tuple[Evidence, ...]:
    """The steps of a relation search as evidence: what was asked and answered, and each signed answer as it came."""
    return _lookup_evidence(tuple(steps)) if steps else ()


@lru_cache(256)
def _lookup_evidence(steps: tuple[Step, ...]) -> tuple[Evidence, ...]:
    """A search that is remembered is the proof of many documents."""
    table = json.dumps({"steps": describe_steps(steps)}, ensure_ascii=False).encode()
    signed = (Evidence(kind="smp", media_type="application/xml", octets=s.octets) for s in steps if s.octets)
    return (Evidence(kind="lookup", media_type="application/json", octets=table), *signed)


def explained(error: GatewayError) -> dict[str, object]:
    """What the timeline keeps of a failure beside its text: its kind, whose affair it is, and what to do."""
    return {"error": type(error).__name__, "failure": error.failure, "remedy": error.remedy}


def wait_of(error: GatewayError) -> float:
    """Seconds for which nothing should be tried, as the far side or its breaker says."""
    return error.wait if isinstance(error, AtRest | ChannelUnavailable) else 0.0


def describe_steps(steps: Sequence[Step]) -> list[dict[str, object]]:
    """Steps as JSON values, as ``gateway lookup --json`` and the timeline show them."""
    return [
        {"asked": s.asked, "where": s.where, "answer": s.answer, "milliseconds": round(s.milliseconds, 1)}
        for s in steps
    ]
