"""Refusals as RFC 9457 ``application/problem+json``: the one shape of every answer that is not a success.

``KINDS`` is the whole list; ``docs/api.md`` shows it and ``GET /problems/NAME`` explains each. Which error of the
gateway is which kind is decided by :func:`problem_of`, once for all calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.errors import (
    Conflict,
    GatewayError,
    InvalidAddress,
    InvalidDocument,
    LostLease,
    NotFound,
    Overloaded,
    RegisterRefused,
    TemporaryError,
)
from gateway.model.document import Finding, Severity

RETRY_SECONDS: Final = 5
_MAX_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of refusal: stable name, HTTP status, title, and what the caller can do."""

    name: str
    status: int
    title: str
    remedy: str

    @property
    def type(self) -> str:
        """The ``type`` member: a reference to the page that explains the kind."""
        return f"/problems/{self.name}"


_ALL: Final = (
    Kind("invalid-request", 400, "The request cannot be understood", "Compare it with the API description at /api."),
    Kind(
        "key-needed",
        401,
        "An API key is needed",
        "Send “Authorization: Bearer KEY” with a key of your account; ask the operator for a new one if it is lost.",
    ),
    Kind(
        "form-not-ours",
        403,
        "The form cannot be taken",
        "Open the page again and send the form from there.",
    ),
    Kind("not-found", 404, "There is no such thing", "Check the address and the identifier; the calls stand at /api."),
    Kind("method-not-allowed", 405, "This call does not exist here", "Use a method that the Allow header names."),
    Kind("too-slow", 408, "The body came too slowly", "Send the request again over a better connection."),
    Kind("still-running", 409, "The same key is still in work", "Repeat the request after a second with the same key."),
    Kind("conflict", 409, "It contradicts what is there", "Read the detail; nothing was changed."),
    Kind("too-large", 413, "The body is too large", "Send less, or ask the operator to raise as4.max_message."),
    Kind(
        "unsupported-type",
        415,
        "This kind of body is not taken",
        "Send the type that the detail names, not packed.",
    ),
    Kind("expectation-failed", 417, "The expectation cannot be met", "Leave the Expect header out."),
    Kind("invalid-document", 422, "The document cannot be sent", "Mend what errors lists and hand it in again."),
    Kind("invalid-value", 422, "A value is not possible", "Mend what errors lists and send it again."),
    Kind(
        "contradiction",
        422,
        "It contradicts an earlier request",
        "Use a new Idempotency-Key for each document; repeat a key only with the very same body and route.",
    ),
    Kind(
        "too-many",
        429,
        "The account makes more calls than its share",
        "Repeat it after Retry-After seconds with the same Idempotency-Key: nothing was done. Fewer at once wait less.",
    ),
    Kind("internal", 500, "A fault of ours", "Tell the operator the instance of this answer: it stands in the log."),
    Kind("unavailable", 503, "Not possible at the moment", "Repeat the request later; Retry-After says when."),
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}
_OF_STATUS: Final = {400: "invalid-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"} | {
    415: "unsupported-type",
    417: "expectation-failed",
}


class Problem(GatewayError):
    """A refusal on its way to the caller. ``errors`` says what is wrong where."""

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        errors: Sequence[Finding] = (),
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(detail, remedy=remedy or KINDS[name].remedy)
        self.kind = KINDS[name]
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.close = close
        """True when the rest of the request was not read, so that the connection cannot be used again."""


def problem_of(error: Exception) -> Problem:
    """Give the problem that a caller may see of this error; what it does not know becomes ``internal``."""
    match error:
        case Problem():
            return error
        case InvalidDocument():
            return Problem("invalid-document", str(error), errors=error.findings, remedy=error.remedy)
        case InvalidAddress():
            return Problem("invalid-value", str(error), remedy=error.remedy)
        case NotFound():
            return Problem("not-found", str(error), remedy=error.remedy)
        case Conflict() | LostLease() | RegisterRefused():
            # A remedy of its own is for the caller; the general one speaks of the log, which is the operator's.
            return Problem("conflict", str(error), remedy="" if error.remedy == GatewayError.remedy else error.remedy)
        case Overloaded():
            return Problem("unavailable", str(error), headers={"Retry-After": str(RETRY_SECONDS)})
        case TemporaryError():
            # Which disk or host it was is the operator's business; it stands in the log.
            return Problem("unavailable", error.peer_text, headers={"Retry-After": str(RETRY_SECONDS)})
        case web.HTTPException():
            return _of_http(error)
        case _:
            return Problem("internal", "The request could not be handled because of a fault in the gateway.")


def _of_http(error: web.HTTPException) -> Problem:
    name = _OF_STATUS.get(error.status, "internal" if error.status >= 500 else "invalid-request")
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    detail = {
        404: "There is nothing at this address.",
        405: f"Only {headers.get('Allow') or 'nothing'} is possible at this address.",
    }
    return Problem(name, detail.get(error.status, f"The request cannot be served ({error.reason})."), headers=headers)


def respond(problem: Problem, instance: str) -> web.Response:
    """Write the answer. ``instance`` names this one occurrence, so that the log line can be found."""
    body = {
        "type": problem.kind.type,
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": str(problem),
        "remedy": problem.remedy,
        "instance": instance,
        "errors": [show_finding(finding) for finding in problem.errors],
    }
    response = web.Response(
        status=problem.kind.status,
        # (a lone surrogate in a text of the caller cannot be encoded)
        body=json.dumps(body, ensure_ascii=False).encode(errors="replace"),
        content_type="application/problem+json",
        headers=problem.headers,
    )
    if problem.close:
        response.force_close()
    return response


def show_finding(finding: Finding) -> dict[str, object]:
    """One row of ``errors``: JSON values only."""
    return {
        "pointer": finding.location,
        "rule": finding.rule,
        "severity": str(finding.severity),
        "message": finding.message,
        "value": finding.value[:_MAX_VALUE],
    }


def wrong(place: str, message: str, value: str = "", *, rule: str = "REQUEST") -> Finding:
    """A finding about the request itself: ``query:limit``, ``header:Idempotency-Key``, ``/country`` in a JSON body."""
    return Finding(rule=rule, severity=Severity.FATAL, location=place, message=message, value=value)


def bad_request(place: str, message: str, value: str = "") -> Problem:
    """400 for one part of the request."""
    return Problem("invalid-request", message, errors=[wrong(place, message, value)])
