"""A small register of customers and suppliers for the demo store: one of each kind that a page shows differently."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gateway.exchange.ids import new_document_id
from gateway.model.counterpart import (
    Counterpart,
    CounterpartId,
    Identifier,
    Origin,
    PartyKind,
    Quality,
    Role,
)
from gateway.model.document import PostalAddress
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction
from gateway.model.relating import EvidenceId, LookupEvidence, Relation, RelationState, Verdict
from gateway.ports import Changes
from gateway.store import SqlStore
from tests.web.conftest import THEIRS

ADDRESS = PostalAddress(name="x", street="Storgatan 1", postal_code="111 22", city="Exempelstad", country="SE")


def number(key: str, origin: Origin = Origin.MASTER_DATA) -> Identifier:
    scheme, _, value = key.partition(":")
    return Identifier(scheme=scheme, value=value, origin=origin)


async def enter(store: SqlStore, account: AccountId, other: AccountId, now: datetime) -> dict[str, str]:
    """Commit them; gives their ids by name."""

    def party(name: str, id_: str, **values: Any) -> Counterpart:
        role = values.pop("role", Role.CUSTOMER)
        many = {"address": replace(ADDRESS, name=name), "country": "SE", **values}
        return Counterpart(
            id=CounterpartId(id_), account=account, role=role, name=name, created=now, updated=now, **many
        )

    reached = party(
        "Nordisk Kontorsmaterial AB",
        "nordisk",
        number="K1001",
        kind=PartyKind.BUSINESS,
        email="faktura@kund.example",
        names=("Nordisk Kontor",),
        identifiers=(number(THEIRS), number("0088:7365567212047", Origin.DERIVED), number("9955:se556721204701")),
    )
    doubtful = party(
        "Exempelkund 21 AB",
        "vetinte",
        number="K1021",
        email="gammal@kund.example",
        email_quality=Quality.BAD,
        identifiers=(number("0007:5569876540", Origin.INVOICE),),
    )
    plain = party("Exempelkund 22 AB", "brevkund", number="K1022", opt_out=("peppol", "email"), preferred="print")
    public = party("Exempelstads kommun", "kommun", number="K1023", kind=PartyKind.PUBLIC, route="peppol")
    lost = party("Exempelkund 24 AB", "borta", number="K1024", email="info@kund24.example")
    supplier = party(
        "Exempelleverantör 2 AB", "leverantor", number="L2", role=Role.SUPPLIER, identifiers=(number(THEIRS),)
    )

    def way(of: Counterpart, state: RelationState, sv: str, en: str, **values: Any) -> Relation:
        direction = Direction.OUT if of.role is Role.CUSTOMER else Direction.IN
        return Relation(
            account=account,
            counterpart=of.id,
            direction=direction,
            state=state,
            participant=THEIRS,
            seat="POP000002",
            reason_sv=sv,
            reason_en=en,
            since=now - timedelta(days=40),
            confirmed=now - timedelta(days=2),
            created=now,
            updated=now,
            **values,
        )

    def answer(of: Counterpart, place: int, key: str, verdict: Verdict, text: str) -> LookupEvidence:
        time = now - timedelta(days=2, minutes=-place)
        return LookupEvidence(
            id=EvidenceId(new_document_id(time)),
            account=account,
            counterpart=of.id,
            participant=key,
            asked=f"SML and SMP for {key}",
            place="smp.example.org",
            verdict=verdict,
            text=text,
            milliseconds=41.5,
            time=time,
        )

    taken = "Tas genast, som kontot har bestämt", "Taken at once, as the account has decided"
    gone = "Adressen är borta sedan två dygn", "The address has been gone for two days"
    await store.relations.commit(
        Changes(
            counterparts=tuple((one, None) for one in (reached, doubtful, plain, public, lost, supplier)),
            relations=(
                (way(reached, RelationState.ACTIVE, *taken), None),
                (way(lost, RelationState.LOST, *gone, next_check=now + timedelta(days=1)), None),
                (way(supplier, RelationState.ACTIVE, *taken), None),
            ),
            evidence=(
                answer(
                    reached,
                    1,
                    "0088:7365567212047",
                    Verdict.NEGATIVE,
                    "0088:7365567212047 is not registered (NXDOMAIN)",
                ),
                answer(reached, 2, THEIRS, Verdict.POSITIVE, "POP000002 at https://smp.example.org"),
                answer(
                    doubtful,
                    1,
                    "0007:5569876540",
                    Verdict.INDETERMINATE,
                    "the SMP smp.example.org gave no usable answer: no answer within 5 s",
                ),
            ),
        )
    )
    return {"reached": reached.id, "doubtful": doubtful.id, "supplier": supplier.id}
