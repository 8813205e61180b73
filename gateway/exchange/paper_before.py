"""An e-invoice whose invoice came as PDF or on paper before: it is linked, and C4 gets no second one.

Where both name the same bank account nobody needs to be asked. Where they do not a person compares them, for it may be
the paper that is forged. The other way round, paper after an e-invoice, stands in ``paper.py``.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import NotFound
from gateway.exchange.paper import ENDED_BADLY
from gateway.exchange.scans import value_of
from gateway.exchange.threads import in_thread_if_large
from gateway.model.identifiers import AccountId
from gateway.model.lifecycle import Event
from gateway.model.message import Message
from gateway.model.octets import Octets
from gateway.ports import Store
from gateway.scanning import embedded

DUPLICATE: Final = "duplicate_of"
"""The link of an e-invoice to the document that its paper became."""
_NONE_SECONDS: Final = 2.0
"""So long it is believed that nothing has come on paper."""
_REMEDY: Final = "Compare the bank accounts of both. If this one is right, requeue it: then it is handed over."


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperBefore:
    """Looks for it; costs an account without paper nothing."""

    store: Store
    _known: dict[AccountId, float] = field(default_factory=dict)
    """Until when what is known of an account holds; for ever once paper has come."""

    async def possible(self, account: AccountId) -> bool:
        """Whether anything ever came on paper for this account. Raises ``StoreUnavailable``."""
        if self._known.get(account, 0.0) == math.inf:
            return True
        if self._known.get(account, 0.0) > time.monotonic():
            return False
        came = await self.store.reviews.any(account)
        self._known[account] = math.inf if came else time.monotonic() + _NONE_SECONDS
        return came

    async def look(self, message: Message, octets: Octets) -> Event | None:
        """What happens to this document instead of being handed on; None where no paper came before.

        What a person has put back to work is handed on. Raises ``StoreUnavailable``, ``StateError``.
        """
        by_hand = (message.queued_since or message.created) > message.created
        asked = message.number and message.amount is not None and not message.links.get("scan") and not by_hand
        if not asked or not isinstance(octets, bytes) or not await self.possible(message.account):
            return None
        assert message.amount is not None
        same = await self.store.reviews.same_number(message.account, message.number, message.amount, message.currency)
        papers = [one for one in same if one.links.get("scan") and one.state not in ENDED_BADLY]
        values = await in_thread_if_large(len(octets), embedded.read, octets) if papers else None
        supplier = (values or {}).get("supplier")
        paper = next((one for one in papers if supplier and one.links.get("supplier") == supplier), None)
        if paper is None or values is None:
            return None
        links: dict[str, str] = {DUPLICATE: paper.id}
        if values.get("account", "") == await self._account_of(paper):
            reason = f"The same invoice came before as PDF or on paper ({paper.id}); not handed over twice"
            return Event(name="Delivered", reason=reason, links=links)
        reason = (
            f"The same invoice came before as PDF or on paper ({paper.id}), with another bank account; please decide"
        )
        return Event(name="Rejected", reason=reason, links=links, detail={"remedy": _REMEDY})

    async def _account_of(self, paper: Message) -> str | None:
        """The bank account on the paper; None when what was read of it is gone."""
        try:
            scan = await self.store.reviews.get(paper.account, paper.links["scan"])
        except NotFound:
            return None
        return value_of(scan.fields, "account")
