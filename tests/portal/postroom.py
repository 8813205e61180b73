"""Letters and mails of the demo store: on their way, posted, come back, bounced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gateway.model.addresses import Cause, FailedAddress, failed_id, mail_key
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.letter import Letter, LetterState, LetterStep, ReturnReason, letter_id
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence

_S = LetterState
TO = ("Exempelkund 31 AB", "Storgatan 31", "621 57 Visby")


async def post_letter(store: Any, account: AccountId, document: str, number: str, *steps: LetterStep) -> str:
    """A letter in a batch, and what became of it; gives its id."""
    message = await store.get(account, DocumentId(document))
    new = Letter(
        id=letter_id(message.id),
        account=account,
        document=message.id,
        kind="folder",
        number=number,
        address=TO,
        country="SE",
        created=message.created,
        updated=message.created,
    )
    facts: dict[str, Any] = {
        "pages": 2,
        "sheets": 1,
        "grams": 12,
        "envelope": "se-h2-c5",
        "price": Decimal("12.40"),
        "currency": "SEK",
        "file": f"{new.id}.pdf",
        "sha256": hashlib.sha256(document.encode()).hexdigest(),
        "postage": "economy",
    }
    await store.letters.begin(new)
    first = [
        LetterStep(state=_S.PREFLIGHT_OK, reason="The bureau can print it", facts=facts),
        LetterStep(state=_S.BATCHED, reason="In batch 20261125-0900-exempel", facts={"batch": "20261125-0900-exempel"}),
        LetterStep(state=_S.SUBMITTED, reason="Given to the print bureau as batch 20261125-0900-exempel"),
    ]
    await store.letters.step(new.id, [*first, *steps])
    return str(new.id)


async def come_back(store: Any, account: AccountId, document: str, address: str, words: str) -> None:
    """The mail of a document bounced: noted with its proof, and the address gets no mail."""
    message = await store.get(account, DocumentId(document))
    detail = {"kind": "hard", "address": address, "status": "5.1.1", "words": words, "reporter": "mx.kund.example"}
    event = Event(
        name="Noted",
        reason="The e-mail came back: faktura@kund7.example: the address takes no mail: 550 no such user",
        detail={"mail": detail},
    )
    proof = Evidence(kind="bounce", media_type="message/rfc822", octets=b"Subject: failure\r\n\r\n")
    await store.record(message, event, [proof])
    mark = FailedAddress(
        id=failed_id(account, "email", mail_key(address)),
        account=account,
        channel="email",
        address=address,
        cause=Cause.BOUNCED,
        said=words,
        document=message.id,
        since=message.updated,
    )
    await store.addresses.mark(mark)


async def fill_postroom(store: Any, account: AccountId, clock: Any, found: Mapping[str, str]) -> dict[str, str]:
    """Two letters and a bounce; gives the letters by name."""
    printed = LetterStep(state=_S.PRINTED, reason="Printed")
    posted = LetterStep(state=_S.POSTED, reason="Posted", carrier="Exempelpost", time=clock.now() - timedelta(days=1))
    back = LetterStep(
        state=_S.RETURNED,
        reason="The letter came back (moved), says ekonomi@exempel.example: Adressaten avflyttad",
        returned=ReturnReason.MOVED,
    )
    one = await post_letter(store, account, found["letter"], "2026-1040", printed, posted)
    two = await post_letter(store, account, found["back"], "2026-1036", posted, back)
    await come_back(store, account, found["failed"], "faktura@kund7.example", "550 no such user")
    return {"post_posted": one, "post_returned": two}
