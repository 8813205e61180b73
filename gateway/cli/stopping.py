"""How a command ends on Ctrl-C or SIGTERM: what it started is ended first."""

from __future__ import annotations

import asyncio
import signal


def stop_on_signals() -> None:
    """Cancel the calling task on SIGINT or SIGTERM, so that everything it opened is closed on the way out."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
