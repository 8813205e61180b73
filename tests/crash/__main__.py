"""``make crash``: the campaign with a progress bar and a table.

python -m tests.crash [--kills 300] [--seed 1] [--summary FILE]       kill -9 at random moments under load
python -m tests.crash --seed 1 --from 4711 --kills 1                  one kill again
python -m tests.crash --power [--kills 100] [--summary FILE]          the same, and each time the power is cut
python -m tests.crash --database postgresql [--power] [...]           kills over PostgreSQL, or power cuts with it
python -m tests.crash --nodes [--database postgresql] [--kills 100]   several processes on one store, killed and frozen
python -m tests.crash --points [--fault EIO] [--step 1] [--flow ...]  every durable call of each flow
python -m tests.crash --points --database postgresql [--fault cut]    the same over PostgreSQL, or each question to it
python -m tests.crash --target FILE [--kills 100]                     kills of a gateway that runs already (target.py)

A long campaign runs in pieces of ``--piece`` kills, each in a market of its own and judged at its end. ``--summary``
keeps a line a piece: started again, the campaign goes on where it ended, and the table shows the sum. The market of a
piece that broke a promise is kept in ``var/crash``.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests import postgres_server
from tests.crash import summary
from tests.crash.campaign import Campaign, kills_in, random_kills
from tests.crash.nodes import strikes
from tests.crash.points import FLOWS, WIRE, build, sweep
from tests.crash.power import missing
from tests.crash.survivor import Survivor
from tests.crash.target import open_target
from tests.crash.victim import CrashError
from tests.crash.world import POWERED

_KEPT = Path("var/crash")
_FAULT = (
    "let the call fail with this errno (EIO, ENOSPC) instead of a kill; with PostgreSQL also: cut (the connection, "
    "before each question), answer (lost after the question was carried out)"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", dest="first", type=int, help="number of the first kill (else: go on, or 1)")
    parser.add_argument("--piece", type=int, default=500, help="kills in one market")
    parser.add_argument("--summary", type=Path, help="keep a line a piece here, and show the sum of all")
    parser.add_argument("--power", action="store_true", help="cut the power: what was not fsynced is forgotten")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="where it stores")
    parser.add_argument("--nodes", action="store_true", help="two processes or nodes: kill one or freeze it")
    parser.add_argument("--points", action="store_true", help="strike every durable call instead")
    parser.add_argument("--fault", default="", help=_FAULT)
    parser.add_argument("--step", type=int, default=1, help="only every so-many-th call")
    parser.add_argument("--offset", type=int, default=0, help="begin so many calls later: shares that add up")
    parser.add_argument("--flow", nargs="*", choices=FLOWS, default=FLOWS)
    parser.add_argument("--target", type=Path, help="a gateway that runs already: see tests/crash/target.py")
    arguments = parser.parse_args()
    if arguments.target:
        return _target(arguments)
    return _points(arguments) if arguments.points else _kills(arguments)


def _kills(arguments: argparse.Namespace) -> int:
    what, seed = "cuts" if arguments.power else "strikes" if arguments.nodes else "kills", arguments.seed
    if arguments.database == "postgresql":
        what += ", postgresql"
        if why := postgres_server.why_not():
            print(f"there is no PostgreSQL here: {why}")
            return 0
    if arguments.power and (why := missing()):
        print(f"power cannot be cut here: {why}")
        return 0
    pieces = summary.read(arguments.summary, what, seed) if arguments.summary else []
    begun = first = arguments.first or summary.following(pieces)
    last = first + arguments.kills - 1
    lived: Survivor | None = None
    while first <= last:
        kills = min(arguments.piece, last - first + 1)
        show = bar(arguments.kills, first - begun, what)
        piece, survived = run_piece(what, seed, first, kills, show)
        pieces.append(piece)
        if survived and (lived is None or survived.kills > lived.kills):
            lived = survived
        if arguments.summary:
            summary.append(arguments.summary, piece)
        first += kills
    return _told(pieces, lived, f"seed {seed}")


def _target(arguments: argparse.Namespace) -> int:
    """Kill a gateway that is there, in one piece; it is left running."""
    first = arguments.first or 1
    piece, began = summary.Piece("kills of a target", arguments.seed, first, arguments.kills), time.monotonic()

    async def run() -> Campaign:
        async with open_target(arguments.target, arguments.seed) as world:
            show = bar(arguments.kills, 0, "kills")
            return await kills_in(world, arguments.seed, arguments.kills, first=first, progress=show)

    try:
        lived = piece.take(asyncio.run(run()))
    except Exception as error:
        piece.error, lived = _innermost(error), None
    piece.seconds = round(time.monotonic() - began, 1)
    if arguments.summary:
        summary.append(arguments.summary, piece)
    return _told([piece], lived, f"seed {arguments.seed}")


def _told(pieces: list[summary.Piece], lived: Survivor | None, how: str) -> int:
    """Show who lived through most, and the table; gives the exit code."""
    print(file=sys.stderr)
    if lived:
        print(f"{lived.number} ({lived.way}) lived through {lived.kills} kills:")
        print(*(f"  {line}" for line in lived.lines), "", sep="\n")
    return close(pieces, how)


def run_piece(
    what: str, seed: int, first: int, kills: int, show: Callable[[int, str], None]
) -> tuple[summary.Piece, Survivor | None]:
    """One piece in a market of its own, which is kept when a promise was broken."""
    piece, survived, began = summary.Piece(what, seed, first, kills), None, time.monotonic()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        place = Path(directory) / "market"
        try:
            database = ""
            power = what.startswith("cuts")
            if power:
                database = POWERED if what.endswith("postgresql") else ""
            elif what.endswith("postgresql"):
                database = stack.enter_context(postgres_server.running()).new_database()
            if what.startswith("strikes"):
                campaign = strikes(place, seed, kills, first=first, progress=show, database=database)
            else:
                campaign = random_kills(place, seed, kills, first=first, progress=show, power=power, database=database)
            found = asyncio.run(campaign)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            piece.error = _innermost(error)
        else:
            survived = piece.take(found)
        if not piece.good:
            keep(place, f"{what}-{seed}-{first}")
    piece.seconds = round(time.monotonic() - began, 1)
    return piece, survived


def keep(place: Path, name: str) -> None:
    """Keep a market, to look at what happened in it."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    shutil.copytree(place, _KEPT / name, dirs_exist_ok=True, ignore_dangling_symlinks=True)


