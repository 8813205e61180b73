"""Puts the private site together: every route, and what stands around them.

The server gives its own keep-alive and listens; header limits are in :data:`SERVER_LIMITS`, because aiohttp takes
them from the runner and not from the application.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from gateway.web.auth import Keys, guard
from gateway.web.body import Intake
from gateway.web.contents import Contents
from gateway.web.documents import Documents
from gateway.web.frame import REQUESTS, frame, harden
from gateway.web.health import Health
from gateway.web.home import Home
from gateway.web.inbox import Inbox
from gateway.web.participants import Participants

if TYPE_CHECKING:
    from gateway.app import Gateway

SERVER_LIMITS: Final[Mapping[str, Any]] = {
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 64,
    "lingering_time": 5.0,  # how long the rest of a refused body is read, so that the caller sees the answer
    "auto_decompress": False,  # packed bodies are refused, so nothing may unpack them
    "keepalive_timeout": 75.0,
}
"""For ``web.AppRunner(application(gateway), **SERVER_LIMITS)``."""


def application(gateway: Gateway) -> web.Application:
    """The site of API, health and home page for one gateway."""
    limit = int(gateway.config.as4.max_message)
    intake = Intake(limit=limit)
    app = web.Application(client_max_size=limit, middlewares=[frame, guard(Keys(gateway.store))])
    app[REQUESTS] = Counter()
    app.on_response_prepare.append(harden)
    documents = Documents(gateway, intake)
    app.on_shutdown.append(documents.close)
    for part in (
        documents,
        Contents(gateway),
        Inbox(gateway),
        Participants(gateway, intake),
        Health(gateway),
        Home(gateway),
    ):
        app.add_routes(part.routes())
    return app
