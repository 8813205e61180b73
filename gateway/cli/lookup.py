"""``gateway lookup``: the relation search from this machine, with every step it took."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.cli import NO, NOT_NOW, YES
from gateway.cli.stopping import stop_on_signals
from gateway.cli.terminal import as_json, paint, say, table
from gateway.config import Config, load
from gateway.errors import InvalidAddress, LookupUnavailable
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reachable, Step, Unreachable
from gateway.model.schemes import read_typed
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.model.view import moment


def run(arguments: argparse.Namespace) -> int:
    """Ask, show each step, and give the verdict as exit code: 0 positive, 1 negative, 3 could not find out."""
    if arguments.csv:
        from gateway.cli.lookup_bulk import run as run_bulk

        return run_bulk(arguments)
    if not arguments.participant:
        raise InvalidAddress("A participant is needed, or --csv FILE")
    config = load(arguments.config)
    typed = read_typed(arguments.participant, datetime.now(UTC).date())
    participant = typed.participant
    for warning in typed.warnings:
        say(f"{paint('!', 'yellow', to=sys.stderr)} {warning}")
    document_type = DocumentTypeId.parse(arguments.document_type) if arguments.document_type else BILLING_INVOICE
    process = ProcessId.parse(arguments.process) if arguments.process else BILLING_PROCESS
    if arguments.watch:
        with suppress(asyncio.CancelledError):
            asyncio.run(_watch(config, participant, document_type, process, arguments))
        return YES
    answer = asyncio.run(_find(config, participant, document_type, process))
    if arguments.json:
        as_json(_as_value(participant, answer))
    else:
        _show(participant, answer)
    return YES if isinstance(answer, Reachable) else NO if isinstance(answer, Unreachable) else NOT_NOW


async def _find(
    config: Config, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
) -> Reachable | Unreachable | LookupUnavailable:
    from gateway.app import SystemClock, open_lookup, read_trust

    async with open_lookup(config, read_trust(config), SystemClock()) as lookup:
        try:
            return await lookup.find(participant, document_type, process)
        except LookupUnavailable as error:
            return error


async def _watch(
    config: Config,
    participant: ParticipantId,
    document_type: DocumentTypeId,
    process: ProcessId,
    arguments: argparse.Namespace,
) -> None:
    """Ask again and again; a line for each change, until Ctrl-C or SIGTERM, and then how often each verdict came."""
    from gateway.app import SystemClock, open_lookup, read_trust

    stop_on_signals()
    last: tuple[str, ...] = ()
    counts: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        lookup = await stack.enter_async_context(open_lookup(config, read_trust(config), SystemClock()))
        stack.callback(lambda: say(_tally(counts)))
        while True:
            answer: Reachable | Unreachable | LookupUnavailable
            try:
                answer = await lookup.find_afresh(participant, document_type, process)
            except LookupUnavailable as error:
                answer = error
            value = _as_value(participant, answer)
            counts[value["verdict"]] += 1
            endpoint = value["endpoint"] or {}
            seen = (value["verdict"], value.get("code", ""), endpoint.get("url", ""), endpoint.get("certificate", ""))
            if seen != last:
                last = seen
                now = datetime.now(UTC)
                if arguments.json:
                    as_json({"time": moment(now), **value})
                else:
                    style = _STYLES[value["verdict"]]
                    said = value["reason"] + (f", {endpoint['url']}" if endpoint else "")
                    print(f"{now:%H:%M:%S} {paint(value['verdict'], style, 'bold'):<14} {said}", flush=True)
            await asyncio.sleep(arguments.watch)


def _tally(counts: Counter[str]) -> str:
    return f"{counts.total():,} look-ups: " + ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in _STYLES)


_ROOT: Final = re.compile(r"busdox-docid-qns::[^#]*::(?=[^:#]+##)")
"""The namespace of a document type, which says the same as the name after it."""
_STYLES: Final = {"positive": "green", "negative": "red", "indeterminate": "yellow"}


def _as_value(participant: ParticipantId, answer: Reachable | Unreachable | LookupUnavailable) -> dict[str, Any]:
    from gateway.exchange.step import describe_steps

    value: dict[str, Any] = {
        "verdict": "indeterminate",
        "participant": participant.value,
        "smp": None,
        "endpoint": None,
        "document_types": [],
        "reason": str(answer),
        "evidence": describe_steps(answer.steps),
    }
    if isinstance(answer, LookupUnavailable):
        return {**value, "remedy": answer.remedy}
    value |= {"smp": answer.smp or None, "document_types": [str(d) for d in answer.document_types]}
    if isinstance(answer, Unreachable):
        return {**value, "verdict": "negative", "reason": answer.text, "code": str(answer.reason)}
    endpoint = answer.endpoint
    return {
        **value,
        "verdict": "positive",
        "reason": f"{participant.value} takes this document at {endpoint.seat}",
        "document_type": str(answer.document_type),
        "process": str(answer.process),
        "endpoint": {
            "url": endpoint.url,
            "seat": endpoint.seat,
            "certificate": _pem(endpoint.certificate),
            "transport_profile": endpoint.transport_profile,
            "expires": moment(endpoint.expires),
        },
    }


def _pem(der: bytes) -> str:
    import ssl

    return ssl.DER_cert_to_PEM_cert(der)


def _show(participant: ParticipantId, answer: Reachable | Unreachable | LookupUnavailable) -> None:
    print(_steps(answer.steps))
    if isinstance(answer, Reachable):
        print(f"{paint('✓ positive', 'green', 'bold')}  {participant.value} takes this document")
        expires = f", valid until {answer.endpoint.expires:%Y-%m-%d}" if answer.endpoint.expires else ""
        print(f"  access point  {answer.endpoint.seat} at {answer.endpoint.url}{expires}")
        for document_type in answer.document_types:
            print(f"  takes         {paint(str(document_type), 'dim')}")
    elif isinstance(answer, Unreachable):
        print(f"{paint('✗ negative', 'red', 'bold')}  {answer.text}")
    else:
        print(f"{paint('? indeterminate', 'yellow', 'bold')}  {answer}\n  {answer.remedy}")


def _steps(steps: tuple[Step, ...]) -> str:
    rows = [[str(i), in_words(s.asked), s.where, s.answer, f"{s.milliseconds:.1f}"] for i, s in enumerate(steps, 1)]
    styles = [["dim", "", "", "bold", "dim"] for _ in rows]
    shown = table(["", "asked", "whom", "answer", "ms"], rows, styles=styles, right=frozenset({4}))
    return f"{shown}\n{paint('names and addresses are shortened; --json has them whole', 'dim')}"


def in_words(asked: str) -> str:
    """A question in plain words, and its technical form so short that it can be read."""
    method, _, address = asked.partition(" ")
    if method == "NAPTR":
        label, _, zone = address.partition(".")
        return f"Which SMP has it?\nNAPTR {label[:8]}….{zone}"
    if method == "GET":
        path = urlsplit(address).path
        for coded, plain in (("%3A", ":"), ("%23", "#")):  # no others: strangers' signs stay coded on the screen
            path = path.replace(coded, plain)
        word = "Where does it take this document?" if "/services/" in path else "Which documents does it take?"
        return f"{word}\nGET {_ROOT.sub('…', path)}"
    return asked
