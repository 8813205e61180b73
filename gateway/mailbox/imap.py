"""Mail that lies in a mailbox somewhere: fetched by IMAP (RFC 3501), each mail once, nothing deleted.

How far the mailbox was read is remembered in the store by UID, not by ``\\Seen``, which every reader of the mailbox
changes. A mail counts as read once what it brings is committed; then it is marked ``\\Seen`` for people. What is not
for us stays as it is. Where the server numbers its mails anew (another UIDVALIDITY) all are read again, and the keys
tell which came before.
"""

from __future__ import annotations

import asyncio
import imaplib
import logging
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Final

from gateway.errors import GatewayError, TemporaryError
from gateway.mailbox.mime import Unreadable, address_in, decoded, read_mail
from gateway.mailbox.reception import FAULT, Owner, Reception, Said, subject_of
from gateway.mailbox.settings import Settings

log = logging.getLogger(__name__)

_TIMEOUT: Final = 30.0
_AT_ONCE: Final = 200
"""Mails of one visit; the rest waits for the next."""
_MOST_LATER: Final = 1_000
TRIES: Final = 10
"""Of a mail at which our own program stumbles; then it is left for people, and keeps no other from being read."""
_DELIVERED: Final = ("Delivered-To", "X-Delivered-To", "X-Original-To", "Envelope-To")
"""To which address the last mail server delivered it; the topmost is the last one's."""


class MailboxUnavailable(TemporaryError):
    """The mailbox cannot be read now."""

    remedy = "Look at imap, imap_user and the password in [mailbox]; it is tried again by itself."


@dataclass(slots=True, kw_only=True)
class Place:
    """How far a mailbox was read."""

    validity: int = 0
    next: int = 1
    """Every mail before this UID was dealt with, but for those of ``later``."""
    later: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, stored: object, validity: int) -> Place:
        """Read what was remembered; nothing of it counts under another numbering."""
        if not isinstance(stored, dict) or stored.get("validity") != validity:
            return cls(validity=validity)
        return cls(validity=validity, next=int(stored.get("next", 1)), later=[int(n) for n in stored.get("later", [])])

    @property
    def stored(self) -> dict[str, object]:
        return {"validity": self.validity, "next": self.next, "later": self.later}


