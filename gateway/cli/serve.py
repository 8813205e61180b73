"""``gateway serve``: run the node."""

from __future__ import annotations

import argparse
import asyncio
import resource
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.cli import NOT_NOW, YES
from gateway.cli.terminal import as_json, paint, say
from gateway.config import load
from gateway.errors import ConfigurationError
from gateway.serving.notify import READY, tell

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.serving.supervisor import Post

Announce = Callable[[dict[str, object]], None]

_DESCRIPTORS: Final = 65_536


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; prints ``ready`` and the addresses once everything listens."""
    config = load(arguments.config)
    if arguments.systemd_unit:
        from gateway.cli.unit import unit

        print(unit(config), end="")
        return YES
    from gateway.server import log_as_json
    from gateway.serving.supervisor import MOST

    log_as_json()
    _allow_descriptors()
    if arguments.parent is not None:
        from gateway.cli.parent import end_with

        end_with(arguments.parent)
    workers = config.as4.workers if arguments.workers is None else arguments.workers
    if not 1 <= workers <= MOST:
        raise ConfigurationError([("--workers", f"must be between 1 and {MOST}")])
    announce = _and_told(_announce_json if arguments.json else _announce)
    try:
        return _one(config, announce) if workers == 1 else _several(config, workers, announce, json=arguments.json)
    except OSError as error:
        return _cannot_listen(error)


def _one(config: Config, announce: Announce, post: Post | None = None, held: int | None = None) -> int:
    from gateway.server import serve

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(serve(config, announce, post, held))
    return YES


def _several(config: Config, workers: int, announce: Announce, *, json: bool) -> int:
    import json as json_format
    import os

    from gateway.cli.commands import explained
    from gateway.server import log_as_json, supervise

    def work(fixed: Config, post: Post, held: int) -> int:
        def say_to_supervisor(ready: dict[str, object]) -> None:
            os.write(post.line, json_format.dumps(ready).encode() + b"\n")

        def serve() -> int:
            try:
                return _one(fixed, say_to_supervisor, post, held)
            except OSError as error:
                return _cannot_listen(error)

        log_as_json(process=post.number)
        return explained(serve, json=json)

    return supervise(config, workers, announce, work)


def _and_told(announce: Announce) -> Announce:
    """A service manager hears of it too."""

    def told(ready: dict[str, object]) -> None:
        announce(ready)
        if ready["ready"]:
            tell(READY)

    return told


def _announce_json(ready: dict[str, object]) -> None:
    as_json(ready)


def _announce(ready: dict[str, object]) -> None:
    if ready["ready"]:
        print(paint("ready", "green", "bold"))
    for name in ("as4", "api", "smp"):
        if name in ready:
            print(f"  {name:4} {ready[name]}")
    if "api_key" in ready:
        print(f"  first API key, shown this once: {ready['api_key']}", flush=True)
    if "sign_in" in ready:
        print(f"  first sign-in, works once: {ready['sign_in']}")
    print(end="", flush=True)


def _cannot_listen(error: OSError) -> int:
    say(f"{paint('✗', 'red')} cannot listen: {error}\n  Another program has the address; change the listen keys.")
    return NOT_NOW


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where it is installed (the ``fast`` extra), else the standard one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _allow_descriptors() -> None:
    """As many open files as the system lets us: each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
