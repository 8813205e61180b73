"""A printer of one's own, over IPP: each letter is a job whose name is the letter's id. [I/O]

Before a letter is printed the printer is asked for a job of that name, and after ``Print-Job`` the job is followed
until it is completed. A letter that was begun and whose job the printer no longer knows is in doubt, and a person
decides: nothing is printed a second time by itself. Sources: RFC 8011 (Print-Job, Get-Jobs), PWG 5100.14.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.errors import ChannelRefused, ChannelUnavailable
from gateway.fallback import _ipp
from gateway.fallback._batch import Batch, Printed
from gateway.fallback._bureau import Clock, Steps, Submitted
from gateway.fallback._print_settings import Settings
from gateway.files import make_directory, safe_name, write_durably
from gateway.model.letter import Letter, LetterState, LetterStep

if TYPE_CHECKING:
    import aiohttp

_USER: Final = "gateway"
_CANCELED, _ABORTED, _COMPLETED = 7, 8, 9
_ATTRIBUTES: Final = ("job-id", "job-name", "job-state", "job-state-reasons")
_LOOK: Final = 0.5
_LONGEST: Final = 4_000_000


class Ipp:
    """``[print] kind = "ipp"``."""

    def __init__(self, settings: Settings, now: Clock) -> None:
        self._settings = settings
        scheme, _, rest = settings.url.partition("://")
        self._printer = settings.url
        host = rest if ":" in rest.partition("/")[0] else rest.replace("/", ":631/", 1)
        self._address = f"{'https' if scheme == 'ipps' else 'http'}://{host}"

    async def submit(self, batch: Batch, begun: Path) -> Submitted:
        import aiohttp

        steps: dict[str, tuple[LetterStep, ...]] = {}
        limit = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=limit) as session:
            for letter in batch.letters:
                job = await self._print(session, letter, begun.with_name(f"{begun.name}.{safe_name(letter.document)}"))
                printed = f"Printed on {self._printer} as job {job}"
                taken = f"The printer took it as job {job}"
                steps[letter.id] = (
                    LetterStep(state=LetterState.ACCEPTED, reason=taken, reference=str(job)),
                    LetterStep(state=LetterState.PRINTED, reason=printed),
                )
        return Submitted(reference=batch.name, text=f"Printed on {self._printer} as batch {batch.name}", steps=steps)

    async def _print(self, session: aiohttp.ClientSession, letter: Printed, begun: Path) -> int:
        job = await self._known(session, letter)
        if job is None:
            if await asyncio.to_thread(begun.exists):
                raise ChannelUnavailable(
                    f"Letter {letter.id} was about to be printed when the gateway or the line failed, and the printer "
                    "knows no job of that name: in doubt whether it was printed",
                    sent=True,
                    remedy=f"Look at the printer for {letter.id}. If it was not printed, remove {begun}: then it is.",
                )
            job = await self._new(session, letter, begun)
        await self._follow(session, letter, job)
        return job

    async def _known(self, session: aiohttp.ClientSession, letter: Printed) -> int | None:
        """The job of this name, whether it is still to be done or not."""
        for which in ("not-completed", "completed"):
            wanted = [("keyword", "which-jobs", which), ("keyword", "requested-attributes", _ATTRIBUTES)]
            found = await self._ask(session, _ipp.write(_ipp.GET_JOBS, self._printer, wanted))
            if not found.good:
                raise ChannelUnavailable(f"{self._printer} does not list its jobs: {_said(found)}; nothing was printed")
            for job in found.jobs:
                if job.get("job-name", [""])[0] == letter.id:
                    return int(job["job-id"][0])
        return None

    async def _new(self, session: aiohttp.ClientSession, letter: Printed, begun: Path) -> int:
        sides = "two-sided-long-edge" if letter.duplex else "one-sided"
        request = _ipp.write(
            _ipp.PRINT_JOB,
            self._printer,
            [
                ("name", "requesting-user-name", _USER),
                ("name", "job-name", letter.id),
                ("mime", "document-format", "application/pdf"),
            ],
            [
                ("keyword", "sides", sides),
                ("keyword", "print-color-mode", "color" if letter.colour else "monochrome"),
                ("keyword", "media", "iso_a4_210x297mm"),
            ],
            letter.pdf,
        )
        await asyncio.to_thread(_note, begun)
        try:
            answer = await self._ask(session, request, sends=True)
        except ChannelUnavailable as error:
            if not error.sent:
                await asyncio.to_thread(begun.unlink, missing_ok=True)
            raise
        if not answer.good:
            await asyncio.to_thread(begun.unlink, missing_ok=True)
            text = f"{self._printer} refused {letter.id}: {_said(answer)}"
            if answer.status in (0x040A, 0x040B, 0x0411):  # format, attributes, document: never
                raise ChannelRefused(text)
            raise ChannelUnavailable(f"{text}; nothing was printed")
        return int(answer.jobs[0]["job-id"][0])

    async def _follow(self, session: aiohttp.ClientSession, letter: Printed, job: int) -> None:
        """Wait until the job is completed; raises where it is not, and then nobody prints it again."""
        wanted: list[_ipp.Wanted] = [("integer", "job-id", job), ("keyword", "requested-attributes", _ATTRIBUTES)]
        look = _ipp.write(_ipp.GET_JOB, self._printer, wanted)
        gives_up = asyncio.get_running_loop().time() + self._settings.timeout.total_seconds()
        while True:
            answer = await self._ask(session, look, sends=True)
            found = answer.jobs[0] if answer.jobs else {}
            state, why = found.get("job-state", [0])[0], ", ".join(map(str, found.get("job-state-reasons", [])))
            if state == _COMPLETED:
                return
            if state in (_CANCELED, _ABORTED):
                raise ChannelUnavailable(
                    f"Job {job} ({letter.id}) ended on {self._printer} without being completed ({why}): in doubt how "
                    "much of it was printed",
                    sent=True,
                    remedy="Look at the printer; requeue the document when nothing of it left the house.",
                )
            if asyncio.get_running_loop().time() > gives_up:
                text = f"Job {job} ({letter.id}) is not completed on {self._printer} ({why})"
                raise ChannelUnavailable(text, sent=True, remedy="Look at the printer: paper, toner, cover.")
            await asyncio.sleep(_LOOK)

    async def _ask(self, session: aiohttp.ClientSession, request: bytes, *, sends: bool = False) -> _ipp.Answer:
        import aiohttp

        try:
            kind = {"Content-Type": "application/ipp"}
            async with session.post(self._address, data=request, headers=kind, allow_redirects=False) as response:
                octets = await response.content.read(_LONGEST)
                if response.status != 200:
                    raise ChannelUnavailable(f"{self._printer} answered HTTP {response.status}", sent=sends)
                return _ipp.read(octets)
        except aiohttp.ClientConnectorError as error:
            raise ChannelUnavailable(f"{self._printer} cannot be reached: {error}; nothing was printed") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise ChannelUnavailable(f"{self._printer} gave no answer: {said}"[:300], sent=sends) from error

    async def answers(self, waiting: Sequence[Letter]) -> Steps:
        return []

    async def answered(self) -> None:
        return None


def _note(begun: Path) -> None:
    make_directory(begun.parent)
    write_durably(begun, b"")


def _said(answer: _ipp.Answer) -> str:
    return f"status 0x{answer.status:04x} {answer.message}".strip()


def open_adapter(settings: Settings, now: Clock) -> Ipp:
    """Make it from its section."""
    return Ipp(settings, now)
