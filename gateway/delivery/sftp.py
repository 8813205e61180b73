"""Delivery by SFTP: ``ID.xml`` and ``ID.json`` in a directory of the receiver's server, as in a folder. [I/O]

Each file is written under a name that begins with ``.incoming-``, put on the server's disk where the server can do that
(``fsync@openssh.com``), and renamed, the XML first: whoever waits for ``ID.json`` finds both. The server is known by
its host key, which must be named beforehand; nothing is taken from the settings of the user who runs the gateway.
A process that dies after the last rename and before its memory is on the disk writes both files once more.
Needs the extra ``sftp``. Sources: draft-ietf-secsh-filexfer-02, OpenSSH PROTOCOL 4.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from gateway.config import Address, read_section
from gateway.delivery import _secret
from gateway.discovery import ChannelContext
from gateway.errors import ChannelUnavailable, ConfigurationError
from gateway.files import UNFINISHED, Handovers, safe_name
from gateway.files.spool import pieces
from gateway.model.message import Message, Parcel
from gateway.model.octets import size_of
from gateway.model.signals import Handover
from gateway.ports import Channel

if TYPE_CHECKING:
    import asyncssh

_PIN: Final = (
    "Compare with what the server's operator says its host key is; write the new one in host_key if it is true."
)
_SETTINGS: Final = "Look at user, key and rights on that server; it is tried again by itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[delivery.NAME]`` with ``kind = "sftp"``."""

    server: Address
    user: str
    host_key: tuple[str, ...]
    """The server's keys as ``ssh-keyscan`` prints them, without the name: ``ssh-ed25519 AAAA…``."""
    target: str = "."
    """Directory there; made when it is not there."""
    key_file: Path | None = None
    """Our private key, mode 0600."""
    password_file: Path | None = None
    password: str = field(default="", repr=False)
    timeout: timedelta = timedelta(minutes=2)
    """For everything from connecting to the last rename."""
    kind: Literal["sftp"] = "sftp"

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        problems: list[tuple[str, str]] = []
        settings = read_section(cls, table, path, base, problems)
        if importlib.util.find_spec("asyncssh") is None:
            text = '"sftp" needs the package asyncssh: pip install "access-point-gateway[sftp]"'
            problems.append((f"{path}.kind", text))
        elif settings is not None:
            problems.extend((f"{path}.{key}", text) for key, text in _contradictions(settings))
        if settings is None or problems:
            raise ConfigurationError(problems)
        return settings

    def read_password(self) -> str:
        """The password, or empty text. Raises ``OSError`` or ``UnicodeDecodeError``."""
        return self.password_file.read_text(encoding="utf-8").strip() if self.password_file else self.password

    def pinned(self) -> list[asyncssh.SSHKey]:
        """The keys by which the server is known. Raises ``ValueError``."""
        import asyncssh

        return [asyncssh.import_public_key(text) for text in self.host_key]


def _contradictions(settings: Settings) -> list[tuple[str, str]]:
    import asyncssh

    problems: list[tuple[str, str]] = []
    try:
        if not settings.pinned():
            problems.append(("host_key", "is needed: without it anybody could take the documents"))
    except ValueError as error:  # asyncssh's KeyImportError is one
        problems.append(("host_key", f'must be a list like ["ssh-ed25519 AAAA…"]: {error}'))
    if settings.key_file:
        key_file = settings.key_file
        problems.extend(_secret.problems("", key_file, "key", lambda: asyncssh.read_private_key(key_file)))
    elif settings.password or settings.password_file:
        read = settings.read_password
        problems.extend(_secret.problems(settings.password, settings.password_file, "password", read))
    else:
        problems.append(("key_file", "or password_file is needed"))
    if not 5 <= settings.timeout.total_seconds() <= 3600:
        problems.append(("timeout", "must be between 5 seconds and 1 hour"))
    return problems


