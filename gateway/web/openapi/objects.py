"""What the API answers and takes, by name. Words of a member come from the model, so that none is forgotten here."""

from __future__ import annotations

from typing import Final, get_args

from gateway.model.addresses import Cause
from gateway.model.counterpart import Acceptance, AutoAccept, Origin, PartyKind, Quality, Role
from gateway.model.letter import LetterState, ReturnReason
from gateway.model.lifecycle import State, Status
from gateway.model.message import Direction, Route
from gateway.model.person import Role as PersonRole
from gateway.model.proposal import ProposalState
from gateway.model.registration import Goal, Stage
from gateway.model.relating import RelationState, Verdict
from gateway.model.scan import FIELDS, Hold, ScanState
from gateway.model.sweep import Change, SweepKind, SweepState
from gateway.web.openapi.shapes import (
    FREE,
    MAYBE,
    MAYBE_DAY,
    MAYBE_TIME,
    NUMBER,
    TEXT,
    TIME,
    WHOLE,
    YES_NO,
    Schema,
    answered,
    either,
    many,
    named,
    table,
    word,
)

NULL: Final[Schema] = {"type": "null"}
SUM: Final = answered(value=TEXT, currency=TEXT)
SERVICE: Final = answered(document_type=TEXT, process=TEXT)
STEP: Final = answered(asked=TEXT, where=TEXT, answer=TEXT, milliseconds=NUMBER)
WORDS: Final = answered(code=TEXT, sv=TEXT, en=TEXT)
_PACK: Final = answered(name=TEXT, version=TEXT)
_MONEY: Final = table(answered(cost=TEXT, paper_cost=TEXT, saved=TEXT))
_SHARE: Final[Schema] = {"type": ["integer", "null"]}

DOCUMENT: Final = answered(
    id=TEXT,
    direction=word(Direction),
    state=word(State),
    status=word(get_args(Status)),
    channel=MAYBE,
    reason=MAYBE,
    route=word(Route),
    sender=MAYBE,
    receiver=MAYBE,
    sender_name=MAYBE,
    receiver_name=MAYBE,
    document_type=MAYBE,
    process=MAYBE,
    number=MAYBE,
    issue_date=MAYBE_DAY,
    due_date=MAYBE_DAY,
    amount=either(SUM, NULL),
    message_id=MAYBE,
    instance_id=MAYBE,
    peer=MAYBE,
    attempts=WHOLE,
    next_attempt=MAYBE_TIME,
    created=TIME,
    updated=TIME,
    acknowledged=MAYBE_TIME,
    sha256=TEXT,
    size=WHOLE,
    links=table(TEXT),
    warnings=many(TEXT),
)

ENTRY: Final = answered(
    time=TIME,
    event=TEXT,
    reason=MAYBE,
    detail=FREE,
    attempt=WHOLE,
    next_attempt=MAYBE_TIME,
    evidence=many(TEXT),
)

FINDING: Final = answered(pointer=TEXT, rule=TEXT, severity=word(("fatal", "warning")), message=TEXT, value=TEXT)

COUNTERPART: Final = answered(
    id=TEXT,
    role=word(Role),
    number=MAYBE,
    name=TEXT,
    names=many(TEXT),
    country=MAYBE,
    kind=word(PartyKind),
    identifiers=many(
        answered(scheme=TEXT, value=TEXT, origin=word(Origin), issuer=MAYBE, verified=MAYBE_TIME, trust=WHOLE)
    ),
    address=answered(
        street=MAYBE,
        additional=MAYBE,
        extra_line=MAYBE,
        attention=MAYBE,
        postal_code=MAYBE,
        city=MAYBE,
        name=MAYBE,
        country=MAYBE,
        region=MAYBE,
        quality=word(Quality),
    ),
    email=MAYBE,
    email_quality=word(Quality),
    language=MAYBE,
    route=word(Route),
    preferred=MAYBE,
    opt_out=many(TEXT),
    acceptance=word(Acceptance),
    mandate=MAYBE,
    note=MAYBE,
    origin=word(Origin),
    created=TIME,
    updated=TIME,
)

RELATION: Final = answered(
    counterpart=TEXT,
    direction=word(Direction),
    family=TEXT,
    channel=TEXT,
    state=word(RelationState),
    participant=MAYBE,
    document_type=MAYBE,
    process=MAYBE,
    seat=MAYBE,
    certificate=MAYBE,
    sink=YES_NO,
    reason_sv=MAYBE,
    reason_en=MAYBE,
    since=TIME,
    confirmed=MAYBE_TIME,
    denied=MAYBE_TIME,
    asked=WHOLE,
    next_check=MAYBE_TIME,
    owner=MAYBE,
    created=TIME,
    updated=TIME,
)

