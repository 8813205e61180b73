"""Calls on documents: handed in, come in, told of, and on paper."""

from __future__ import annotations

from typing import Final

from gateway.model.lifecycle import State
from gateway.model.message import Direction, Route
from gateway.model.scan import FIELDS, ScanState
from gateway.web.openapi.call import DOCUMENT, JSON, LIMIT, PAGE, Call, as_json, octets
from gateway.web.openapi.shapes import (
    MAYBE,
    TEXT,
    TIME,
    WHOLE,
    YES_NO,
    also,
    answered,
    asked,
    many,
    named,
    page,
    table,
    word,
)

_XML: Final = octets("application/xml")
_FILES: Final = octets("application/pdf", "image/png", "image/jpeg", "image/tiff")
_SIDE: Final = asked("code", code=TEXT, text=TEXT, conditions=many(asked("term", "value", term=TEXT, value=TEXT)))
_REVIEW: Final = as_json(asked(fields=table(TEXT), all=YES_NO, reason=TEXT, by=TEXT))

CALLS: Final = (
    Call(
        method="post",
        path="/v1/documents",
        summary="Hand in an invoice or credit note; 202 once it is on disk",
        query={"route": word(Route), "wait": {**WHOLE, "minimum": 0, "maximum": 60, "default": 0}},
        body={**octets("application/xml", "text/xml"), JSON: named("Bill")},
        repeatable=True,
        statuses=(202,),
        answer=DOCUMENT,
    ),
    Call(
        method="get",
        path="/v1/documents",
        summary="Documents, newest first",
        query={"direction": word(Direction), "state": many(word(State)), "q": TEXT, **PAGE},
        answer=as_json(page("Document")),
    ),
    Call(method="get", path="/v1/documents/{id}", summary="One document", answer=DOCUMENT),
    Call(
        method="get",
        path="/v1/documents/{id}/timeline",
        summary="Everything that happened to it, oldest first",
        answer=as_json(page("Entry")),
    ),
    Call(
        method="get",
        path="/v1/documents/{id}/findings",
        summary="What document rules and the other side say of it",
        answer=as_json(named("Verdicts")),
    ),
    Call(
        method="get",
        path="/v1/documents/{id}/content",
        summary="Its octets, or with form=sbd the whole business envelope",
        query={"form": word(("document", "sbd"))},
        statuses=(200, 304),
        answer=_XML,
    ),
    Call(
        method="get",
        path="/v1/documents/{id}/page.pdf",
        summary="The readable page, with the document inside",
        query={"language": word(("sv", "en"))},
        statuses=(200, 304),
        answer=octets("application/pdf"),
    ),
    Call(
        method="get",
        path="/v1/documents/{id}/evidence.zip",
        summary="Everything that proves what happened, with a manifest",
        statuses=(200, 304),
        answer=octets("application/zip"),
    ),
    Call(
        method="post",
        path="/v1/documents/{id}/requeue",
        summary="Back to work under the same ids",
        statuses=(202,),
        answer=DOCUMENT,
    ),
    Call(
        method="post",
        path="/v1/documents/{id}/resend",
        summary="The stored content as a new document",
        repeatable=True,
        statuses=(202,),
        answer=DOCUMENT,
    ),
    Call(
        method="post",
        path="/v1/documents/{id}/redeliver",
        summary="To your system once more, under the same delivery id",
        statuses=(202,),
        answer=DOCUMENT,
    ),
    Call(
        method="post",
        path="/v1/documents/{id}/responses",
        summary="Say to the sender of an invoice what becomes of it",
        body=as_json(asked("code", code=TEXT, note=MAYBE, date=MAYBE, reasons=many(_SIDE), actions=many(_SIDE))),
        repeatable=True,
        statuses=(202,),
        answer=DOCUMENT,
    ),
    Call(
        method="get",
        path="/v1/inbox",
        summary="What came in and waits for your system",
        query={"state": word(("new", "all")), **PAGE},
        answer=as_json(page("Document")),
    ),
    Call(method="post", path="/v1/inbox/{id}/ack", summary="Your system has it", answer=DOCUMENT),
    Call(
        method="get",
        path="/v1/events",
        summary="Everything that happened in the account, by cursor",
        query={"after": TEXT, "limit": LIMIT},
        answer=as_json(
            answered(
                items=many(
                    answered(
                        id=TEXT,
                        type=TEXT,
                        timestamp=TIME,
                        data=answered(document=named("Document"), event=named("Entry")),
                    )
                ),
                next=TEXT,
            )
        ),
    ),
    Call(
        method="post",
        path="/v1/scans",
        summary="Hand in an invoice on paper or as PDF",
        query={"file_name": TEXT},
        body=_FILES,
        repeatable=True,
        statuses=(202,),
        answer=as_json(also("Scan", verdict=TEXT)),
    ),
    Call(
        method="get",
        path="/v1/scans",
        summary="Files that came in, newest first",
        query={"state": word(("all", *ScanState)), **PAGE},
        answer=as_json(page("Scan")),
    ),
    Call(method="get", path="/v1/scans/{id}", summary="One of them", answer=as_json(named("Scan"))),
    Call(method="get", path="/v1/scans/{id}/content", summary="The file as it came", answer=_FILES),
    Call(
        method="get",
        path="/v1/scans/{id}/page.png",
        summary="One page of it as a picture",
        query={"page": {**WHOLE, "minimum": 1, "default": 1}},
        answer=octets("image/png"),
    ),
    Call(
        method="get",
        path="/v1/reviews",
        summary="Files that wait for a person",
        query=PAGE,
        answer=as_json(page("Scan")),
    ),
    Call(method="get", path="/v1/reviews/{id}", summary="One of them", answer=as_json(named("Scan"))),
    Call(
        method="get",
        path="/v1/reviews/{id}/crop.png",
        summary="The place of a field on the page",
        query={"field": word(FIELDS)},
        answer=octets("image/png"),
    ),
    *(
        Call(
            method="post",
            path=f"/v1/reviews/{{id}}/{verb}",
            summary=summary,
            body=_REVIEW,
            answer=as_json(named("Scan")),
        )
        for verb, summary in (
            ("confirm", "The values are right, or are these"),
            ("correct", "The same"),
        )
    ),
    Call(
        method="post",
        path="/v1/reviews/{id}/refuse",
        summary="It is not taken; with answer, whoever mailed it is told",
        body=as_json(asked(reason=TEXT, by=TEXT, answer=YES_NO)),
        answer=as_json(also("Scan", answered=MAYBE)),
    ),
    Call(
        method="post",
        path="/v1/reviews/{id}/split",
        summary="Several invoices in one file: each part is handed in by itself",
        body=as_json(asked("parts", parts=TEXT, by=TEXT)),
        answer=as_json(also("Scan", parts=many(answered(id=TEXT, verdict=TEXT)))),
    ),
)