def close(pieces: list[summary.Piece], how: str) -> int:
    """Print the table; gives the exit code."""
    print(*summary.table(pieces), sep="\n")
    good = all(piece.good for piece in pieces)
    seconds = sum(piece.seconds for piece in pieces)
    rate = sum(piece.done for piece in pieces) / seconds if seconds else 0.0
    print(f"{how}, {seconds:.0f} s, {rate:.1f} a second: {'every promise kept' if good else 'BROKEN PROMISES'}")
    return 0 if good else 1


def _points(arguments: argparse.Namespace) -> int:
    flows, on_wire = tuple(arguments.flow), arguments.fault in WIRE
    fault = 0 if on_wire or not arguments.fault else getattr(errno, arguments.fault)
    if on_wire and arguments.database != "postgresql":
        sys.exit(f"--fault {arguments.fault} goes with --database postgresql only")
    where = "" if arguments.database == "sqlite" else ", postgresql"
    piece = summary.Piece(f"points, {arguments.fault or 'killed'}{where}", 0, 1, 0)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        library = build(Path(directory))
        if library is None:
            sys.exit("a C compiler is needed (Debian: apt-get install gcc libc6-dev)")
        database = stack.enter_context(postgres_server.running()).new_database() if where else ""
        place, began = Path(directory) / "market", time.monotonic()
        sweeping = sweep(
            *(place, library, flows),
            fault=fault,
            step=arguments.step,
            offset=arguments.offset,
            progress=_line,
            database=database,
            wire_fault=arguments.fault if on_wire else "",
        )
        try:
            found = asyncio.run(sweeping)
        except Exception as error:
            piece.error = _innermost(error)
        else:
            piece.done = found.struck
            durable = {f"durable calls: {flow}": count for flow, count in found.points.items()}
            piece.counts, piece.found = durable | found.verdict.counts, summary.found(found.verdict)
        piece.seconds = time.monotonic() - began
        if not piece.good:
            keep(place, "points")
        if arguments.summary:
            summary.append(arguments.summary, piece)
    print(file=sys.stderr)
    which = "each call" if arguments.step == 1 else f"every {arguments.step}th call from number {arguments.offset + 1}"
    return close([piece], which)


def bar(whole: int, before: int, what: str) -> Callable[[int, str], None]:
    """A progress bar for a terminal: how many of all, how fast, how long still."""
    began = time.monotonic()

    def show(done: int, text: str) -> None:
        rate = done / (time.monotonic() - began)
        filled = "█" * (24 * (before + done) // whole)
        left = (whole - before - done) / rate if rate else 0.0
        _line(f"{filled:·<24} {before + done:,}/{whole:,} {what}, {rate:.1f}/s, {left / 60:.0f} min left, {text}")

    return show


def _line(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<100.100}", end="", file=sys.stderr, flush=True)


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, CrashError) else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
