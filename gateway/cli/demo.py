"""``gateway demo``: the four-corner network on loopback, shown in a terminal."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli import NO, STOPPED, YES
from gateway.cli.client import timeline_table
from gateway.cli.stopping import stop_on_signals
from gateway.cli.terminal import as_json, paint, say, table

if TYPE_CHECKING:
    from gateway.network.demo import Demo, Story

_WAYS: Final = {"peppol": "e-invoice over AS4", "email": "PDF by e-mail", "print": "letter"}


def run(arguments: argparse.Namespace) -> int:
    """Run it; exit 0 only if all three invoices arrived as they should."""
    from gateway.network.demo import run_demo

    started = time.perf_counter()
    now = datetime.now(UTC)
    directory = arguments.dir or Path("var") / f"demo-{now:%Y%m%d-%H%M%S}"

    def progress(text: str) -> None:
        if not arguments.json:
            print(f"{paint(f'{time.perf_counter() - started:5.1f} s', 'dim')}  {text}", flush=True)

    async def whole() -> bool:
        stop_on_signals()
        async with run_demo(directory, now=now, progress=progress) as demo:
            as_json(_as_value(demo)) if arguments.json else _show(demo)
            if arguments.keep:
                say("It stays up; Ctrl-C ends it.")
                await asyncio.Event().wait()
            return demo.good

    try:
        good = asyncio.run(whole())
    except asyncio.CancelledError:
        say("ended")
        return YES if arguments.keep else STOPPED
    if not arguments.json:
        verdict = paint("✓ all three arrived", "green", "bold") if good else paint("✗ not all arrived", "red", "bold")
        print(f"{verdict} in {time.perf_counter() - started:.1f} s, start and end of the whole network included")
    return YES if good else NO


def _as_value(demo: Demo) -> dict[str, object]:
    return {
        "ok": demo.good,
        "directory": str(demo.market.directory),
        "api": demo.api,
        "sign_in": demo.sign_in,
        "waiting": dataclasses.asdict(demo.desk),
        "invoices": [
            {
                "number": s.number,
                "buyer": s.buyer,
                "arrived": s.arrived,
                "proof": s.proof,
                "problem": s.problem,
                "milliseconds": round(s.milliseconds, 1),
                "document": s.document,
                "timeline": s.timeline,
            }
            for s in demo.stories
        ],
    }


def _show(demo: Demo) -> None:
    rows = [_row(story) for story in demo.stories]
    styles = [["bold", "green" if s.arrived else "red", "", "dim", ""] for s in demo.stories]
    print()
    print(table(["invoice", "way", "reason", "proof", "ms"], rows, styles=styles, right=frozenset({4})))
    letter = demo.stories[-1]
    print(f"\n{paint(f'The life of invoice {letter.number}, which became a letter:', 'bold')}")
    print(timeline_table(letter.timeline))
    print(f"\n  API      {demo.api}  (key in {demo.key_file})")
    print(f"  portal   {demo.api}/" + (f"  (first sign-in, works once: {demo.sign_in})" if demo.sign_in else ""))
    print(f"           {demo.desk.words}")
    print(f"  letters  {demo.letters}")
    print(f"  mail     {demo.mailbox}\n")


def _row(story: Story) -> list[str]:
    way = _WAYS.get(story.document["channel"], story.document["channel"] or "none")
    mark = "✓" if story.arrived else "✗"
    return [
        f"{story.number} to {story.buyer}",
        f"{mark} {way}",
        story.document["reason"] or "",
        story.proof or story.problem,
        f"{story.milliseconds:.0f}",
    ]
