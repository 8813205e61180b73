"""A reception over a real store, with an intake that remembers, and a way out that is a list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from channel_parts import make_page

from gateway.errors import Conflict, GatewayError
from gateway.mailbox.reception import Reception
from gateway.mailbox.settings import Settings
from gateway.model.identifiers import AccountId, DocumentId, ParticipantId
from gateway.model.mail import Letter, Returned
from gateway.model.message import Participant
from gateway.ports.intake import Incoming, Taken
from gateway.security.tokens import Tokens
from gateway.store import SqlStore, open_store
from tests.conftest import FakeClock

MAIN, OTHER = AccountId("main"), AccountId("exempel-ab")
NUMBER = "5567212047"
TOKENS = Tokens(b"k" * 32)
ID = DocumentId("019ac3f2b7d47c1e9a5b0123456789ab")
TRUSTED = "mx.example.org"


@dataclass
class RememberingIntake:
    """As the socket says: one file a key, the same answer for a repeat, another file under it is a conflict."""

    known: dict[tuple[str, str], tuple[Incoming, Taken]] = field(default_factory=dict)
    calls: int = 0
    verdict: str = "accepted"
    errors: list[Exception] = field(default_factory=list)

    async def hand_in(self, incoming: Incoming) -> Taken:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        at = (incoming.account, incoming.key)
        if at in self.known:
            before, taken = self.known[at]
            if before.octets != incoming.octets:
                raise Conflict("the same key with other octets")
            return taken
        verdict: Any = self.verdict
        taken = Taken(id=f"s{len(self.known)}", verdict=verdict, reason="It says why.", reason_sv="Det står varför.")
        self.known[at] = (incoming, taken)
        return taken

    @property
    def files(self) -> list[Incoming]:
        return [incoming for incoming, _ in self.known.values()]


@dataclass
class ListedPost:
    sender: str = "faktura@example.org"
    bounce_domain: str = "bounce.example.org"
    sent: list[Letter] = field(default_factory=list)
    errors: list[GatewayError] = field(default_factory=list)

    def document_of(self, token: str) -> DocumentId | None:
        return TOKENS.read(token)

    async def answer(self, letter: Letter) -> str:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(letter)
        return "250 ok"


@dataclass
class Desk:
    """A reception with everything around it."""

    reception: Reception
    store: SqlStore
    clock: FakeClock
    intake: RememberingIntake
    post: ListedPost
    reports: list[Returned]


@asynccontextmanager
async def desk(base: Path, **table: object) -> AsyncIterator[Desk]:
    clock, intake, post = FakeClock(), RememberingIntake(), ListedPost()
    reports: list[Returned] = []

    async def bounced(returned: Returned) -> str:
        reports.append(returned)
        return "noted"

    async with open_store("sqlite:gateway.db", base / "payloads", clock=clock, base=base) as store:
        await store.first_account(MAIN, "hash")
        await store.add_account(OTHER, "Exempel AB", "hash2")
        await store.save_participant(Participant(id=ParticipantId.parse(f"0007:{NUMBER}"), account=MAIN))
        await store.save_participant(Participant(id=ParticipantId.parse("0007:2021005489"), account=OTHER))
        settings = Settings.read(
            {"listen": "127.0.0.1:0", "domains": ["in.example.org"], "trusted_authserv": TRUSTED, **table},
            "mailbox",
            base,
        )
        reception = Reception(
            settings=settings,
            store=store,
            clock=clock,
            bounced=bounced,
            post=post,
            intake=intake,
        )
        yield Desk(reception=reception, store=store, clock=clock, intake=intake, post=post, reports=reports)


def invoice_mail(
    *names: str,
    sender: str = "leverans@supplier.test",
    results: str = "spf=pass smtp.mailfrom=supplier.test",
    text: str = "Hej, bifogad faktura.",
    message_id: str = "<1@supplier.test>",
    **headers: str,
) -> bytes:
    message = EmailMessage()
    if results:
        message["Authentication-Results"] = f"{TRUSTED}; {results}"
    message["From"] = f"Leverantör <{sender}>"
    message["To"] = f"{NUMBER}@in.example.org"
    message["Subject"] = "Faktura 17"
    message["Message-ID"] = message_id
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    for name in names or ("faktura.pdf",):
        content, kind = make_page(), "pdf"
        if name.endswith(".zip"):
            content, kind = b"PK\x03\x04zip", "zip"
        elif not name.endswith(".pdf"):
            content, kind = b"binary", "octet-stream"
        message.add_attachment(content, maintype="application", subtype=kind, filename=name)
    return message.as_bytes()
