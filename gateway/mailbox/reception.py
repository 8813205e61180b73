"""One mail that has come in: whose it is, what it holds, and what is committed before its sender's server hears 250.

Reports about our mails go to their documents, invoices to the intake, answers into the store. Each has a key, so the
same mail handed over again (by a mail server that did not hear the 250) changes nothing and is told the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from typing import Final, Protocol

from gateway.errors import Conflict, GatewayError, TemporaryError
from gateway.mailbox.answers import Outcome, is_swedish, may_answer, write_answer
from gateway.mailbox.authentication import Authenticity, TextRecords, authenticate
from gateway.mailbox.files import Remark, files_of
from gateway.mailbox.mime import Unreadable, header, parts, read_mail, text_of
from gateway.mailbox.reports import read_report
from gateway.mailbox.settings import Settings
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.mail import Letter, Returned, clean
from gateway.model.message import Evidence
from gateway.ports import Clock, Store
from gateway.ports.intake import Incoming, Intake, Taken

log = logging.getLogger(__name__)

_MOST_ANSWERS: Final = 100
"""To one address in a day."""
_HEAD_KEPT: Final = 64_000
_TOKEN: Final = re.compile(r"b\+([A-Za-z0-9._-]{1,62})", re.IGNORECASE)
_ID: Final = re.compile(r"<([!-;=?-~]{3,250})>")


class Post(Protocol):
    """The way out: what sends our invoices sends our answers too."""

    @property
    def sender(self) -> str: ...

    @property
    def bounce_domain(self) -> str: ...

    def document_of(self, token: str) -> DocumentId | None: ...

    async def answer(self, letter: Letter) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the other mail server is told: an SMTP reply (RFC 5321, RFC 3463)."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {clean(self.text, 400).encode('ascii', 'replace').decode()}"


_TOKEN_WRONG: Final = Said(code=550, text="5.1.1 This return address was never used")
_NOBODY: Final = Said(code=550, text="5.1.1 There is nobody with this number here")
_LATER: Final = Said(code=451, text="4.3.0 Not possible at this moment, please try again later")
FAULT: Final = Said(code=451, text="4.3.5 A fault of ours, please try again later")
"""Not the network's and not the database's: it may be so each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose mail to an address is: an account's, or a document's that comes back."""

    account: AccountId | None = None
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """Takes mails in, whichever way they come."""

    settings: Settings
    store: Store
    clock: Clock
    bounced: Callable[[Returned], Awaitable[str]]
    post: Post | None
    """None without ``[email]``: nothing of ours can come back, and nobody is answered."""
    intake: Intake | None
    """None where nothing reads PDF files: then only reports are taken."""
    text_records: TextRecords | None = None
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4), repr=False, compare=False)
    """Mails that are worked on at once: each is held in memory."""

    async def owner(self, address: str) -> Owner | Said:
        """Whose the address is, or why its mail is not taken. Raises ``StoreUnavailable``, ``ChannelUnavailable``."""
        local, _, domain = address.rpartition("@")
        domain = domain.lower().rstrip(".")
        if self.post is not None and domain == self.post.bounce_domain:
            found = _TOKEN.fullmatch(local)
            if found and self.post.document_of(found[1]) is not None:
                return Owner(token=found[1])
            if domain not in self.settings.domains:
                return _TOKEN_WRONG
        if domain not in self.settings.domains:
            return Said(code=550, text="5.7.1 This server takes no mail for that domain")
        account = await self._account(local)
        if account is None or self.intake is None:
            return _NOBODY
        return Owner(account=account)

    async def take(self, octets: bytes, *, sender: str, owner: Owner) -> Said:
        """Commit what the mail brings and say so. Everything that fails for now is a 451, and the mail comes again."""
        try:
            async with self._turns:
                return await self._take(octets, sender=sender, owner=owner)
        except TemporaryError as error:
            log.warning("a mail is to come again: %s", error)
            return _LATER
        except Exception:
            log.exception("a mail is to come again")
            return FAULT

    async def _take(self, octets: bytes, *, sender: str, owner: Owner) -> Said:
        try:
            message = await asyncio.to_thread(read_mail, octets)
        except Unreadable as error:
            return Said(code=554, text=f"5.6.0 The mail is not taken: {error}")
        if self.post is not None:
            find = self.post.document_of
            report = await asyncio.to_thread(
                read_report, octets, message, token=owner.token, null_sender=not sender, find=find
            )
            # To an address for invoices only what says of itself that it is a report is one.
            if report is not None and (owner.account is None or not sender):
                return Said(code=250, text=f"2.0.0 Noted: {await self.bounced(report)}")
        if owner.account is None:
            return Said(code=554, text="5.6.0 It is about no mail of ours")
        return await self._invoices(octets, message, sender, owner.account)

    async def _invoices(self, octets: bytes, message: Message, sender: str, account: AccountId) -> Said:
        assert self.intake is not None
        files, remarks = await asyncio.to_thread(files_of, message, self.settings.max_files)
        known = await self._authenticate(octets, message, sender)
        key = _key(octets, message)
        proof = Evidence(kind="mail", media_type="text/plain", octets=_proof(octets, known))
        outcomes: list[Outcome] = []
        for file in files:
            incoming = Incoming(
                account=account,
                octets=file.octets,
                file_name=file.name,
                media_type=file.media_type,
                source="mail",
                sender=sender or known.author,
                key=f"{key}/{file.number}",
                evidence=(proof,),
            )
            outcomes.append(Outcome(name=file.name, taken=await self._hand_in(incoming)))
        for each in outcomes:
            log.info("by mail: %s", each.taken.verdict, extra={"scan": each.taken.id})
        if not outcomes and not remarks and not sender:
            return Said(code=250, text="2.0.0 Nothing for us")
        answered = await self._promise(message, outcomes, remarks, sender=sender, known=known, key=key, account=account)
        return _reply(outcomes, remarks, answered)

    async def _hand_in(self, incoming: Incoming) -> Taken:
        assert self.intake is not None
        try:
            return await self.intake.hand_in(incoming)
        except Conflict:
            # The same Message-ID with another file: somebody's program numbers badly, or means ill. Its digest tells.
            digest = hashlib.sha256(incoming.octets).hexdigest()[:16]
            changed = Incoming(
                account=incoming.account,
                octets=incoming.octets,
                file_name=incoming.file_name,
                media_type=incoming.media_type,
                source="mail",
                sender=incoming.sender,
                key=f"{incoming.key}/{digest}",
                evidence=incoming.evidence,
            )
            return await self.intake.hand_in(changed)

    async def _authenticate(self, octets: bytes, message: Message, sender: str) -> Authenticity:
        return await asyncio.to_thread(
            authenticate,
            octets,
            message,
            sender=sender,
            authserv=self.settings.trusted_authserv,
            text_records=self.text_records,
        )

    async def _promise(
        self,
        message: Message,
        outcomes: Sequence[Outcome],
        remarks: Sequence[Remark],
        *,
        sender: str,
        known: Authenticity,
        key: str,
        account: AccountId,
    ) -> bool:
        """Commit the answer, where one may be given: to whom the mail really comes from, and never to a machine."""
        if not (self.settings.answer and self.post and known.aligned and may_answer(message, sender)):
            return False
        if sender.lower() == self.post.sender.lower():
            return False
        if await self.store.mail.answered(sender, self.clock.now() - timedelta(days=1)) >= _MOST_ANSWERS:
            log.warning("%s has got %d answers today and gets no more", sender, _MOST_ANSWERS)
            return False
        text = next((text_of(part) for part in parts(message) if part.get_content_type() == "text/plain"), "")
        letter = write_answer(
            message,
            list(outcomes),
            list(remarks),
            sender=self.post.sender,
            recipient=sender,
            swedish=is_swedish(message, sender.lower(), text),
            key=hashlib.sha256(f"{account} {key}".encode()).hexdigest()[:32],
            now=self.clock.now(),
        )
        await self.store.mail.promise(f"{account} {key}", account, letter)
        return True

    async def _account(self, local: str) -> AccountId | None:
        """The account of a participant's number, or of that very name; with several for one number nobody."""
        wanted = local.partition("+")[0].lower()
        if not wanted or len(wanted) > 64:
            return None
        participants = await self.store.participants()
        numbers = {one.account for one in participants if one.id.value.partition(":")[2].lower() == wanted}
        numbers |= {one.account for one in participants if one.account.lower() == wanted}
        return numbers.pop() if len(numbers) == 1 else None


