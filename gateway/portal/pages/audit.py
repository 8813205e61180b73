"""The audit log: who changed what, when, from where. For those who look after it; nobody can change it here."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.model.person import Role
from gateway.portal.visit import Entry, Page, Visit

SHOWN: Final = 100
READERS: Final = frozenset({Role.COMPLIANCE, Role.ADMIN})
_LONGEST: Final = 18


async def show(visit: Visit) -> web.StreamResponse:
    """A page of deeds, the latest first."""
    text = visit.request.query.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST else 0
    deeds = await visit.gateway.store.people.deeds(visit.account, SHOWN + 1, before)
    shown = deeds[:SHOWN]
    rows = [(deed, visit.word(f"audit.{deed.action}", deed.action)) for deed in shown]
    following = f"/audit?before={shown[-1].number}" if len(deeds) > SHOWN else ""
    return visit.render("audit.html", rows=rows, following=following, before=before)


PAGES: Final = (Page(path="/audit", show=show, who=READERS, entry=Entry(name="audit", order=90)),)
