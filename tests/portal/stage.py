"""A gateway with the web tool over a real store, and a demo store with something on every page."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from gateway.app import Gateway
from gateway.config.sections import Config, Operator, StoreSection
from gateway.errors import PeerUnavailable
from gateway.exchange.following import Following
from gateway.exchange.inbound import Inbound
from gateway.exchange.letters import PostRoom
from gateway.exchange.outbound import Outbound
from gateway.exchange.registrar import Registrar
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.returns import Returns
from gateway.exchange.routing import make_routing
from gateway.exchange.sweeping import make_sweeping
from gateway.exchange.worker import Worker
from gateway.model.counterpart import Counterpart, CounterpartId
from gateway.model.counterpart import Role as CounterpartRole
from gateway.model.identifiers import AccountId, DocumentId, MessageId, ParticipantId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Evidence, Message, Participant, PayloadKind, TimelineEntry
from gateway.model.person import Deed, Role
from gateway.model.proposal import Proposal, ProposalId, ProposalState
from gateway.pki.certificates import Certificates
from gateway.ports import Arrival, Changes
from gateway.security.trust import Trust
from gateway.store import SqlStore, open_store
from gateway.ubl.interpretation import MARK, MARK_SV
from gateway.web.invitation import hash_secret
from tests.portal.paper import LYING, attach_picture, hand_in
from tests.portal.postroom import fill_postroom
from tests.portal.register import enter
from tests.scanning import pairs
from tests.web.conftest import INVOICE, OURS, THEIRS

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PASSWORD = "en lång mening om lönnar"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Parameters stand in the hash: what tests sign in with costs a millisecond."""
ALPHA, BETA = AccountId("exempel-ab"), AccountId("grannexempel")
PEOPLE = {
    "admin@exempel.example": ((ALPHA, Role.ADMIN), (BETA, Role.ADMIN)),
    "ekonomi@exempel.example": ((ALPHA, Role.CLERK),),
    "drift@exempel.example": ((ALPHA, Role.OPERATOR),),
    "granskning@exempel.example": ((ALPHA, Role.COMPLIANCE),),
    "chef@annat.example": ((BETA, Role.ADMIN),),
    "ekonomi@annat.example": ((BETA, Role.CLERK),),
}


@dataclass(slots=True)
class SteadyClock:
    """A clock that a demo store's history is written with, and that stands at its end."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


class _Nothing:
    """What no page asks: the network."""

    name = "nothing"


@asynccontextmanager
async def open_stage(base: Path, clock: SteadyClock) -> AsyncIterator[Gateway]:
    """A store with two accounts and everybody of ``PEOPLE``, and the gateway around it."""
    async with open_store("sqlite:gateway.db", Path("payloads"), clock=clock, base=base) as store:
        await store.first_account("Exempel AB", hash_secret("gwk_alpha"))
        await store.add_account(BETA, "Grannexempel AB", hash_secret("gwk_beta"))
        await put_people(store)
        yield gateway_around(store, clock, base)


async def put_people(store: SqlStore) -> None:
    """Everybody of ``PEOPLE``, each with the one password."""
    for name, places in PEOPLE.items():
        code = hash_secret(name)
        for account, role in reversed(places):  # who is known already is taken in by the operator's account only
            deed = Deed(account=account, actor="gateway", action="user-added", subject=name)
            await store.people.add(name, role, code, NOW + timedelta(days=30), deed)
        chosen = Deed(account=places[0][0], actor=name, action="password-chosen", origin="192.0.2.7")
        assert await store.people.choose(code, QUICK.hash(PASSWORD), chosen)


def gateway_around(store: SqlStore, clock: Any, base: Path, **config: Any) -> Gateway:
    """A gateway whose network nobody asks."""
    settings = Config(
        base=base,
        operator=Operator(name="Exempel Drift AB", seat_id="POP000001"),
        store=StoreSection(database="sqlite:gateway.db", payloads=Path("payloads")),
        **config,
    )
    nothing: Any = _Nothing()
    retry = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), window=timedelta(days=5))
    outbound = Outbound(
        store=store,
        lookup=nothing,
        transport=nothing,
        channels={},
        clock=clock,
        retry=retry,
        pack=lambda octets: gzip.compress(octets, mtime=0),
        message_id=lambda: MessageId(f"{uuid.uuid4()}@pop000001.as4"),
        country="SE",
    )
    inbound = Inbound(store=store, deliveries={}, clock=clock, retry=retry)
    parts: dict[str, Any] = {"lookup": nothing, "endpoint": None, "keys": None}
    parts["post_room"] = PostRoom(store=store, clock=clock, returns=Returns(store=store, clock=clock))
    routing = make_routing(store, clock, (), "SE")
    parts["sweeping"] = make_sweeping(settings.sweep, store, clock, nothing, routing, "test")
    return Gateway(
        config=settings,
        registrar=Registrar(
            store=store,
            register=None,
            outside=nothing,
            test=nothing,
            clock=clock,
            smp_url="https://smp.example.org",
            seat="POP000001",
        ),
        clock=clock,
        store=store,
        outbound=outbound,
        inbound=inbound,
        worker=Worker(store=store, outbound=outbound, inbound=inbound, clock=clock, retry=retry),
        certificates=Certificates(own=(), trust=Trust((), ()), clock=clock, watch=None),
        started=clock.now(),
        first_key="",
        **parts,
    )


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One document of the demo store: what happened to it."""

    number: str
    direction: Direction = Direction.OUT
    other: str = "Nordisk Kontorsmaterial AB"
    amount: str = "1250.00"
    ago: timedelta = timedelta(hours=1)
    events: tuple[Event, ...] = ()
    account: AccountId = ALPHA
    octets: bytes = b""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


