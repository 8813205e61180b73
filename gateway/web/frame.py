"""What stands around every request: its id, its log line, refusals as problems, and the security headers.

Logged are method, path without query, status and time; never keys, queries or bodies. The id rides in a context
variable, so that every line logged meanwhile can carry it, and is the ``instance`` of a problem.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

from aiohttp import web

from gateway.web.problem import problem_of, respond

log = logging.getLogger(__name__)

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered, empty outside of one."""

REQUESTS: Final = web.AppKey("requests", Counter[str])
"""Answers since the start by status, for ``/metrics``."""

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_QUIET: Final = ("/livez", "/readyz", "/metrics")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def frame(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the request, whatever happens inside."""
    started, name = time.perf_counter(), uuid.uuid4()
    token = request_id.set(name.hex)
    try:
        try:
            response = await handler(request)
        except Exception as error:
            response = _refuse(error, name)
        response.headers["X-Request-Id"] = name.hex
        request.app[REQUESTS][str(response.status)] += 1
        _log(request, response, (time.perf_counter() - started) * 1000)
        return response
    finally:
        request_id.reset(token)


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers and take away what names our software; runs when headers are about to be written."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.popall("Server", None)


def _refuse(error: Exception, name: uuid.UUID) -> web.Response:
    problem = problem_of(error)
    if problem.kind.name == "internal":
        log.error("unexpected failure of a request", exc_info=error, extra={"request": name.hex})
    elif problem.kind.status == 503:
        log.warning("unavailable: %s", error, extra={"request": name.hex})
    return respond(problem, name.urn)


def _log(request: web.Request, response: web.StreamResponse, milliseconds: float) -> None:
    path = request.rel_url.raw_path[:200]  # raw: percent-encoded, so no control character reaches the log
    log.log(
        logging.DEBUG if path in _QUIET else logging.INFO,
        "%s %s %s",
        request.method,
        path,
        response.status,
        extra={"request": request_id.get(), "milliseconds": round(milliseconds, 1)},
    )
