"""The demonstration's mail server: keeps every mail as a file, and one comes back, as its mailbox is not there."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.errors import ChannelUnavailable

GONE: Final = "finns-inte@konsult.example"
"""Mail to it is taken, and comes back a moment later, as it does from the server behind the first one."""
_LATER: Final = 1.0
"""Seconds until it does."""
_REPORT: Final = """\
From: MAILER-DAEMON@mx.konsult.example
To: {sender}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=report"

--=report
Content-Type: text/plain; charset=us-ascii

The mail could not be delivered: there is no such mailbox.

--=report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.konsult.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such mailbox here

--=report--
"""


class _Server:
    """Without slots: aiosmtpd looks at every attribute."""

    def __init__(self, directory: Path, back: int) -> None:
        self.directory = directory
        self.back = back
        self.count = 0

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.count += 1
        (self.directory / f"{self.count:04}.eml").write_bytes(envelope.content)
        loop = asyncio.get_running_loop()
        for recipient in envelope.rcpt_tos:
            if recipient == GONE:
                send = partial(send_back, self.back, envelope.mail_from, recipient)
                loop.call_later(_LATER, partial(loop.run_in_executor, None, send))
        return f"250 kept as {self.count:04}.eml"


def send_back(port: int, sender: str, recipient: str) -> None:
    """Hand the report on a mail that came back to whom it names as its sender, over LMTP on loopback."""
    text = _REPORT.format(sender=sender, recipient=recipient).replace("\n", "\r\n")
    with suppress(OSError, smtplib.SMTPException), smtplib.LMTP("127.0.0.1", port, timeout=10) as server:
        server.sendmail("", [sender], text.encode("ascii"))


@asynccontextmanager
async def serve_mail(directory: Path, port: int, back: int) -> AsyncIterator[None]:
    """It listens on loopback inside the block; what comes back goes to the LMTP port ``back``."""
    try:
        from aiosmtpd.controller import Controller
    except ImportError:
        raise ChannelUnavailable(
            "The demo's mail server is not installed", remedy="Install it: pip install 'access-point-gateway[demo]'"
        ) from None
    controller = Controller(_Server(directory, back), hostname="127.0.0.1", port=port)
    await asyncio.to_thread(controller.start)
    try:
        yield
    finally:
        await asyncio.to_thread(controller.stop)