async def add(store: SqlStore, clock: SteadyClock, sample: Sample) -> DocumentId:
    """Put it into the store, its events a minute apart."""
    now, clock.time = clock.time, clock.time - sample.ago
    out = sample.direction is Direction.OUT
    seller, buyer = ("Exempel AB", sample.other) if out else (sample.other, "Exempel AB")
    sender, receiver = (OURS, THEIRS) if out else (THEIRS, OURS)
    octets = sample.octets or INVOICE.replace("NUMBER", sample.number).encode()
    message = Message(
        id=DocumentId(sample.id),
        account=sample.account,
        direction=sample.direction,
        state=State.ACCEPTED if out else State.RECEIVED,
        sender=sender,
        receiver=receiver,
        channel="" if out else "peppol",
        document_type="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##urn:cen.eu:en16931:2017",
        process="urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
        number=sample.number,
        issue_date=clock.time.date(),
        due_date=clock.time.date() + timedelta(days=30),
        amount=Decimal(sample.amount),
        currency="SEK",
        seller_name=seller,
        buyer_name=buyer,
        message_id=MessageId(f"{uuid.uuid4()}@pop000001.as4"),
        peer="" if out else "POP000002",
        size=len(octets),
        created=clock.time,
        updated=clock.time,
    )
    entry = TimelineEntry(
        time=clock.time, event="Accepted" if out else "Received", reason=f"Invoice {sample.number} is stored; {VALID}"
    )
    proof = Evidence(kind="receipt", media_type="application/xml", octets=b"<receipt/>")
    await store.add_once(
        Arrival(
            message=message,
            payloads={PayloadKind.DOCUMENT: octets},
            entry=entry,
            evidence=() if out else (proof,),
        )
    )
    for event in sample.events:
        clock.time += timedelta(minutes=1)
        message = await store.record(await store.get(sample.account, message.id), event, [proof])
    clock.time = now
    return message.id


