"""A print bureau's SFTP server: batches and answers as in a folder. Needs the extra ``sftp``. [I/O]

A batch is written as ``.incoming-BATCH``, its PDFs flushed where the server can, and renamed. Before the rename that is
noted here; a batch that was begun and cannot be seen there is in doubt, and a person asks the bureau.
"""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.errors import ChannelUnavailable
from gateway.fallback._batch import Batch
from gateway.fallback._bureau import ANSWER, READ, Clock, Steps, Submitted, read_answers
from gateway.fallback._print_settings import Settings
from gateway.files import UNFINISHED, make_directory, write_durably
from gateway.model.letter import Letter

if TYPE_CHECKING:
    import asyncssh

_SETTINGS: Final = "Look at user, key, host_key and rights on that server; it is tried again by itself."


class Sftp:
    """``[print] kind = "sftp"``."""

    def __init__(self, settings: Settings, now: Clock) -> None:
        self._settings = settings
        self._password = settings.secret("password")
        self._now = now
        self._read: list[str] = []

    async def submit(self, batch: Batch, begun: Path) -> Submitted:
        async with self._client(may_be_there=begun) as client:
            await self._put(client, batch, begun)
        text = f"Given to the print bureau at {self._settings.server} as batch {batch.name}"
        return Submitted(reference=batch.name, text=text)

    async def _put(self, client: asyncssh.SFTPClient, batch: Batch, begun: Path) -> None:
        target = self._settings.directory
        final = posixpath.join(target, batch.name)
        unfinished = posixpath.join(target, UNFINISHED + batch.name)
        if await client.exists(final):
            return
        if await asyncio.to_thread(begun.exists):
            if not await client.exists(unfinished):
                raise ChannelUnavailable(
                    f"Batch {batch.name} was about to appear at {self._settings.server} when the gateway was stopped, "
                    "and is not there: in doubt whether the bureau has it",
                    sent=True,
                    remedy=f"Ask the bureau for {batch.name}. If it does not have it, remove {begun}: "
                    "then it is printed.",
                )
            await asyncio.to_thread(begun.unlink)
        if await client.exists(unfinished):
            await client.rmtree(unfinished)
        await client.makedirs(unfinished, exist_ok=True)
        for name, octets in batch.files().items():
            await _write(client, posixpath.join(unfinished, name), octets)
        await asyncio.to_thread(_note, begun)
        await client.rename(unfinished, final)

    @asynccontextmanager
    async def _client(self, *, may_be_there: Path | None = None) -> AsyncIterator[asyncssh.SFTPClient]:
        import asyncssh

        settings = self._settings
        assert settings.server is not None  # the settings are checked
        where = f"SFTP {settings.server}"

        def sent() -> bool:
            return may_be_there is not None and may_be_there.exists()

        try:
            async with asyncio.timeout(settings.timeout.total_seconds()):
                connection = await asyncssh.connect(
                    settings.server.host,
                    settings.server.port,
                    username=settings.user,
                    client_keys=[str(settings.key_file)] if settings.key_file else None,
                    password=self._password or None,
                    known_hosts=([asyncssh.import_public_key(key) for key in settings.host_key], [], []),
                    config=None,
                    agent_path=None,
                )
                async with connection, connection.start_sftp_client() as client:
                    yield client
        except TimeoutError as error:
            text = f"{where} was not done within {settings.timeout.total_seconds():g} s"
            raise ChannelUnavailable(text, sent=sent()) from error
        except asyncssh.HostKeyNotVerifiable as error:
            text = f"{where} shows another host key than the one that is named"
            raise ChannelUnavailable(text, failure="security", sent=sent(), remedy=_SETTINGS) from error
        except (asyncssh.Error, OSError) as error:
            said = getattr(error, "reason", "") or str(error) or type(error).__name__
            raise ChannelUnavailable(f"{where}: {said}"[:400], sent=sent(), remedy=_SETTINGS) from error

    async def answers(self, waiting: Sequence[Letter]) -> Steps:
        steps = []
        self._read = []
        async with self._client() as client:
            if not await client.isdir(self._settings.directory):
                return []
            names = [str(name) for name in await client.listdir(self._settings.directory)]
            for name in sorted(name for name in names if ANSWER.fullmatch(name))[:100]:
                path = posixpath.join(self._settings.directory, name)
                async with client.open(path, "rb") as file:
                    told, _ = read_answers(await file.read(20_000_001), name, self._now())
                steps += told
                self._read.append(path)
        return steps

    async def answered(self) -> None:
        if not self._read:
            return
        async with self._client() as client:
            for path in self._read:
                await client.rename(path, path + READ)
        self._read = []


async def _write(client: asyncssh.SFTPClient, path: str, octets: bytes) -> None:
    import asyncssh

    async with client.open(path, "wb") as file:
        await file.write(octets)
        with contextlib.suppress(asyncssh.SFTPOpUnsupported):
            await file.fsync()
    if (await client.stat(path)).size != len(octets):
        raise asyncssh.SFTPFailure(f"{posixpath.basename(path)} has another size there than here")


def _note(begun: Path) -> None:
    make_directory(begun.parent)
    write_durably(begun, b"")


def open_adapter(settings: Settings, now: Clock) -> Sftp:
    """Make it from its section."""
    return Sftp(settings, now)
