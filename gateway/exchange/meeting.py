"""Counterparts that nobody has entered: an invoice brings its receiver or sender into the register."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from gateway.model.counterpart import MAX_IDENTIFIERS, Counterpart, CounterpartId, Identifier, Origin, Role
from gateway.model.document import Company
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.routing.matching import plain_name
from gateway.ubl.candidates import candidates


def keys_of(participants: Sequence[ParticipantId]) -> tuple[str, ...]:
    """The same as ``Identifier.key``."""
    return tuple(one.value for one in participants)


def counterpart_of(account: AccountId, company: Company, role: Role, keys: Sequence[str], now: datetime) -> Counterpart:
    """The counterpart that an invoice makes known.

    Its id follows from account, role, number and name, so that two invoices at once bring it once.
    """
    mark = keys[0] if keys else f"{company.address.postal_code.replace(' ', '')} {company.address.city.casefold()}"
    seed = f"{account}\n{role}\n{mark}\n{plain_name(company.shown_name)}"
    identifiers = tuple(
        Identifier(
            scheme=one.participant.icd,
            value=one.participant.number,
            origin=Origin.DERIVED if one.origin.startswith("GLN derived") else Origin.INVOICE,
        )
        for one in candidates(company)
    )
    names = (company.legal_name,) if company.legal_name and company.legal_name != company.shown_name else ()
    return Counterpart(
        id=CounterpartId(hashlib.sha256(seed.encode()).hexdigest()[:32]),
        account=account,
        role=role,
        name=company.shown_name[:200] or "?",
        names=tuple(name[:200] for name in names),
        country=company.country or company.vat_id[:2].upper(),
        identifiers=identifiers[:MAX_IDENTIFIERS],
        address=company.address,
        email=company.email[:254],
        origin=Origin.INVOICE,
        created=now,
        updated=now,
    )