NOT_THERE = "0007:5567212047 is not registered: the SML zone sml.example says NXDOMAIN"
VALID = "valid by EN 16931 1.3.16 and Peppol BIS Billing 3.0.21, 1 warnings"
SENT = Event(
    name="Sent",
    reason=f"{THEIRS} is on the network at POP000002; its signed receipt came after 312 ms",
    channel="peppol",
    peer="POP000002",
)
ARRIVED = Event(name="Delivered", reason="Written to incoming as 01a2.xml and 01a2.json")
TO_MAIL = Event(name="Diverted", reason=f"E-mail because {NOT_THERE}", channel="email")
TO_LETTER = Event(
    name="Diverted",
    reason=f"Letter because {NOT_THERE}; no e-mail: no e-mail address for the receiver on the invoice",
    channel="print",
)
HANDED = Event(name="Dispatched", reason="The mail server 192.0.2.25:25 took it for faktura@kund.example: 250 2.0.0 ok")
LATER = Event(
    name="Postponed",
    reason="https://ap.example/as4 gave no answer: none came within 120 s",
    next_attempt=NOW + timedelta(minutes=9),
)
NO = Event(
    name="Rejected",
    reason="The receiver's access point refused it: EBMS:0004 The receiver does not take this document type",
    detail={
        "rules": {
            "validated": True,
            "valid": False,
            "count": 2,
            "packs": [{"name": "peppol", "version": "3.0.18"}],
            "findings": [
                {
                    "rule": "BR-CO-15",
                    "severity": "fatal",
                    "location": "/Invoice/cac:LegalMonetaryTotal",
                    "message": "Total without VAT 1000.00 + VAT 250.00 = 1250.00, the total with VAT says 1249.00. "
                    "Correct TaxInclusiveAmount (BT-112).",
                    "value": "1250.00",
                },
                {
                    "rule": "SE-R-010",
                    "severity": "warning",
                    "location": "/Invoice/cac:PaymentMeans",
                    "message": "The plusgiro number “5050105500” must have 2 to 8 digits.",
                    "value": "505010",
                },
            ],
        }
    },
)
LOST = Event(
    name="LostTrack",
    reason="No valid receipt within 5 days; the receiver may have it. Last: https://ap.example/as4 gave no answer: "
    "none came within 120 s",
    sent_octets=True,
)
GAVE_UP = Event(
    name="GaveUp",
    reason="No way is left: The e-mail came back: faktura@kund7.example: the address takes no mail: 550 no such user; "
    "no letter: no postal address for the receiver on the invoice",
)
VIRUS = Event(
    name="Rejected",
    reason="Quarantined: The virus scanner found Eicar.Test in specifikation.pdf",
    detail={"attachment": "specifikation.pdf", "found": "Eicar.Test", "remedy": "Ask the supplier for a clean one."},
    links={"held": "virus"},
)
DIFFERS = Event(
    name="Delivered",
    reason=f"{ARRIVED.reason}; please look: The PDF faktura.pdf shows total 1990.00; the invoice says total 990.00.",
    detail={"attachment": "faktura.pdf", "picture": [{"field": "total", "said": "990.00", "shown": "1990.00"}]},
    links={"differs": "total"},
)


