"""What a person decided about an invoice that came by mail, told to whoever sent it.

Only to an address that the mail really came from (its domain signed or sent it), and never to a machine; both are
known from what was kept when it came.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.mailbox.answers import may_answer, write_refusal
from gateway.mailbox.mime import Unreadable, read_mail
from gateway.model.scan import Scan
from gateway.ports import Clock, Store

if TYPE_CHECKING:
    from gateway.mailbox.reception import Post

_ALIGNED: Final = b"aligned: yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Answers senders; the post sends what is promised here."""

    store: Store
    clock: Clock
    post: Post | None
    """None without ``[email]``: nobody can be answered."""

    async def address(self, scan: Scan) -> str:
        """To whom an answer would go; empty where nobody may be answered."""
        if self.post is None or scan.source != "mail" or not scan.sender:
            return ""
        proofs = await self.store.reviews.evidence(scan.account, scan.id)
        kept = next((proof.octets for proof in proofs if proof.kind == "mail"), b"")
        said, _, head = kept.partition(b"\n\n")
        if _ALIGNED not in said.splitlines() or scan.sender.lower() == self.post.sender.lower():
            return ""
        try:
            return scan.sender if may_answer(read_mail(head + b"\r\n"), scan.sender) else ""
        except Unreadable:
            return ""

    async def refused(self, scan: Scan, reason: str) -> str:
        """Promise that the sender hears why a person refused the file; gives the address. Once, however often."""
        address = await self.address(scan)
        if not address or self.post is None:
            return ""
        key = f"refused {scan.account} {scan.id}"
        letter = write_refusal(
            scan.file_name,
            reason,
            sender=self.post.sender,
            recipient=address,
            key=hashlib.sha256(key.encode()).hexdigest()[:32],
            now=self.clock.now(),
        )
        await self.store.mail.promise(key, scan.account, letter)
        return address