class Visit:
    """One connection to the mailbox; every call blocks, so each is made in a thread."""

    def __init__(self, settings: Settings) -> None:
        assert settings.imap is not None
        self._folder = settings.imap_folder
        try:
            context = None
            if settings.imap_tls != "off":
                context = ssl.create_default_context(cafile=settings.imap_ca_file)
            host, port = settings.imap.host, settings.imap.port
            self._imap: imaplib.IMAP4
            if settings.imap_tls == "implicit":
                self._imap = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=_TIMEOUT)
            else:
                self._imap = imaplib.IMAP4(host, port, timeout=_TIMEOUT)
            if settings.imap_tls == "starttls":
                self._imap.starttls(ssl_context=context)
            self._imap.login(settings.imap_user, settings.read_password())
        except (OSError, imaplib.IMAP4.error, UnicodeDecodeError) as error:
            raise MailboxUnavailable(f"The mailbox at {settings.imap} cannot be opened: {error}") from error

    def open(self) -> int:
        """Open the folder and give its UIDVALIDITY. Raises :class:`MailboxUnavailable`."""
        self._ask("SELECT", lambda: self._imap.select(f'"{self._folder}"'))
        _, found = self._imap.response("UIDVALIDITY")
        if not found or not isinstance(found[0], bytes):
            raise MailboxUnavailable("The mail server numbers no mails lastingly (UIDVALIDITY)")
        return int(found[0])

    def since(self, uid: int) -> list[int]:
        """The UIDs from this one on, ascending."""
        found = self._ask("SEARCH", lambda: self._imap.uid("SEARCH", f"UID {uid}:*"))
        numbers = sorted(int(number) for line in found if isinstance(line, bytes) for number in line.split())
        return [number for number in numbers if number >= uid]  # n:* names the last one always

    def fetch(self, uid: int, most: int) -> bytes | None:
        """The mail's octets, without marking it; None where it is gone. Raises :class:`Unreadable` above ``most``."""
        sizes = self._ask("FETCH", lambda: self._imap.uid("FETCH", str(uid), "(RFC822.SIZE)"))
        size = re.search(rb"RFC822\.SIZE (\d+)", b" ".join(line for line in sizes if isinstance(line, bytes)))
        if size is None:
            return None
        if int(size[1]) > most:
            raise Unreadable(f"it has {int(size[1]):,} octets, more than mailbox.max_mail")
        found = self._ask("FETCH", lambda: self._imap.uid("FETCH", str(uid), "(BODY.PEEK[])"))
        return next((line[1] for line in found if isinstance(line, tuple)), None)

    def mark(self, uid: int) -> None:
        """Mark it as seen, for people who look into the mailbox."""
        self._ask("STORE", lambda: self._imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)"))

    def close(self) -> None:
        """Say good-bye; never raises. Nothing is expunged."""
        try:
            self._imap.logout()
        except (OSError, imaplib.IMAP4.error):
            log.debug("the mailbox was left without a word")

    def _ask(self, verb: str, call: Any) -> list[Any]:
        try:
            status, found = call()
        except (OSError, imaplib.IMAP4.error) as error:
            raise MailboxUnavailable(f"{verb}: {error}") from error
        if status != "OK":
            raise MailboxUnavailable(f"{verb} {self._folder}: {status} {found}")
        return list(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """Reads the mailbox again and again."""

    reception: Reception
    _stumbled: dict[int, int] = field(default_factory=dict, repr=False, compare=False)
    """How often it was tried in vain, by UID."""

    @property
    def name(self) -> str:
        """Under which it is remembered how far it was read."""
        settings = self.reception.settings
        return f"{settings.imap_user}@{settings.imap}/{settings.imap_folder}"

    async def run(self) -> None:
        """Visit the mailbox every ``imap_every``."""
        while True:
            try:
                while await self.visit() >= _AT_ONCE:
                    pass
            except GatewayError as error:
                log.error("%s %s", error, error.remedy)
            except Exception:
                log.exception("the mailbox cannot be read")
            await asyncio.sleep(self.reception.settings.imap_every.total_seconds())

    async def visit(self) -> int:
        """Read what is new; gives how many mails. Raises :class:`MailboxUnavailable`, ``StoreUnavailable``."""
        visit = await asyncio.to_thread(Visit, self.reception.settings)
        try:
            place = Place.of(
                dict(await self.reception.store.mail.bookmark(self.name)), await asyncio.to_thread(visit.open)
            )
            uids = (await asyncio.to_thread(visit.since, place.next))[:_AT_ONCE]
            for uid in [*place.later, *uids]:
                said = self._patience(uid, await self._read(visit, uid))
                later = [number for number in place.later if number != uid] + ([uid] if 400 <= said.code < 500 else [])
                if len(later) > _MOST_LATER:
                    raise MailboxUnavailable(f"{len(later)} mails could not be taken; no more are read until they are")
                place.later, place.next = later, max(place.next, uid + 1)
                await self.reception.store.mail.set_bookmark(self.name, place.stored)
                if said.code < 300:
                    await asyncio.to_thread(visit.mark, uid)
            return len(uids)
        finally:
            await asyncio.to_thread(visit.close)

    async def _read(self, visit: Visit, uid: int) -> Said:
        """One mail: 2 it is taken, 4 it must come again, 5 it stays where it is."""
        try:
            octets = await asyncio.to_thread(visit.fetch, uid, self.reception.settings.max_mail)
            if octets is None:
                return Said(code=550, text="5.1.1 It is gone")
            message = await asyncio.to_thread(read_mail, octets)
        except Unreadable as error:
            log.warning("mail %d of the mailbox is left there: %s", uid, error)
            return Said(code=554, text="5.6.0 It cannot be read")
        try:
            said = await self._take(octets, message)
        except GatewayError:
            raise
        except Exception:
            log.exception("a mail of the mailbox is to be read again")
            said = FAULT
        if said.code >= 300:
            log.warning("mail %d of the mailbox (%s) is left there: %s", uid, subject_of(message), said)
        return said

    def _patience(self, uid: int, said: Said) -> Said:
        """The same; after several faults of ours the mail stays where it is."""
        if said != FAULT:
            self._stumbled.pop(uid, None)
            return said
        times = self._stumbled[uid] = self._stumbled.get(uid, 0) + 1
        if times < TRIES:
            return said
        del self._stumbled[uid]
        log.error("mail %d of the mailbox is left there unread after %d tries: look at the log", uid, times)
        return Said(code=554, text="5.3.0 It was tried in vain")

    async def _take(self, octets: bytes, message: Message) -> Said:
        sender = address_in(str(message.get("Return-Path", "")))
        said = Said(code=550, text="5.1.1 It names no address of ours")
        for address in _addresses(message):
            owner = await self.reception.owner(address)
            if isinstance(owner, Owner):
                return await self.reception.take(octets, sender=sender, owner=owner)
            said = owner
        if self.reception.post is not None:  # a report without our address in it may still carry our Message-ID
            return await self.reception.take(octets, sender=sender, owner=Owner())
        return said


def look(settings: Settings) -> int:
    """Open the mailbox, count its mails, and leave. Blocks. Raises :class:`MailboxUnavailable`."""
    visit = Visit(settings)
    try:
        visit.open()
        return len(visit.since(1))
    finally:
        visit.close()


def _addresses(message: Message) -> Iterator[str]:
    for name in _DELIVERED:
        if address := address_in(str(message.get(name, ""))):
            yield address
    for name in ("To", "Cc"):
        for piece in decoded(str(message.get(name, "")), 4_000).split(",")[:50]:
            if address := address_in(piece.strip()):
                yield address