CAPABILITY: Final = answered(
    counterpart=TEXT,
    direction=word(Direction),
    channel=TEXT,
    participant=MAYBE,
    document_type=MAYBE,
    process=MAYBE,
    source=TEXT,
    quality=word(("structured", "sink", "unknown")),
    valid_from=TIME,
    valid_to=MAYBE_TIME,
    seen=TIME,
)

EVIDENCE: Final = answered(
    id=TEXT,
    time=TIME,
    participant=MAYBE,
    asked=TEXT,
    where=MAYBE,
    verdict=word(Verdict),
    text=MAYBE,
    sha256=MAYBE,
    signer=MAYBE,
    milliseconds=NUMBER,
    expires=MAYBE_TIME,
    document=MAYBE,
)

FAILED_ADDRESS: Final = answered(
    id=TEXT,
    channel=word(("email", "print")),
    address=TEXT,
    cause=word(Cause),
    said=MAYBE,
    reason=TEXT,
    reason_sv=TEXT,
    remedy=TEXT,
    remedy_sv=TEXT,
    document=MAYBE,
    counterpart=MAYBE,
    since=TIME,
)
REACH: Final = answered(
    rank=WHOLE,
    channel=TEXT,
    verdict=word(Verdict),
    participant=MAYBE,
    origin=MAYBE,
    address=MAYBE,
    seat=MAYBE,
    smp=MAYBE,
    expires=MAYBE_TIME,
    document_types=many(TEXT),
    counterpart=MAYBE,
    state=MAYBE,
    price=either(SUM, NULL),
    reason=TEXT,
    reason_sv=TEXT,
    evidence=many(STEP),
)

PROPOSAL: Final = answered(
    **{"from": TEXT},
    to=TEXT,
    id=TEXT,
    state=word(ProposalState),
    direction=word(Direction),
    counterpart=answered(id=TEXT, name=TEXT, number=MAYBE),
    participant=MAYBE,
    document_type=MAYBE,
    volume=WHOLE,
    saving=SUM,
    text=TEXT,
    text_sv=TEXT,
    risks=many(WORDS),
    requirements=many(WORDS),
    evidence=many(TEXT),
    snoozed_until=MAYBE_TIME,
    expires=MAYBE_TIME,
    decided=MAYBE_TIME,
    converted=MAYBE_TIME,
    created=TIME,
    updated=TIME,
)

DECISION: Final = answered(event=TEXT, actor=TEXT, reason=MAYBE, text=MAYBE, text_sv=MAYBE, time=TIME)

SWEEP: Final = answered(
    id=TEXT,
    kind=word(SweepKind),
    state=word(SweepState),
    actor=MAYBE,
    total=WHOLE,
    done=WHOLE,
    asked=WHOLE,
    found=WHOLE,
    lost=WHOLE,
    moved=WHOLE,
    doubted=WHOLE,
    certificates=WHOLE,
    unknown=WHOLE,
    questions=WHOLE,
    requests=WHOLE,
    due=MAYBE_TIME,
    started=MAYBE_TIME,
    ended=MAYBE_TIME,
    created=MAYBE_TIME,
    updated=MAYBE_TIME,
)
DIFFERENCE: Final = answered(
    counterpart=TEXT,
    name=TEXT,
    change=word(Change),
    participant=MAYBE,
    before=MAYBE,
    after=MAYBE,
    text=TEXT,
    text_sv=TEXT,
    time=MAYBE_TIME,
)
LETTER: Final = answered(
    id=TEXT,
    document=TEXT,
    state=word(LetterState),
    kind=TEXT,
    batch=TEXT,
    file=TEXT,
    sha256=TEXT,
    pages=WHOLE,
    sheets=WHOLE,
    duplex=YES_NO,
    colour=YES_NO,
    grams=WHOLE,
    envelope=TEXT,
    postage=TEXT,
    price=either(SUM, NULL),
    address=many(TEXT),
    country=TEXT,
    number=TEXT,
    reference=TEXT,
    reason=TEXT,
    posted=MAYBE_TIME,
    carrier=TEXT,
    returned=word(ReturnReason, none=True),
    created=TIME,
    updated=TIME,
)

REGISTRATION: Final = answered(
    goal=word(Goal),
    state=word(("done", "stopped", "waiting")),
    stages=many(word(Stage)),
    stage=word(Stage, none=True),
    done=many(answered(stage=word(Stage), time=TIME, text=TEXT)),
    problem=MAYBE,
    attempts=WHOLE,
    next_attempt=MAYBE_TIME,
    migration_key=MAYBE,
    moved_to=MAYBE,
)

PARTICIPANT: Final = answered(
    id=TEXT,
    name=MAYBE,
    country=MAYBE,
    delivery=TEXT,
    document_types=many(SERVICE),
    created=TIME,
    registration=either(named("Registration"), NULL),
)

