"""How a party can be reached at all, whoever asks: by organisation number, VAT number, GLN, participant, or name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.errors import InvalidAddress, LookupUnavailable
from gateway.exchange.proposing import prices_of
from gateway.model.counterpart import Counterpart, CounterpartFilter, Quality, Role
from gateway.model.document import Company, PostalAddress
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Direction
from gateway.model.numbers import normal
from gateway.model.prices import Price, price_of
from gateway.model.relating import Relation, Verdict
from gateway.model.relation import Reachable, Reason, Step
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Clock, Lookup, Store
from gateway.routing.words import channel_words
from gateway.ubl.candidates import Candidate, candidates

_COUNTERPARTS_MOST: Final = 5
_CANDIDATES_MOST: Final = 20
_ORDER: Final = {Verdict.POSITIVE: 0, Verdict.INDETERMINATE: 1, Verdict.NEGATIVE: 2}
WHY_NOT: Final = {
    Reason.NOT_REGISTERED: "numret finns inte i nätverkets register",
    Reason.NO_DOCUMENT_TYPE: "den finns i nätverket, men inte för fakturor",
    Reason.NO_PROCESS: "den finns i nätverket, men inte för fakturor på det sätt som de skickas här",
    Reason.NO_TRANSPORT: "den kan bara nås på ett sätt som inte används längre",
    Reason.EXPIRED: "dess mottagning är avslutad eller inte öppnad ännu",
    Reason.BROKEN_REGISTRATION: "nätverkets register pekar på en SMP som inte känner till den",
}
"""The reason of a no in Swedish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One way to the party."""

    channel: str
    verdict: Verdict
    participant: str = ""
    origin: str = ""
    """Where the participant comes from, in words."""
    address: str = ""
    seat: str = ""
    smp: str = ""
    expires: datetime | None = None
    document_types: tuple[str, ...] = ()
    counterpart: str = ""
    state: str = ""
    """Of the account's relation with it."""
    price: Price | None = None
    sv: str
    en: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaching:
    """Asks register and network. Nothing is written."""

    store: Store
    lookup: Lookup
    clock: Clock
    channels: tuple[str, ...]
    country: str
    """Of a number that names none."""

    async def ways(self, account: AccountId, party: str, country: str, name: str) -> Sequence[Reach]:
        """Every way, the best first: e-invoice, mail, letter; then what was asked in vain."""
        wanted = {one.participant: one.origin for one in read_party(party, country or self.country, name)}
        known = await self._known(account, party, name, list(wanted))
        for one in known:
            for number in one.addresses:
                wanted.setdefault(ParticipantId(number.key), f"customer register, {number.origin}")
        land = country or next((one.country for one in known if one.country), self.country)
        relations = [r for one in known for r in await self.store.relations.relations(account, one.id)]
        prices, share = await prices_of(self.store, account, self.clock.now())
        day = self.clock.now().date()
        price = {name: price_of(prices, name, land, day, share) for name in ("peppol", *self.channels)}
        asked = [
            self._ask(p, origin, price["peppol"], relations) for p, origin in list(wanted.items())[:_CANDIDATES_MOST]
        ]
        found = list(await asyncio.gather(*asked))
        for one in known:
            found += self._others(one, price)
        return sorted(found, key=lambda way: (_ORDER[way.verdict], way.channel != "peppol", way.channel != "email"))

    async def _known(
        self, account: AccountId, party: str, name: str, wanted: Sequence[ParticipantId]
    ) -> Sequence[Counterpart]:
        rows = self.store.relations
        found: dict[str, Counterpart] = {}
        for role in Role:
            for one in await rows.known_by(account, role, [p.value for p in wanted]) if wanted else ():
                found[one.id] = one
        if not found:
            words = name or ("" if wanted else party)
            if words:
                page, _ = await rows.counterparts(account, CounterpartFilter(query=words, limit=_COUNTERPARTS_MOST))
                found = {one.id: one for one in page}
        return list(found.values())[:_COUNTERPARTS_MOST]

    async def _ask(
        self, participant: ParticipantId, origin: str, price: Price | None, relations: Sequence[Relation]
    ) -> Reach:
        state = next(
            (str(r.state) for r in relations if r.participant == participant.value and r.direction is Direction.OUT), ""
        )
        try:
            answer = await self.lookup.find(participant, BILLING_INVOICE, BILLING_PROCESS)
        except LookupUnavailable as error:
            return Reach(
                channel="peppol",
                verdict=Verdict.INDETERMINATE,
                participant=participant.value,
                origin=origin,
                state=state,
                sv=f"Inget säkert svar om {participant.value}: {error}",
                en=f"No certain answer about {participant.value}: {error}",
                steps=error.steps,
            )
        if isinstance(answer, Reachable):
            return Reach(
                channel="peppol",
                verdict=Verdict.POSITIVE,
                participant=participant.value,
                origin=origin,
                seat=answer.endpoint.seat,
                smp=answer.smp,
                expires=answer.endpoint.expires,
                document_types=tuple(str(one) for one in answer.document_types),
                state=state,
                price=price,
                sv=f"{participant.value} tar emot e-fakturor genom {answer.endpoint.seat}",
                en=f"{participant.value} takes e-invoices at {answer.endpoint.seat}",
                steps=answer.steps,
            )
        return Reach(
            channel="peppol",
            verdict=Verdict.NEGATIVE,
            participant=participant.value,
            origin=origin,
            state=state,
            sv=f"{participant.value} tar inte emot e-fakturor: {WHY_NOT[answer.reason]}",
            en=f"{participant.value} takes no e-invoices: {answer.text}",
            steps=answer.steps,
        )

    def _others(self, one: Counterpart, prices: Mapping[str, Price | None]) -> list[Reach]:
        """Mail and letter, where the register has an address that is not known to be bad."""
        found = []
        letter = ", ".join(part for part in (one.address.street, one.address.postal_code, one.address.city) if part)
        for channel, address, quality in (
            ("email", one.email, one.email_quality),
            ("print", letter if one.address.deliverable else "", one.address_quality),
        ):
            sv, en = channel_words(channel)
            if not address or channel not in self.channels:
                continue
            good = quality is not Quality.BAD and channel not in one.opt_out
            why_sv, why_en = ("", "") if good else (", men används inte", ", but it is not used")
            found.append(
                Reach(
                    channel=channel,
                    verdict=Verdict.POSITIVE if good else Verdict.NEGATIVE,
                    address=address,
                    counterpart=one.id,
                    price=prices[channel],
                    sv=f"{one.name} har en adress för {sv}{why_sv}",
                    en=f"{one.name} has an address for {en}{why_en}",
                )
            )
        return found


def read_party(text: str, country: str, name: str = "") -> list[Candidate]:
    """Under which participants the party may be known; none for a name."""
    bare = text.strip()
    if re.match(r"(iso6523-actorid-upis::)?[0-9]{4}:", bare):
        try:
            return [Candidate(ParticipantId.parse(bare), "as asked")]
        except InvalidAddress:
            return []
    digits = re.sub(r"[\s.-]", "", bare).upper()
    if re.fullmatch(r"[0-9]{13}", digits) and normal("0088", digits):
        return [Candidate(ParticipantId(f"0088:{digits}"), "GLN as asked")]
    if not re.fullmatch(r"[A-Z]{0,3}[0-9A-Z]*[0-9]{5,}[0-9A-Z]*", digits):
        return []
    land = digits[:2] if digits[:2].isalpha() else country
    company = Company(
        name=name,
        legal_id=digits,
        vat_id=digits if digits[:2].isalpha() else "",
        address=PostalAddress(country=land),
    )
    return list(candidates(company))
