"""Calls on those who send and receive: participants, counterparts, ways to them, proposals."""

from __future__ import annotations

from typing import Final

from gateway.model.counterpart import Role
from gateway.model.message import Direction
from gateway.web.openapi.call import PAGE, Call, as_json
from gateway.web.openapi.objects import SUM
from gateway.web.openapi.shapes import (
    FREE,
    MAYBE,
    MAYBE_TIME,
    TEXT,
    WHOLE,
    also,
    answered,
    asked,
    many,
    named,
    page,
    word,
)

_DECIDE: Final = as_json(asked(reason=MAYBE))
_ROLE: Final = word(Role)
_COUNTERPART: Final = as_json(FREE)

CALLS: Final = (
    Call(
        method="get",
        path="/v1/participants",
        summary="For whom the account receives here",
        answer=as_json(page("Participant")),
    ),
    Call(
        method="post",
        path="/v1/participants",
        summary="Add one, or replace it",
        body=as_json(
            asked(
                "id",
                id=TEXT,
                name=MAYBE,
                country=MAYBE,
                delivery=MAYBE,
                document_types=many(
                    asked("document_type", "process", document_type=TEXT, process=TEXT),
                ),
                migration_key=MAYBE,
            )
        ),
        statuses=(200, 201),
        answer=as_json(also("Participant", warnings=many(TEXT))),
    ),
    Call(
        method="get",
        path="/v1/participants/{participant}",
        summary="One participant",
        answer=as_json(named("Participant")),
    ),
    Call(
        method="delete",
        path="/v1/participants/{participant}",
        summary="Take it off the network; 202 while others still find it",
        statuses=(202, 204),
        answer=as_json(named("Participant")),
    ),
    Call(
        method="post",
        path="/v1/participants/{participant}/migration",
        summary="Make the migration key for the operator who takes it over",
        answer=as_json(named("Participant")),
    ),
    Call(
        method="get",
        path="/v1/counterparts",
        summary="Customers and suppliers, by name",
        query={"role": word(("all", *Role)), "q": TEXT, **PAGE},
        answer=as_json(page("Counterpart")),
    ),
    Call(
        method="post",
        path="/v1/counterparts",
        summary="Add one, or change the one with its number",
        body=_COUNTERPART,
        statuses=(200, 201),
        answer=as_json(named("Counterpart")),
    ),
    Call(
        method="post",
        path="/v1/counterparts/import",
        summary="A register as CSV, with a report of every line that is wrong",
        query={"role": _ROLE, "dry_run": word(("true", "false"))},
        body={"text/csv": TEXT},
        answer=as_json(named("Import")),
    ),
    Call(
        method="get",
        path="/v1/counterparts/export",
        summary="The register as CSV",
        query={"role": _ROLE},
        answer={"text/csv": TEXT},
    ),
    Call(
        method="get",
        path="/v1/counterparts/{id}",
        summary="One, with how it is reached and what proves that",
        answer=as_json(
            also(
                "Counterpart",
                relations=many(named("Relation")),
                capabilities=many(named("Capability")),
                evidence=many(named("Evidence")),
            )
        ),
    ),
    Call(
        method="put",
        path="/v1/counterparts/{id}",
        summary="Change one; what is left out stays",
        body=_COUNTERPART,
        answer=as_json(named("Counterpart")),
    ),
    Call(method="delete", path="/v1/counterparts/{id}", summary="Forget it", statuses=(204,), answer={}),
    Call(
        method="get",
        path="/v1/addresses",
        summary="Addresses that failed and are not used",
        query={**PAGE},
        answer=as_json(page("FailedAddress")),
    ),
    Call(method="delete", path="/v1/addresses/{id}", summary="One is good after all", statuses=(204,), answer={}),
    Call(
        method="get",
        path="/v1/relations",
        summary="Every way to a party, best first, with what proves it",
        query={"party": TEXT, "country": TEXT, "name": TEXT},
        answer=as_json(page("Reach")),
    ),
    Call(
        method="get",
        path="/v1/relations/policy",
        summary="What the account lets the gateway decide",
        answer=as_json(named("Policy")),
    ),
    Call(
        method="put",
        path="/v1/relations/policy",
        summary="Replace it",
        body=as_json(named("Policy")),
        answer=as_json(named("Policy")),
    ),
    Call(
        method="get",
        path="/v1/proposals",
        summary="Who could be moved to e-invoice, and what that saves",
        query={"state": TEXT, "direction": word(("all", *Direction)), **PAGE},
        answer=as_json(
            answered(
                items=many(named("Proposal")),
                next=MAYBE,
                summary=answered(count=WHOLE, saving=SUM, text=TEXT, text_sv=TEXT),
            )
        ),
    ),
    Call(
        method="get",
        path="/v1/proposals/{id}",
        summary="One, with every decision",
        answer=as_json(also("Proposal", decisions=many(named("Decision")))),
    ),
    Call(
        method="get",
        path="/v1/proposals/{id}/letter",
        summary="What a supplier is written",
        query={"language": word(("sv", "en"))},
        answer=as_json(answered(language=TEXT, to=MAYBE, subject=TEXT, text=TEXT)),
    ),
    *(
        Call(
            method="post",
            path=f"/v1/proposals/{{id}}/{verb}",
            summary=summary,
            body=as_json(asked(reason=MAYBE, until=MAYBE_TIME)) if verb == "snooze" else _DECIDE,
            body_needed=False,
            answer=as_json(named("Proposal")),
        )
        for verb, summary in (
            ("accept", "From the next document on it goes the new way"),
            ("decline", "It is not proposed again by itself"),
            ("snooze", "It is proposed again later"),
        )
    ),
    Call(
        method="post",
        path="/v1/sweeps",
        summary="Look every customer up anew; 200 with the one that goes on already",
        query={"account": TEXT},
        statuses=(200, 202),
        answer=as_json(named("Sweep")),
    ),
    Call(
        method="get",
        path="/v1/sweeps",
        summary="Sweeps, newest first",
        query={"account": TEXT, **PAGE},
        answer=as_json(page("Sweep")),
    ),
    Call(
        method="get",
        path="/v1/sweeps/{id}",
        summary="How far one is, and a page of its report",
        query={"account": TEXT, **PAGE},
        answer=as_json(also("Sweep", differences=many(named("Difference")), next=MAYBE)),
    ),
)