async def send_promised(store: Store, post: Post, clock: Clock) -> int:
    """Send the answers that are due; gives how many were tried. One that is refused for good is sent no more."""
    due = await store.mail.promised(50)
    for each in due:
        try:
            await post.answer(each.letter)
        except TemporaryError as error:
            if each.attempts >= 20:
                log.error("an answer is given up: %s", error)
                await store.mail.kept(each.key)
            else:
                pause = timedelta(minutes=min(60, 2**each.attempts))
                await store.mail.put_off(each.key, clock.now() + pause)
        except GatewayError as error:
            log.info("an answer is not wanted: %s", error)
            await store.mail.kept(each.key)
        else:
            await store.mail.kept(each.key)
    return len(due)


def _key(octets: bytes, message: Message) -> str:
    """What tells a repeat: the mail's Message-ID, else its digest."""
    found = _ID.search(str(message.get("Message-ID", "")))
    return found[1] if found else hashlib.sha256(octets).hexdigest()


def _proof(octets: bytes, known: Authenticity) -> bytes:
    """The mail's head as it came, below what was found out about it, with the digest of the whole."""
    head = re.split(rb"\r?\n\r?\n", octets[:_HEAD_KEPT], maxsplit=1)[0]
    digest = hashlib.sha256(octets).hexdigest()
    return f"{known.words}\nsha256 of the mail: {digest}\n\n".encode() + head + b"\n"


def _reply(outcomes: Sequence[Outcome], remarks: Sequence[Remark], answered: bool) -> Said:
    """Taken, whatever became of each: the sender is told by mail. Who cannot be told is told here, where it fails."""
    if not answered and not outcomes:
        why = remarks[0].english if remarks else "there is none in it"
        return Said(code=554, text=f"5.6.0 Attach each invoice as a PDF file: {why}")
    if not answered and all(each.taken.verdict == "refused" for each in outcomes):
        return Said(code=554, text=f"5.6.0 Not taken: {outcomes[0].taken.reason}")
    verdicts = ", ".join(each.taken.verdict for each in outcomes) or "nothing taken"
    return Said(code=250, text=f"2.0.0 Ok: {verdicts}")


def subject_of(message: Message) -> str:
    """For logs of mailboxes: which mail it was."""
    return header(message, "Subject", 80)