class Sftp:
    """A directory on the receiver's server."""

    name = "sftp"
    confirms = True

    def __init__(self, settings: Settings, context: ChannelContext) -> None:
        self._settings = settings
        self._password = settings.read_password()
        self._describe = context.describe
        self._handovers = Handovers(context.memory("delivery-sftp"), context.clock.now)

    def serves(self, parcel: Parcel) -> str:
        return ""

    async def dispatch(self, parcel: Parcel) -> Handover:
        async def put() -> Handover:
            return await self._put(parcel)

        return await self._handovers.once(parcel.message, put)

    async def forget(self, message: Message) -> None:
        """The next handover of this document shall write the files again."""
        await self._handovers.forget(message)

    async def _put(self, parcel: Parcel) -> Handover:
        import asyncssh

        where = f"SFTP {self._settings.server}"
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                async with self._connected() as connection, connection.start_sftp_client() as client:
                    synced = await self._write_both(client, parcel)
        except TimeoutError as error:
            text = f"{where} was not done within {self._settings.timeout.total_seconds():g} s"
            raise ChannelUnavailable(text, sent=True) from error
        except asyncssh.HostKeyNotVerifiable as error:
            text = f"{where} shows another host key than the one that is named"
            raise ChannelUnavailable(text, failure="security", remedy=_PIN) from error
        except asyncssh.PermissionDenied as error:
            raise ChannelUnavailable(f"{where} does not let us in: {error.reason}", remedy=_SETTINGS) from error
        except (asyncssh.Error, OSError) as error:
            said = getattr(error, "reason", "") or str(error) or type(error).__name__
            raise ChannelUnavailable(f"{where}: {said}"[:400], remedy=_SETTINGS) from error
        name = safe_name(parcel.id)
        flushed = "on its disk" if synced else "whether on its disk, it does not say"
        text = f"Written to {where}, {self._settings.target}, as {name}.xml and {name}.json ({flushed})"
        return Handover(reference=f"{name}.xml", text=text, confirmed=True)

    def _connected(self) -> Any:
        import asyncssh

        settings = self._settings
        return asyncssh.connect(
            settings.server.host,
            settings.server.port,
            username=settings.user,
            client_keys=[str(settings.key_file)] if settings.key_file else None,
            password=self._password or None,
            known_hosts=(settings.pinned(), [], []),
            config=None,
            agent_path=None,
            connect_timeout=settings.timeout.total_seconds(),
            login_timeout=settings.timeout.total_seconds(),
        )

    async def _write_both(self, client: asyncssh.SFTPClient, parcel: Parcel) -> bool:
        """Both files under their names; tells whether the server said that they are on its disk."""
        target, name = self._settings.target, safe_name(parcel.id)
        if not await client.isdir(target):
            await client.makedirs(target, exist_ok=True)
        described = json.dumps(self._describe(parcel.message), ensure_ascii=False, indent=2, default=str)
        octets = described.encode() + b"\n"
        document = posixpath.join(target, f"{name}.xml")
        one = await _write(client, document, pieces(parcel.document), size_of(parcel.document))
        other = await _write(client, posixpath.join(target, f"{name}.json"), [octets], len(octets))
        return one and other


async def _write(client: asyncssh.SFTPClient, path: str, octets: Iterable[bytes], size: int) -> bool:
    """Write beside, flush, compare the size, rename; tells whether the server flushed it."""
    import asyncssh

    folder, name = posixpath.split(path)
    unfinished = posixpath.join(folder, f"{UNFINISHED}{name}")
    flushed = True
    try:
        async with client.open(unfinished, "wb") as file:
            for piece in octets:
                await file.write(piece)
            try:
                await file.fsync()
            except asyncssh.SFTPOpUnsupported:
                flushed = False
        if (await client.stat(unfinished)).size != size:
            raise asyncssh.SFTPFailure(f"{name} has another size there than here")
        try:
            await client.posix_rename(unfinished, path)  # takes the place of what an earlier try left
        except asyncssh.SFTPOpUnsupported:
            if await client.exists(path):
                await client.remove(path)
            await client.rename(unfinished, path)
    except BaseException:
        with contextlib.suppress(asyncssh.Error, OSError):
            async with asyncio.timeout(2):
                await client.remove(unfinished)
        raise
    return flushed


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel of one section; raises ``ConfigurationError``."""
    return Sftp(Settings.read(settings, context.section, context.base), context)
