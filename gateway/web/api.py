"""Puts the private site together: every route, and what stands around them.

The server listens; limits of connections and headers are :mod:`gateway.serving.site`'s, because aiohttp takes them from
the runner and not from the application.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from gateway.web.addresses import Addresses
from gateway.web.auth import Keys, guard
from gateway.web.body import Intake
from gateway.web.contents import Contents
from gateway.web.counterparts import Counterparts
from gateway.web.destinations import Destinations
from gateway.web.documents import Documents
from gateway.web.events import Events
from gateway.web.findings import Findings
from gateway.web.frame import REQUESTS, frame, harden
from gateway.web.health import Health
from gateway.web.home import Home
from gateway.web.inbox import Inbox
from gateway.web.letters import Letters
from gateway.web.operation import Operating
from gateway.web.participants import Participants
from gateway.web.proposals import Proposals
from gateway.web.relations import RelationCalls
from gateway.web.responses import Responses
from gateway.web.scans import Scans
from gateway.web.shares import Shares
from gateway.web.statistics import Statistics
from gateway.web.sweeps import Sweeps
from gateway.web.users import Users

if TYPE_CHECKING:
    from gateway.app import Gateway


class Front(Protocol):
    """Pages for people; the web tool is one floor above."""

    def routes(self) -> list[web.RouteDef]:
        """Where each page stands."""
        ...


def application(gateway: Gateway, front: Front | None = None) -> web.Application:
    """The site of API, health and home page for one gateway; ``front`` is what stands at ``/`` instead of that page."""
    limit = int(gateway.config.as4.max_message)
    intake = Intake(limit=limit, spool=gateway.handing_in)
    app = web.Application(client_max_size=limit, middlewares=[frame, guard(Keys(gateway.store), _shares(gateway))])
    app[REQUESTS] = Counter()
    if gateway.siblings:
        answers = app[REQUESTS]
        gateway.siblings.sources += [lambda: answers, lambda: gateway.meters.counts]
    app.on_response_prepare.append(harden)
    documents = Documents(gateway, intake)
    app.on_shutdown.append(documents.close)
    for part in (
        documents,
        Findings(gateway),
        Responses(gateway, intake),
        Contents(gateway),
        Inbox(gateway),
        Participants(gateway, intake),
        Users(gateway, intake),
        Letters(gateway),
        Counterparts(gateway, intake),
        Addresses(gateway),
        RelationCalls(gateway, intake),
        Proposals(gateway, intake),
        Sweeps(gateway),
        Operating(gateway),
        Scans(gateway, intake),
        Destinations(gateway),
        Events(gateway),
        Statistics(gateway, intake),
        Health(gateway),
        Home(gateway, front is None),
        *([front] if front else ()),
    ):
        app.add_routes(part.routes())
    return app


def _shares(gateway: Gateway) -> Shares:
    api, counts = gateway.config.api, gateway.meters.counts
    return Shares(api.account_at_once, api.account_share, lambda name: counts.update((name,)), time.monotonic)
