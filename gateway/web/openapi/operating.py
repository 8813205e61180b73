"""Calls on what surrounds the documents: letters, money, people, the operator's own."""

from __future__ import annotations

from typing import Final

from gateway.model.letter import LetterState, ReturnReason
from gateway.model.message import Direction
from gateway.model.person import Role as PersonRole
from gateway.web.openapi.call import JSON, LIMIT, PAGE, Call, as_json
from gateway.web.openapi.shapes import (
    ANY,
    FREE,
    MAYBE,
    MAYBE_TIME,
    TEXT,
    TIME,
    WHOLE,
    YES_NO,
    Schema,
    also,
    answered,
    asked,
    many,
    named,
    page,
    table,
    word,
)

_MONTH: Final[Schema] = {**TEXT, "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"}
_PRICES: Final = answered(own=YES_NO, items=many(named("Price")))
_KEPT: Final = answered(id=TEXT, held=YES_NO)
_COUNTED: Final = table(WHOLE)
_PATH: Final = answered(name=TEXT, path=MAYBE)

CALLS: Final = (
    Call(
        method="get",
        path="/v1/letters",
        summary="Letters, newest first",
        query={"state": many(word(LetterState)), "batch": TEXT, "q": TEXT, **PAGE},
        answer=as_json(page("Letter")),
    ),
    Call(
        method="get",
        path="/v1/letters/batches",
        summary="Batches with their totals",
        query={"limit": LIMIT},
        answer=as_json(
            answered(
                items=many(
                    answered(
                        batch=TEXT,
                        kind=TEXT,
                        letters=WHOLE,
                        sheets=WHOLE,
                        pages=WHOLE,
                        states=_COUNTED,
                        created=TIME,
                        updated=TIME,
                    )
                ),
                next=MAYBE,
            )
        ),
    ),
    Call(
        method="get",
        path="/v1/letters/counts",
        summary="How many letters are in each state",
        answer=as_json(answered(**dict.fromkeys(map(str, LetterState), WHOLE))),
    ),
    Call(
        method="get",
        path="/v1/letters/{id}",
        summary="One letter with its history",
        answer=as_json(also("Letter", history=many(answered(time=TIME, state=word(LetterState), reason=TEXT)))),
    ),
    Call(
        method="post",
        path="/v1/letters/{id}/return",
        summary="It came back",
        query={"reason": word(ReturnReason), "note": TEXT, "date": TEXT},
        answer=as_json(also("Letter", history=many(answered(time=TIME, state=word(LetterState), reason=TEXT)))),
    ),
    Call(
        method="get",
        path="/v1/statistics",
        summary="Documents, cost and electronic share by month, channel, direction",
        query={"from": _MONTH, "to": _MONTH},
        answer=as_json(named("Statistics")),
    ),
    Call(
        method="get",
        path="/v1/statistics/basis",
        summary="What one month is invoiced for",
        query={"month": _MONTH},
        answer={
            JSON: answered(
                month=TEXT,
                lines=many(
                    answered(
                        direction=word(Direction),
                        channel=TEXT,
                        country=TEXT,
                        documents=WHOLE,
                        price=TEXT,
                        amount=TEXT,
                        currency=TEXT,
                    )
                ),
            ),
            "text/csv": TEXT,
        },
    ),
    Call(method="get", path="/v1/prices", summary="The price list", answer=as_json(_PRICES)),
    Call(
        method="put",
        path="/v1/prices",
        summary="Replace it",
        body=as_json(asked("items", items=many(FREE))),
        answer=as_json(_PRICES),
    ),
    Call(
        method="get",
        path="/v1/destinations",
        summary="Whom we could not reach lately",
        answer=as_json(
            answered(
                items=many(
                    answered(
                        destination=TEXT,
                        state=word(("closed", "open", "half-open")),
                        failures=WHOLE,
                        since=TIME,
                        next_try=MAYBE_TIME,
                        reason=TEXT,
                    )
                ),
                next=MAYBE,
            )
        ),
    ),
    Call(method="get", path="/v1/users", summary="Who may sign in", answer=as_json(page("Person"))),
    Call(
        method="post",
        path="/v1/users",
        summary="Add somebody",
        body=as_json(asked("name", name=TEXT, role=word(PersonRole))),
        statuses=(201,),
        answer=as_json(answered(name=TEXT, role=word(PersonRole), path=MAYBE)),
    ),
    Call(
        method="post",
        path="/v1/users/{name}/reset",
        summary="A new link to choose a password",
        answer=as_json(_PATH),
    ),
    Call(
        method="delete",
        path="/v1/users/{name}/second-factor",
        summary="Remove the second factor of who has lost the device; all their sessions end",
        answer=as_json(answered(name=TEXT, second_factor=YES_NO)),
    ),
    Call(
        method="get",
        path="/v1/reconcile",
        summary="Operator: does a restored store wait for a person",
        answer=as_json(
            answered(
                waits=YES_NO,
                backup=MAYBE_TIME,
                restored=MAYBE_TIME,
                source=MAYBE,
                documents=many(named("Document")),
                more=YES_NO,
            )
        ),
    ),
    Call(
        method="post",
        path="/v1/reconcile/confirm",
        summary="Operator: let work go on",
        query={"doubtful": word(("send", "hold"))},
        answer=as_json(answered(waits=YES_NO, set_aside=WHOLE, going_on=WHOLE)),
    ),
    Call(
        method="post",
        path="/v1/operation/purge",
        summary="Operator: erase what is older than its period",
        query={"dry_run": word(("no", "yes"))},
        answer=as_json(answered(dry_run=YES_NO, documents=_COUNTED)),
    ),
    Call(
        method="post",
        path="/v1/operation/documents/{id}/erase",
        summary="Operator: erase the content of a finished document",
        query={"reason": TEXT},
        answer=as_json(answered(id=TEXT, erased=YES_NO)),
    ),
    *(
        Call(
            method="post",
            path=f"/v1/operation/documents/{{id}}/{verb}",
            summary=f"Operator: {summary}",
            query={"reason": TEXT},
            answer=as_json(_KEPT),
        )
        for verb, summary in (("hold", "keep it whatever its age"), ("release", "let it go again"))
    ),
    Call(
        method="get", path="/livez", summary="Does the process work", key=False, answer=as_json(answered(live=YES_NO))
    ),
    Call(
        method="get",
        path="/readyz",
        summary="Is it ready, and what is wrong",
        key=False,
        statuses=(200, 503),
        answer=as_json(answered(ready=YES_NO, checks=table(TEXT))),
    ),
    Call(method="get", path="/metrics", summary="Prometheus text", key=False, answer={"text/plain": TEXT}),
    Call(method="get", path="/api", summary="The API in words", key=False, answer={"text/markdown": TEXT}),
    Call(method="get", path="/api/openapi.json", summary="This description", key=False, answer=as_json(ANY)),
)
