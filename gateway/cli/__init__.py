"""The ``gateway`` command.

Exit codes: 0 yes or done · 1 a clear no · 2 wrong usage, configuration or unreadable input · 3 could not find
out, or not now. Nothing heavy is imported until a command needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

YES, NO, WRONG, NOT_NOW, STOPPED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["--version"], ["-V"]):
        from gateway import __version__

        print(f"gateway {__version__}")
        return YES
    from gateway.cli.commands import run
    from gateway.cli.terminal import guard_screen

    guard_screen()
    return run(words)
