"""A print bureau's HTTP API: one ``POST /letters`` a letter, known again by its ``Idempotency-Key``. [I/O]

The body is a form: ``letter`` (the manifest's line) and ``file`` (the PDF). ``201`` and ``200`` with ``id`` and
``status`` mean that the bureau has it; the same key again gives the same letter, so a repeat after a lost answer
prints nothing twice. ``GET /letters/ID`` tells its state; letters that wait are asked for a few at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import ChannelRefused, ChannelUnavailable
from gateway.fallback._batch import Batch, Printed
from gateway.fallback._bureau import Clock, Steps, Submitted, read_step
from gateway.fallback._print_settings import Settings
from gateway.model.letter import Letter, LetterStep

if TYPE_CHECKING:
    import aiohttp

_SETTINGS: Final = "Look at url and token_file in [print]; the letter waits."
_LONGEST: Final = 1_000_000
_ASKED: Final = 200
"""Letters whose state is asked for in one turn."""


class Http:
    """``[print] kind = "http"``."""

    def __init__(self, settings: Settings, now: Clock) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._token = settings.secret("token")
        self._now = now

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        limit = aiohttp.ClientTimeout(total=self._settings.timeout.total_seconds())
        return aiohttp.ClientSession(headers=headers, timeout=limit)

    async def submit(self, batch: Batch, begun: Path) -> Submitted:
        steps: dict[str, tuple[LetterStep, ...]] = {}
        async with self._session() as session:
            for letter in batch.letters:
                said = await self._post(session, letter, batch.name)
                steps[letter.id] = self._known(said)
        text = f"Given to the print bureau {self._url} as batch {batch.name}"
        return Submitted(reference=batch.name, text=text, steps=steps)

    async def _post(self, session: aiohttp.ClientSession, letter: Printed, batch: str) -> Any:
        import aiohttp

        form = aiohttp.FormData()
        described = json.dumps({**letter.row(), "batch": batch}, ensure_ascii=False)
        form.add_field("letter", described, content_type="application/json")
        form.add_field("file", letter.pdf, filename=letter.file, content_type="application/pdf")
        key = {"Idempotency-Key": letter.id}
        try:
            post = session.post(f"{self._url}/letters", data=form, headers=key, allow_redirects=False)
            async with post as response:
                octets = await response.content.read(_LONGEST)
                status, wait = response.status, response.headers.get("Retry-After", "")
        except aiohttp.ClientConnectorError as error:
            raise ChannelUnavailable(f"The print bureau cannot be reached: {error}", remedy=_SETTINGS) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = str(error) or type(error).__name__
            raise ChannelUnavailable(
                f"The print bureau gave no answer ({said}): in doubt whether it has {letter.id}"[:300],
                sent=True,
                remedy="Nothing to do: it is handed over again under the same key, which prints nothing twice.",
            ) from error
        return _answer(status, octets, wait, letter.id)

    def _known(self, said: Any) -> tuple[LetterStep, ...]:
        try:
            return (read_step({**said, "reference": said.get("id")}, "The bureau", self._now()),)
        except (ValueError, AttributeError, TypeError):
            return ()

    async def answers(self, waiting: Sequence[Letter]) -> Steps:
        import aiohttp

        steps = []
        async with self._session() as session:
            for letter in [one for one in waiting if one.reference][:_ASKED]:
                try:
                    address = f"{self._url}/letters/{letter.reference}"
                    async with session.get(address, allow_redirects=False) as response:
                        octets = await response.content.read(_LONGEST)
                        if response.status != 200:
                            continue
                    steps.append((letter.id, read_step(json.loads(octets), "The bureau", self._now())))
                except ValueError:
                    continue  # a state that says nothing to us
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    raise ChannelUnavailable(f"The print bureau gave no answer: {error}") from error
                await asyncio.sleep(0)
        return steps

    async def answered(self) -> None:
        return None


def _answer(status: int, octets: bytes, wait: str, id: str) -> Any:
    """What the bureau says; raises for a no."""
    try:
        said = json.loads(octets) if octets else {}
    except (ValueError, RecursionError):
        said = {}
    if status in (200, 201, 202):
        return said
    detail = str(said.get("detail") or said.get("title") or "")[:200] if isinstance(said, dict) else ""
    text = f"The print bureau answered {status} for {id}{': ' + detail if detail else ''}"
    if status in (400, 413, 415, 422):
        raise ChannelRefused(text)
    seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 0.0
    raise ChannelUnavailable(text, sent=status >= 500, wait=seconds, remedy=_SETTINGS)


def open_adapter(settings: Settings, now: Clock) -> Http:
    """Make it from its section."""
    return Http(settings, now)
