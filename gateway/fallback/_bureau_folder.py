"""A print bureau that watches a folder. ``TARGET/BATCH/`` is complete when its name appears.

Names with a leading dot are unfinished. The bureau may take a batch away. Its answers lie beside it, as
``BATCH.answer.jsonl``: a line with ``id``, ``state`` and, where it knows, ``time``, ``reason``, ``carrier``,
``postage``; once read the file is called ``….read``. A process that was killed right after the name appeared may find
the batch taken away: then nobody prints it again, and a person asks the bureau.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import ChannelUnavailable
from gateway.fallback._batch import Batch, write_batch
from gateway.fallback._bureau import ANSWER, READ, Clock, Steps, Submitted, read_answers
from gateway.fallback._print_settings import Settings
from gateway.files import make_directory, unfinished_name, write_durably
from gateway.model.letter import Letter


class Folder:
    """``[print] kind = "folder"``."""

    def __init__(self, target: Path, now: Clock) -> None:
        self._target = target
        self._now = now
        self._read: list[Path] = []

    async def submit(self, batch: Batch, begun: Path) -> Submitted:
        return await asyncio.to_thread(self._submit, batch, begun)

    def _submit(self, batch: Batch, begun: Path) -> Submitted:
        final = self._target / batch.name
        self._not_in_doubt(begun, final)
        make_directory(begun.parent)
        try:
            manifest = write_batch(self._target, batch, before=lambda: write_durably(begun, b""))
        except OSError:
            if not final.exists():
                begun.unlink(missing_ok=True)
            raise
        text = f"Given to the print bureau as batch {batch.name}"
        return Submitted(reference=batch.name, text=text, manifest=manifest)

    def _not_in_doubt(self, begun: Path, final: Path) -> None:
        """Raises ``ChannelUnavailable`` when an earlier process may have shown the batch and it is no longer there."""
        if not begun.exists() or final.exists():
            return
        if not unfinished_name(final).exists():
            raise ChannelUnavailable(
                f"Batch {final.name} was about to appear when the gateway was stopped, and is not there: in doubt "
                "whether the bureau has it",
                sent=True,
                remedy=f"Ask the bureau for {final.name}. If it does not have it, remove {begun}: then it is printed.",
            )
        begun.unlink()  # it never appeared

    async def answers(self, waiting: Sequence[Letter]) -> Steps:
        return await asyncio.to_thread(self._answers)

    def _answers(self) -> Steps:
        steps = []
        self._read = []
        try:
            files = sorted(path for path in self._target.iterdir() if ANSWER.fullmatch(path.name))
        except FileNotFoundError:
            return []
        for path in files[:100]:
            with path.open("rb") as file:
                told, _ = read_answers(file.read(20_000_001), path.name, self._now())
            steps += told
            self._read.append(path)
        return steps

    async def answered(self) -> None:
        for path in self._read:
            path.rename(path.with_name(path.name + READ))
        self._read = []


def open_adapter(settings: Settings, now: Clock) -> Folder:
    """Make it from its section."""
    return Folder(settings.target, now)
