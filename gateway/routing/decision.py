"""The outbound decision: which way this invoice goes now, and why.

In this order: what was asked for explicitly (never anything else), the law, what the company has set, the relation that
is there, the search, whether name and number agree, what the account lets us decide alone. ``plan`` says whether the
network is to be asked at all; ``conclude`` what follows from its answer. Two rules are older than all settings:
"don't know" is no answer, so it waits; and paper takes only what the network has refused with authority.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from gateway.model.counterpart import Acceptance, AutoAccept, Counterpart, PartyKind, RelationPolicy
from gateway.model.message import Route
from gateway.model.often import made_often
from gateway.model.relating import Relation, RelationEvent, RelationState, Verdict
from gateway.routing import holding
from gateway.routing.gates import Gate, gate, kind_of, looks_public
from gateway.routing.words import Said, channel_words

_S: Final = RelationState
ORDER: Final = ("email", "print")


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that the decision looks at."""

    now: datetime
    accepted: datetime
    """When the invoice came, or was requeued."""
    day: date
    """Its day of issue: the law of that day counts."""
    seller_country: str
    buyer_country: str
    buyer_vat: str = ""
    amount: Decimal | None = None
    keys: tuple[str, ...] = ()
    """The buyer's numbers as they stand on the invoice, or follow from those (``Identifier.key``)."""
    channels: tuple[str, ...] = ORDER
    """Fallback channels that are switched on, in the order in which they are tried."""
    policy: RelationPolicy = field(default_factory=RelationPolicy)
    counterpart: Counterpart | None = None
    relation: Relation | None = None
    name_mismatch: bool = False
    """The register has the number under another name."""
    in_use_elsewhere: bool = False
    """The receiver gets e-invoices already, at another address than the invoice names; ``relation`` is None then."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the search came to."""

    verdict: Verdict
    text: str = ""
    """In words, of the network."""
    participant: str = ""
    seat: str = ""
    ours: bool = False
    """A negative that lies with us (the seller has no address): it says nothing of the receiver."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is decided before the network is asked."""

    only: Route = Route.AUTO
    """Other than ``auto``: explicit, and nothing else is tried."""
    ask: bool = True
    order: tuple[str, ...] = ()
    """Other ways that may carry the invoice, in their order."""
    gate: Gate = field(default_factory=Gate)
    wait: datetime | None = None
    """Nothing is tried before then."""
    said: tuple[Said, ...] = ()


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which way, and what it does to the relation."""

    way: Literal["network", "divert", "wait", "hold", "only"]
    """``hold``: a person must decide."""
    order: tuple[str, ...] = ()
    until: datetime | None = None
    events: tuple[RelationEvent, ...] = ()
    propose: bool = False
    risks: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()

    @property
    def reason(self) -> Said:
        """The sentence that decided."""
        return self.said[-1]


def plan(s: Situation) -> Plan:
    """Everything that can be said before the network is asked."""
    said: list[Said] = []
    counterpart = s.counterpart
    if counterpart is not None and counterpart.route is not Route.AUTO:
        sv, en = channel_words(counterpart.route)
        text_sv, text_en = (
            f"{counterpart.name} ska alltid få {sv}",
            f"{counterpart.name} is to get {en} and nothing else",
        )
        return Plan(only=counterpart.route, ask=False, said=(Said(step="explicit", sv=text_sv, en=text_en),))
    law = gate(
        seller=s.seller_country,
        buyer=s.buyer_country,
        kind=kind_of(s.buyer_country, counterpart.kind if counterpart else PartyKind.UNKNOWN, s.buyer_vat),
        day=s.day,
        mandate=counterpart.mandate if counterpart else "",
    )
    said += law.said
    if not law.said and (counterpart is None or counterpart.kind is PartyKind.UNKNOWN):
        said += _public_hint(s)
    order = [channel for channel in s.channels if not (law.structured and channel in law.copy_only)]
    ask = True
    if counterpart is not None:
        refused = [channel for channel in counterpart.opt_out if channel in (*order, "peppol")]
        order = [channel for channel in order if channel not in refused]
        ask = "peppol" not in refused
        if refused:
            sv, en = (", ".join(channel_words(one)[place] for one in refused) for place in (0, 1))
            name = counterpart.name
            said.append(Said(step="preference", sv=f"{name} vill inte ha {sv}", en=f"{name} does not want {en}"))
        if counterpart.preferred in order:
            sv, en = channel_words(counterpart.preferred)
            order = [counterpart.preferred, *(one for one in order if one != counterpart.preferred)]
            name = counterpart.name
            said.append(Said(step="preference", sv=f"{name} är satt till {sv}", en=f"{name} is set to {en}"))
    wait = None
    way = s.relation
    if ask and way is not None and way.state is _S.QUARANTINED and way.next_check and way.next_check > s.now:
        wait = way.next_check
        said.append(_left_alone(way))
    return Plan(ask=ask, order=tuple(order), gate=law, wait=wait, said=tuple(said))


def conclude(s: Situation, p: Plan, answer: Answer | None) -> Choice:
    """What follows from the answer of the network; None when it was not asked."""
    if p.only is not Route.AUTO:
        return Choice(way="only", said=p.said)
    if p.wait is not None:
        return Choice(way="wait", until=p.wait, said=p.said)
    if answer is None:
        if p.gate.structured:
            return _held(p, p.said)
        said = Said(step="search", sv="Nätverket tillfrågades inte", en="The network was not asked")
        return _other_way(p, (*p.said, said))
    if answer.verdict is Verdict.INDETERMINATE:
        said = Said(
            step="search",
            sv=f"Nätverket gav inget säkert svar, och det är inget nej: fakturan väntar ({answer.text})",
            en=f"The network gave no certain answer, and that is no no: the invoice waits ({answer.text})",
        )
        return Choice(way="wait", said=(*p.said, said))
    if answer.verdict is Verdict.NEGATIVE:
        return _denied(s, p, answer)
    return _found(s, p, answer)


def _denied(s: Situation, p: Plan, answer: Answer) -> Choice:
    text = Said(step="search", sv=f"Finns inte i nätverket: {answer.text}", en=f"Not on the network: {answer.text}")
    said = (*p.said, text)
    way = s.relation
    events: tuple[RelationEvent, ...] = ()
    if way is not None and not answer.ours:
        if way.state is _S.ACTIVE:
            events, denied = ("Doubted",), s.now
        elif way.state is _S.SUSPECT:
            denied = way.denied or way.since
        elif way.state in (_S.VERIFIED, _S.PROPOSED):  # (a "no" of a person stays)
            events, denied = ("Vanished",), None
        elif way.state is _S.QUARANTINED:
            events, denied = ("Lost",), None
        else:
            denied = None
        if denied is not None:
            until = holding.next_question(denied, s.now, s.accepted)
            if until is not None:
                return Choice(way="wait", until=until, events=events, said=(*said, _vanished(way, until)))
            if holding.is_lost(denied, s.now):
                events = ("Lost",)
                said = (*said, _lost(way))
            else:
                said = (*said, _waited(way))
    if p.gate.structured:
        return _held(p, said, events=events)
    return _other_way(p, said, events=events)


def _found(s: Situation, p: Plan, answer: Answer) -> Choice:
    way, found = s.relation, answer.participant
    at = f"{found} ({answer.seat})" if answer.seat else found
    said = (*p.said, Said(step="search", sv=f"Finns i nätverket som {at}", en=f"Found on the network as {at}"))
    risks = _risks(s, answer)
    if p.gate.structured and "sink" in risks:
        sv = f"{answer.seat} skickar vidare som e-post: det är ingen strukturerad faktura"
        en = f"{answer.seat} passes on as mail: that is no structured invoice"
        return _held(p, (*said, Said(step="agreement", sv=sv, en=en)))
    if way is not None and way.state is _S.ACTIVE:
        sv, en = "Förbindelsen är i bruk", "The relation is in use"
        return Choice(way="network", risks=risks, said=(*said, Said(step="relation", sv=sv, en=en)))
    if way is not None and way.state is _S.SUSPECT:
        sv, en = "Mottagaren finns igen", "The receiver is there again"
        said = (*said, Said(step="relation", sv=sv, en=en))
        return Choice(way="network", events=("Confirmed",), risks=risks, said=said)
    if way is not None and way.state is _S.QUARANTINED:
        sv, en = "Ett försök efter flera avslag", "One try after several refusals"
        return Choice(way="network", risks=risks, said=(*said, Said(step="relation", sv=sv, en=en)))
    if way is not None and way.state is _S.DECLINED:
        sv, en = "Ni har tackat nej till e-faktura för den här kunden", "You said no to e-invoices for this customer"
        said = (*said, Said(step="policy", sv=sv, en=en))
        return _held(p, said) if p.gate.structured else _other_way(p, said)
    if s.in_use_elsewhere and found in s.keys and not s.name_mismatch:
        sv, en = "Kunden får redan e-faktura, på en annan adress", "The customer gets e-invoices already, elsewhere"
        return Choice(way="network", risks=risks, said=(*said, Said(step="relation", sv=sv, en=en)))
    events = _to_verified(way)
    doubt = _asks_first(s, p, answer)
    if doubt is None:
        sv, en = "Tas genast, som kontot har bestämt", "Taken at once, as the account has decided"
        said = (*said, Said(step="policy", sv=sv, en=en))
        return Choice(way="network", events=(*events, "Accepted"), risks=risks, said=said)
    state = way.state if way is not None else _S.NONE
    asked: tuple[RelationEvent, ...] = () if state is _S.PROPOSED else ("Proposed",)
    said = (*said, doubt)
    if p.gate.structured:
        return _held(p, said, events=(*events, *asked), propose=True, risks=risks)
    return _other_way(p, said, events=(*events, *asked), propose=True, risks=risks)


def _asks_first(s: Situation, p: Plan, answer: Answer) -> Said | None:
    """Why a person is asked before a new way is taken; None when the account lets us."""
    counterpart, policy = s.counterpart, s.policy
    accept = counterpart.acceptance if counterpart else Acceptance.INHERIT
    mode = {Acceptance.PROPOSE: AutoAccept.NEVER, Acceptance.AUTO: AutoAccept.ALWAYS}.get(accept, policy.auto_accept)
    if s.name_mismatch:
        return _ask("Numret hör i registret till ett annat namn", "The register has the number under another name")
    if mode is AutoAccept.NEVER:
        return _ask("Kontot vill tillfrågas om nya vägar", "The account wants to be asked about new ways")
    if accept is not Acceptance.AUTO:
        kind = counterpart.kind if counterpart else PartyKind.UNKNOWN
        if policy.kinds and kind not in policy.kinds:
            return _ask(
                "Automatiskt gäller inte den här sortens mottagare", "Automatic is not for this kind of receiver"
            )
        if policy.schemes and answer.participant[:4] not in policy.schemes:
            return _ask("Automatiskt gäller inte den här sortens adress", "Automatic is not for this kind of address")
        if _too_much(policy.largest, s.amount):
            return _ask("Beloppet är större än det som går automatiskt", "The amount is above what goes automatically")
    if mode is AutoAccept.ALWAYS:
        return None
    if counterpart is not None and counterpart.preferred and not p.gate.structured:
        sv, en = channel_words(counterpart.preferred)
        return _ask(f"Kunden är satt till {sv} och kan nu få e-faktura", f"Set to {en}, and can now get e-invoices")
    if answer.participant not in s.keys:
        return _ask("Adressen står inte på fakturan", "The address does not stand on the invoice")
    return None


def _ask(sv: str, en: str) -> Said:
    return Said(step="policy", sv=f"{sv}: den nya vägen föreslås först", en=f"{en}: the new way is proposed first")


def _too_much(largest: str, amount: Decimal | None) -> bool:
    if not largest:
        return False
    try:
        return amount is None or abs(amount) > Decimal(largest)
    except InvalidOperation:
        return True


def _to_verified(way: Relation | None) -> tuple[RelationEvent, ...]:
    """Events until it is at least verified."""
    state = way.state if way is not None else _S.NONE
    return ("Found",) if state in (_S.NONE, _S.CANDIDATE, _S.LOST) else ()


def _risks(s: Situation, answer: Answer) -> tuple[str, ...]:
    found: list[str] = []
    if s.name_mismatch:
        found.append("name-mismatch")
    if answer.seat and answer.seat in s.policy.sinks:
        found.append("sink")
    if s.counterpart is not None:
        if s.counterpart.preferred or (s.relation is not None and s.relation.state is not _S.ACTIVE):
            found.append("new-registration")
        numbers = {one.key: one for one in s.counterpart.identifiers}
        known = numbers.get(answer.participant)
        if known is not None and known.trust == 1:
            found.append("derived-number")
    return tuple(found)


def _held(
    p: Plan,
    said: Sequence[Said],
    *,
    events: tuple[RelationEvent, ...] = (),
    propose: bool = False,
    risks: tuple[str, ...] = (),
) -> Choice:
    law = Said(
        step="channel",
        sv="Väntar på en person: brev och PDF vore bara en kopia, ingen faktura",
        en="It waits for a person: a letter or PDF would be a copy only, no invoice",
    )
    return Choice(way="hold", events=events, propose=propose, risks=risks, said=(*said, law))


def _other_way(
    p: Plan,
    said: Sequence[Said],
    *,
    events: tuple[RelationEvent, ...] = (),
    propose: bool = False,
    risks: tuple[str, ...] = (),
) -> Choice:
    return Choice(way="divert", order=p.order, events=events, propose=propose, risks=risks, said=tuple(said))


def _public_hint(s: Situation) -> list[Said]:
    if not looks_public(s.buyer_country, s.keys) or s.seller_country != "SE":
        return []
    return [
        Said(
            step="legal",
            sv="Numret liknar en offentlig köpares, som ska få e-faktura: sätt motpartens sort för att det ska gälla",
            en="It looks like a public buyer's, who must get e-invoices: set the counterpart's kind to hold to it",
        )
    ]


def _left_alone(way: Relation) -> Said:
    return Said(
        step="relation",
        sv=f"{way.participant} har avslagit flera fakturor och lämnas i fred till {way.next_check:%H:%M} UTC",
        en=f"{way.participant} refused several invoices and is left alone until {way.next_check:%H:%M} UTC",
    )


def _vanished(way: Relation, until: datetime) -> Said:
    return Said(
        step="relation",
        sv=f"{way.participant} var nåbar nyss, byter kanske operatör: frågas igen {until:%H:%M} UTC",
        en=f"{way.participant} was reachable lately, maybe it changes operator: asked again {until:%H:%M} UTC",
    )


def _waited(way: Relation) -> Said:
    return Said(
        step="relation",
        sv=f"{way.participant} har varit borta längre än en faktura väntar",
        en=f"{way.participant} has been away for longer than an invoice waits",
    )


def _lost(way: Relation) -> Said:
    return Said(
        step="relation",
        sv=f"{way.participant} har varit borta i mer än ett dygn: förbindelsen är förlorad",
        en=f"{way.participant} has been away for more than a day: the relation is lost",
    )


def words_of(said: Sequence[Said]) -> list[Mapping[str, str]]:
    """The sentences as the timeline keeps them."""
    return [one.json for one in said]