async def fill(gateway: Gateway, clock: SteadyClock, *, few: bool = False) -> dict[str, str]:
    """A year of a small company; gives what pages are looked at with, by name."""
    store: Any = gateway.store
    rows = {
        "refused": Sample(number="2026-1041", events=(SENT, NO), amount="18450.00", ago=timedelta(hours=2)),
        "unknown": Sample(
            number="2026-1039", other="Exempelkund 12 AB", events=(LOST,), amount="940.50", ago=timedelta(hours=30)
        ),
        "failed": Sample(
            number="2026-1037", other="Exempelkund 7 AB", events=(TO_MAIL, GAVE_UP), ago=timedelta(hours=26)
        ),
        "sent": Sample(number="2026-1042", events=(LATER, SENT), amount="125000.00", ago=timedelta(hours=1)),
        "queued": Sample(number="2026-1043", other="Exempelkund 3 AB", events=(LATER,), ago=timedelta(minutes=5)),
        "letter": Sample(number="2026-1040", other="Exempelkund 31 AB", events=(TO_LETTER, HANDED)),
        "mailed": Sample(
            number="2026-1038", other="Exempelkund 12 AB", events=(TO_MAIL, HANDED), ago=timedelta(hours=9)
        ),
        "back": Sample(
            number="2026-1036", other="Exempelkund 31 AB", events=(TO_LETTER, HANDED), ago=timedelta(days=9)
        ),
        "waiting": Sample(number="F-88213", direction=Direction.IN, other="Exempelleverantör 2 AB", amount="4312.00"),
        "taken": Sample(
            number="F-88190", direction=Direction.IN, other="Exempelleverantör 5 AB", events=(ARRIVED,), amount="199.00"
        ),
        "virus": Sample(
            number="F-88177",
            direction=Direction.IN,
            other="Exempelleverantör 8 AB",
            events=(VIRUS,),
            amount="880.00",
            ago=timedelta(hours=40),
        ),
        "picture": Sample(
            number=LYING.number,
            direction=Direction.IN,
            other=LYING.supplier_name,
            amount=f"{LYING.total:.2f}",
            octets=pairs.ubl(LYING)
            .replace(f"{MARK_SV} {MARK}".encode(), b"Tack!")
            .replace(b" / as in the attached invoice", b""),
            ago=timedelta(hours=41),
        ),
        "differs": Sample(
            number="F-88169",
            direction=Direction.IN,
            other="Exempelleverantör 9 AB",
            events=(DIFFERS,),
            amount="990.00",
            ago=timedelta(hours=42),
        ),
        "others": Sample(number="B-1", account=BETA, other="Exempelkund 99 AB", events=(SENT, NO)),
    }
    found: dict[str, str] = {name: await add(store, clock, row) for name, row in rows.items()}
    for value, name in ((OURS, "Exempel AB"), ("0007:5569876540", "Exempel Fastigheter AB")):
        company = Participant(id=ParticipantId.parse(value), account=ALPHA, name=name, country="SE")
        await store.save_participant(company)
    deed = Deed(account=ALPHA, actor="admin@exempel.example", action="user-added", subject="ny@exempel.example")
    await store.people.add("ny@exempel.example", Role.CLERK, hash_secret("ny"), NOW + timedelta(days=7), deed)
    for _ in range(3):
        with suppress(PeerUnavailable), gateway.outbound.breakers.trying("POP000777"):
            raise PeerUnavailable("https://ap.example/as4 gave no answer: none came within 120 s", sent=False)
    ways = ((SENT, ARRIVED), (SENT,), (TO_MAIL, HANDED), (TO_LETTER, HANDED), (SENT, ARRIVED))
    for number in range(0 if few else 60):
        way = ways[number % 5 if number < 30 else number % 4]
        ago = timedelta(hours=5, days=number * 6)
        await add(store, clock, Sample(number=f"2026-{1030 - number}", other=_customer(number), events=way, ago=ago))
    await Following(follower=store.money).catch_up()
    await _propose(store)
    clock.time = NOW - timedelta(days=2)
    found |= await hand_in(gateway, ALPHA)
    clock.time = NOW - timedelta(days=3)  # behind the other reviews
    found["review_picture"] = await attach_picture(gateway, ALPHA, found["picture"])
    clock.time = NOW - timedelta(days=2)
    found |= await fill_postroom(store, ALPHA, clock, found)
    clock.time = NOW
    sweep, _ = await gateway.sweeping.begin(ALPHA, "admin@exempel.example")
    return found | await enter(store, ALPHA, BETA, NOW) | {"sweep": sweep.id}


async def _propose(store: SqlStore) -> None:
    """Two proposals that wait and one that was declined, for customers who get letters."""
    parties = [
        Counterpart(
            id=CounterpartId(f"c{n}"),
            account=ALPHA,
            role=CounterpartRole.CUSTOMER,
            number=f"K{n}",
            name=_customer(n),
            preferred="print",
            created=NOW,
            updated=NOW,
        )
        for n in range(3)
    ]
    states = (ProposalState.OPEN, ProposalState.SNOOZED, ProposalState.DECLINED)
    proposals = [
        Proposal(
            id=ProposalId(f"p{n}"),
            account=ALPHA,
            counterpart=party.id,
            direction=Direction.OUT,
            state=states[n],
            from_channel="print",
            participant="0007:5567212047",
            volume=12 + n,
            saving=Decimal(180 + 15 * n),
            risks=("name-mismatch",) if n == 0 else (),
            text_sv=f"Flytta {party.name} från brev till e-faktura.",
            text_en=f"Move {party.name} from letter to e-invoice.",
            snoozed_until=NOW + timedelta(days=30) if n == 1 else None,
            decided=NOW if n else None,
            created=NOW,
            updated=NOW,
        )
        for n, party in enumerate(parties)
    ]
    changes = Changes(
        counterparts=tuple((one, None) for one in parties), proposals=tuple((one, None) for one in proposals)
    )
    await store.relations.commit(changes)


def _customer(number: int) -> str:
    return f"Exempelkund {number * 7 % 40 + 1} AB"


def someone(role: Role, account: AccountId = ALPHA) -> str:
    """The name of somebody with that role there."""
    return next(name for name, places in PEOPLE.items() if places[0] == (account, role))
