"""Where a mail server hands mail over to us: LMTP (RFC 2033), or SMTP (RFC 5321). No server of the open internet.

It stands behind a mail server that knows spam, SPF and TLS. 250 is said after the commit; what is not possible now is a
451, and the mail server keeps the mail. Deadlines and sizes are limited, since whoever reaches the port may speak.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from gateway.errors import ConfigurationError, GatewayError
from gateway.mailbox.reception import Owner, Reception, Said

log = logging.getLogger(__name__)

MOST_RECIPIENTS: Final = 50
_SILENCE_SECONDS: Final = 600.0
"""Longer than all files of one mail take to be read, during which nobody speaks."""
_MOST_CONNECTIONS: Final = 50
_MOST_COMMANDS: Final = 500
_LINE: Final = 100_000
"""Octets of a line: some programs write a whole text into one."""


class _Handler:
    """The hooks of aiosmtpd: one mail after the other, each with its own answers."""

    def __init__(self, reception: Reception, *, each: bool) -> None:
        self._reception = reception
        self._each = each

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        try:
            owner = await self._reception.owner(address)
        except GatewayError as error:
            log.warning("an address cannot be looked up: %s", error)
            return "451 4.3.0 Not possible at this moment, please try again later"
        except Exception:
            log.exception("an address cannot be looked up")
            return "451 4.3.0 Not possible at this moment, please try again later"
        if isinstance(owner, Said):
            return str(owner)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        owners: list[Owner] = session.__dict__.setdefault("owners", [])
        del owners[len(envelope.rcpt_tos) - 1 :]
        owners.append(owner)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        octets: bytes = envelope.content
        sender = "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
        said: dict[Owner, Said] = {}
        answers: list[Said] = []
        for owner in session.owners[: len(envelope.rcpt_tos)]:
            if owner not in said:
                said[owner] = await self._reception.take(octets, sender=sender, owner=owner)
            answers.append(said[owner])
        if self._each:
            return "\r\n".join(str(answer) for answer in answers)
        # SMTP has one answer for all: while one of them has to come again, all of them do, which changes nothing.
        return str(min(answers, key=lambda answer: (answer.code // 100 != 4, answer.code // 100 != 2)))


@asynccontextmanager
async def listening(reception: Reception) -> AsyncIterator[str]:
    """Listen at ``[mailbox] listen``; gives the address, with the port that the system chose for 0.

    Raises ``ConfigurationError`` without the extra, ``OSError`` when the address is taken.
    """
    try:
        from aiosmtpd.lmtp import LMTP
        from aiosmtpd.smtp import SMTP
    except ImportError:
        text = "needs the package aiosmtpd: pip install 'access-point-gateway[mailbox]'"
        raise ConfigurationError([("mailbox.listen", text)]) from None
    settings = reception.settings
    assert settings.listen is not None
    kind: Any = LMTP if settings.protocol == "lmtp" else SMTP
    handler = _Handler(reception, each=settings.protocol == "lmtp")
    open_now: set[Any] = set()

    class Bounded(kind):  # type: ignore[misc]
        """As many connections at once as one mail server needs; lines as long as programs write them."""

        line_length_limit = _LINE

        def connection_made(self, transport: Any) -> None:
            if len(open_now) >= _MOST_CONNECTIONS:
                transport.write(b"421 4.3.2 Too many connections\r\n")
                transport.close()
                return
            open_now.add(self)
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            if self in open_now:
                open_now.discard(self)
                super().connection_lost(error)

    def make() -> Any:
        return Bounded(
            handler,
            hostname="mailbox",
            ident="gateway",
            data_size_limit=settings.max_mail,
            timeout=_SILENCE_SECONDS,
            command_call_limit=_MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(make, settings.listen.host, settings.listen.port)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"{settings.protocol}://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.close()
        for connection in list(open_now):
            if connection.transport is not None:
                connection.transport.close()
        await server.wait_closed()