_PLACE: Final = answered(page=WHOLE, left=NUMBER, top=NUMBER, width=NUMBER, height=NUMBER)
_FIELD: Final = answered(
    value=MAYBE,
    accepted=YES_NO,
    confirmed_by=MAYBE,
    confirmed_at=MAYBE_TIME,
    crop=MAYBE,
    candidates=many(
        answered(value=TEXT, shown=TEXT, witnesses=many(TEXT), confidence=NUMBER, place=either(_PLACE, NULL))
    ),
)

SCAN: Final = answered(
    id=TEXT,
    state=word(ScanState),
    hold=word([one for one in get_args(Hold) if one], none=True),
    reason=MAYBE,
    reason_sv=MAYBE,
    source=TEXT,
    channel=MAYBE,
    sender=MAYBE,
    receiver=MAYBE,
    file_name=TEXT,
    media_type=MAYBE,
    sha256=TEXT,
    size=WHOLE,
    pages=WHOLE,
    read_from=many(TEXT),
    document=MAYBE,
    decided_by=MAYBE,
    decided_at=MAYBE_TIME,
    fields={"type": "object", "properties": dict.fromkeys(FIELDS, _FIELD)},
    created=TIME,
    updated=TIME,
)

PRICE: Final = answered(
    channel=TEXT, country=TEXT, since={**TEXT, "format": "date"}, share=WHOLE, amount=TEXT, currency=TEXT, note=TEXT
)

POLICY: Final = {
    "type": "object",
    "properties": {
        "auto_accept": word(AutoAccept),
        "kinds": many(word(PartyKind)),
        "schemes": many(TEXT),
        "largest": MAYBE,
        "sinks": many(TEXT),
        "share": YES_NO,
    },
}

PERSON: Final = answered(name=TEXT, role=word(PersonRole), active=YES_NO, second_factor=YES_NO, last_seen=MAYBE_TIME)

PROBLEM: Final = {
    **answered(type=TEXT, title=TEXT, status=WHOLE, detail=TEXT, remedy=TEXT, instance=TEXT),
    "description": "RFC 9457; errors says what is wrong where",
}
PROBLEM["properties"] |= {"errors": many(named("Finding"))}

VERDICTS: Final = answered(
    validated=YES_NO,
    valid={"type": ["boolean", "null"]},
    why_not_validated=MAYBE,
    packs=many(_PACK),
    findings=many(named("Finding")),
    count=WHOLE,
    statuses=many(FREE),
    responses=many(FREE),
)

IMPORT: Final = answered(
    encoding=TEXT,
    delimiter=TEXT,
    columns=many(TEXT),
    unknown_columns=many(TEXT),
    lines=WHOLE,
    good=WHOLE,
    wrong=WHOLE,
    new=WHOLE,
    changed=WHOLE,
    same=WHOLE,
    dry_run=YES_NO,
    items=many(
        answered(
            line=WHOLE,
            outcome=word(("new", "changed", "same", "wrong")),
            name=MAYBE,
            number=MAYBE,
            problems=many(answered(column=MAYBE, sv=TEXT, en=TEXT, value=MAYBE, fatal=YES_NO)),
        )
    ),
    left_out=WHOLE,
)

_SUMMARY: Final = {"documents": WHOLE, "electronic_share": _SHARE, "money": _MONEY}
STATISTICS: Final = answered(
    **{"from": TEXT},
    to=TEXT,
    items=many(
        answered(
            month=TEXT,
            direction=word(Direction),
            channel=TEXT,
            electronic=YES_NO,
            documents=WHOLE,
            cost=TEXT,
            paper_cost=TEXT,
            saved=TEXT,
            currency=TEXT,
        )
    ),
    months=many(answered(month=TEXT, **_SUMMARY)),
    total=answered(**_SUMMARY),
)

OBJECTS: Final[dict[str, Schema]] = {
    "Document": DOCUMENT,
    "Entry": ENTRY,
    "Finding": FINDING,
    "Verdicts": VERDICTS,
    "Counterpart": COUNTERPART,
    "Relation": RELATION,
    "Capability": CAPABILITY,
    "Evidence": EVIDENCE,
    "FailedAddress": FAILED_ADDRESS,
    "Reach": REACH,
    "Proposal": PROPOSAL,
    "Decision": DECISION,
    "Sweep": SWEEP,
    "Difference": DIFFERENCE,
    "Letter": LETTER,
    "Registration": REGISTRATION,
    "Participant": PARTICIPANT,
    "Scan": SCAN,
    "Price": PRICE,
    "Policy": POLICY,
    "Person": PERSON,
    "Import": IMPORT,
    "Statistics": STATISTICS,
    "Problem": PROBLEM,
}
