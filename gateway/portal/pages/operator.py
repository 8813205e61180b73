"""Operation: is the gateway well, what waits, whom it leaves alone, what ends soon, what only a person can solve."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aiohttp import web

from gateway.model.person import Role
from gateway.model.sweep import FOUND, Change
from gateway.portal.pages.documents import Line, other_party
from gateway.portal.telling import tell
from gateway.portal.visit import Entry, Page, Visit
from gateway.web.health import Health

WATCHERS: Final = frozenset({Role.OPERATOR, Role.COMPLIANCE, Role.ADMIN})
_MOST: Final = 10_000
_SHOWN: Final = 20
_DESTINATIONS: Final = 50


async def show(visit: Visit) -> web.StreamResponse:
    """The whole gateway, of all accounts; the documents are those of this account."""
    gateway, now = visit.gateway, visit.gateway.clock.now()
    checks = await Health(gateway).check()
    queue = await gateway.store.queue(_MOST)
    ledger = await gateway.store.operation.ledger()
    dead = await gateway.store.overview.waiting(visit.account, _SHOWN)
    sweep = next(iter(await gateway.store.sweeps.latest()), None)
    destinations = [
        (row, now - timedelta(seconds=row.seconds), now + timedelta(seconds=row.wait))
        for row in gateway.outbound.breakers.standing()[:_DESTINATIONS]
    ]
    return visit.render(
        "operator.html",
        checks=checks,
        ready=all(text == "ok" for text in checks.values()),
        queue=queue,
        oldest=(now - queue.oldest).total_seconds() if queue.oldest and queue.oldest < now else 0,
        trouble=sum(ledger.trouble.values()),
        events=ledger.events,
        destinations=destinations,
        certificates=gateway.certificates.expiries() if gateway.certificates.own else (),
        lists=gateway.certificates.lists(),
        dead=[Line(message=m, told=tell(visit, m), other=other_party(m)) for m in dead],
        processes=gateway.siblings.processes if gateway.siblings else 1,
        started=gateway.started,
        sweep=sweep,
        sweep_found=sweep.count(*FOUND) if sweep else 0,
        sweep_unknown=sweep.count(Change.UNKNOWN) if sweep else 0,
    )


PAGES: Final = (Page(path="/operator", show=show, who=WATCHERS, operator=True, entry=Entry(name="operator", order=70)),)
