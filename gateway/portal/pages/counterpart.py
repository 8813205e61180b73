"""One counterpart: how it is reached and why, what was asked and answered, its documents, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

from aiohttp import web

from gateway.exchange.foreseeing import Checked, Foreseeing, Foreseen
from gateway.model.counterpart import Counterpart, CounterpartFilter, Origin, Quality, Role
from gateway.model.message import Direction, Filter
from gateway.model.prices import DEFAULT, saving
from gateway.model.relating import LookupEvidence, Relation, Verdict
from gateway.model.relation import Step
from gateway.portal.pages.counterparts import (
    ONE,
    STATE_TONES,
    VERDICT_TONES,
    channel_word,
    counterpart_of,
)
from gateway.portal.pages.documents import Line, other_party
from gateway.portal.telling import CHANNEL_SIGNS, Tone, tell
from gateway.portal.visit import WORKERS, Page, Visit
from gateway.ports import Changes
from gateway.web.problem import bad_request

_DOCUMENTS: Final = 8
_EVIDENCE: Final = 40
_KINDS: Final = (("network", "SML and SMP"), ("network", "NAPTR"), ("shared", "documents of accounts"))
"""Where an answer comes from, by how the question begins."""
_SHOWN_EVIDENCE: Final = 12
_PROPOSALS: Final = 5
_ONLY_ONE: Final = CounterpartFilter(limit=1)
_ORDER: Final = ("positive", "indeterminate", "", "authoritative_negative")
_OUTLOOK_TONES: Final[dict[str, Tone]] = {
    "peppol": "good",
    "email": "",
    "print": "",
    "ask": "wait",
    "wait": "wait",
    "hold": "care",
    "none": "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WayTo:
    """One way to reach it, with what proves it."""

    channel: str
    sign: str
    address: str
    origin: str
    """Where the address comes from, in words."""
    verdict: str
    word: str
    tone: Tone
    text: str = ""
    """The answer, in the reader's language."""
    time: datetime | None = None


def ways_to(visit: Visit, one: Counterpart, evidence: Sequence[LookupEvidence]) -> list[WayTo]:
    """Every address, the one that surely works first."""
    found: list[WayTo] = []
    newest: dict[str, LookupEvidence] = {}
    for row in evidence:
        newest.setdefault(row.participant, row)
    for number in one.addresses:
        known = newest.get(number.key)
        verdict = str(known.verdict) if known else ""
        found.append(
            WayTo(
                channel=visit.t("channel.peppol"),
                sign="send",
                address=number.key,
                origin=visit.t(f"counterpart.origin-{number.origin}"),
                verdict=verdict,
                word=visit.t(f"counterpart.verdict-{verdict or 'none'}"),
                tone=VERDICT_TONES.get(verdict, ""),
                text=answered(visit, known) if known else "",
                time=known.time if known else None,
            )
        )
    letter = ", ".join(part for part in (one.address.street, one.address.postal_code, one.address.city) if part)
    for channel, address, quality in (
        ("email", one.email, one.email_quality),
        ("print", letter if one.address.deliverable else "", one.address_quality),
    ):
        if address:
            bad = quality is Quality.BAD
            found.append(
                WayTo(
                    channel=visit.t(f"channel.{channel}"),
                    sign=CHANNEL_SIGNS[channel],
                    address=address,
                    origin=visit.t(f"counterpart.origin-{one.origin}"),
                    verdict="authoritative_negative" if bad else "positive" if quality is Quality.GOOD else "",
                    word=visit.t(f"counterpart.quality-{quality}"),
                    tone="bad" if bad else "good" if quality is Quality.GOOD else "",
                )
            )
    return sorted(found, key=lambda way: (_ORDER.index(way.verdict), way.sign != "send"))


def answered(visit: Visit, row: LookupEvidence) -> str:
    """What a stored answer says, in the reader's language; its own words are kept as they came."""
    kind = next((kind for kind, begins in _KINDS if row.asked.startswith(begins)), "other")
    return visit.t(f"counterpart.answer-{kind}-{row.verdict}")


def explained(visit: Visit, answer: Checked) -> str:
    """What came of a question that was asked just now, in the reader's language."""
    if answer.reason is not None:
        return visit.t(f"counterpart.no-{answer.reason}")
    if answer.verdict is Verdict.POSITIVE:
        return visit.t("counterpart.takes-at", seat=answer.seat)
    return visit.t(f"counterpart.answer-network-{answer.verdict}")


def question(visit: Visit, step: Step) -> str:
    """What a step asks, in plain words; empty where its own words must do."""
    method, _, address = step.asked.partition(" ")
    if method == "NAPTR":
        return visit.t("counterpart.asks-register")
    if method == "GET":
        return visit.t(f"counterpart.asks-{'document' if '/services/' in address else 'list'}")
    return ""


async def show(visit: Visit) -> web.StreamResponse:
    """Everything about one."""
    return await _page(visit, await counterpart_of(visit))


async def _page(visit: Visit, one: Counterpart, checked: Sequence[Checked] | None = None) -> web.Response:
    store, account = visit.gateway.store, visit.account
    rows = store.relations
    ways = await rows.relations(account, one.id)
    evidence = await rows.evidence(account, one.id, _EVIDENCE)
    proposals, _ = await rows.proposals(account, counterpart=one.id, limit=_PROPOSALS)
    customer = one.role is Role.CUSTOMER
    foreseen = await foreseeing_of(visit).foresee(one, ways, evidence) if customer else None
    listed, _ = await rows.listed(account, replace(_ONLY_ONE, among=(one.id,)))
    direction = Direction.OUT if customer else Direction.IN
    keys = tuple(number.key for number in one.addresses)
    which = Filter(direction=direction, parties=keys, names=one.all_names, limit=_DOCUMENTS)
    documents, _ = await store.find(account, which)
    usual = listed[0].channel if listed else "none"
    return visit.render(
        "counterpart.html",
        one=one,
        customer=customer,
        usual=channel_word(visit, usual, one.role),
        foreseen=_told(visit, foreseen) if foreseen else None,
        ways=ways_to(visit, one, evidence),
        relations=[(way, visit.word(f"relation.{way.state}", way.state), _tone(way)) for way in ways],
        evidence=[(row, answered(visit, row)) for row in evidence[:_SHOWN_EVIDENCE]],
        verdict_tones=VERDICT_TONES,
        proposals=proposals,
        documents=[Line(message=m, told=tell(visit, m), other=other_party(m)) for m in documents],
        checked=checked,
        explained=partial(explained, visit),
        question=partial(question, visit),
        cheaper=await _cheaper(visit, one, usual) if customer else None,
        sv=visit.language == "sv",
    )


def _tone(way: Relation) -> Tone:
    return STATE_TONES.get(str(way.state), "")


def foreseeing_of(visit: Visit) -> Foreseeing:
    """What looks ahead, and asks the network, for the visitor's account."""
    gateway = visit.gateway
    return Foreseeing(
        store=gateway.store,
        lookup=gateway.lookup,
        clock=gateway.clock,
        channels=tuple(gateway.outbound.channels),
        country=gateway.config.operator.country,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would happen, in words."""

    word: str
    tone: Tone
    sign: str
    until: datetime | None
    steps: tuple[tuple[str, str], ...]
    """Which step it is, and its sentence."""


def _told(visit: Visit, foreseen: Foreseen) -> Outlook:
    return Outlook(
        word=visit.t(f"counterpart.outlook-{foreseen.outlook}"),
        tone=_OUTLOOK_TONES[foreseen.outlook],
        sign=CHANNEL_SIGNS.get(foreseen.outlook, ""),
        until=foreseen.until,
        steps=tuple(
            (visit.word(f"counterpart.step-{s.step}", s.step), visit.either(s.sv, s.en)) for s in foreseen.said
        ),
    )


async def _cheaper(visit: Visit, one: Counterpart, usual: str) -> tuple[Decimal, str] | None:
    """What an invoice would be cheaper by as e-invoice; None where it is one, or no price is known."""
    if usual not in ("email", "print"):
        return None
    prices = await visit.gateway.store.money.prices(visit.account) or DEFAULT
    money, currency = saving(prices, usual, "peppol", one.country, visit.gateway.clock.now().date())
    return (money, currency) if money > 0 else None


# -- what can be done


async def check(visit: Visit) -> web.StreamResponse:
    """Ask the network now, and show each step of the look-up."""
    one = await counterpart_of(visit)
    checked = await foreseeing_of(visit).check(one)
    found = sum(answer.verdict is Verdict.POSITIVE for answer in checked)
    detail = f"{one.name}: {found} of {len(checked)}"
    await visit.gateway.store.people.note(visit.deed("counterpart-checked", one.id, detail))
    return await _page(visit, one, checked)


async def remove(visit: Visit) -> web.StreamResponse:
    """Forget one; its documents, decisions and evidence stay."""
    one = await counterpart_of(visit)
    if (await visit.form()).get("sure") != "yes":
        raise bad_request("form:sure", "Say that you are sure.")
    await visit.gateway.store.relations.remove(visit.account, one.id, visit.someone.person.name)
    await visit.gateway.store.people.note(visit.deed("counterpart-removed", one.id, one.name))
    return visit.go(
        "/counterparts" + ("?role=supplier" if one.role is Role.SUPPLIER else ""), said="counterpart-removed"
    )


async def again(visit: Visit) -> web.StreamResponse:
    """An address that came back may be used again: somebody has asked and knows better."""
    one = await counterpart_of(visit)
    which = (await visit.form()).get("which", "")
    if which not in ("email", "address"):
        raise bad_request("form:which", "It is email or address.")
    now = visit.gateway.clock.now()
    changed = {f"{which}_quality": Quality.UNKNOWN}
    after = replace(one, updated=now, **changed)  # type: ignore[arg-type]
    await visit.gateway.store.relations.commit(Changes(counterparts=((after, one.updated),)))
    await visit.gateway.store.people.note(visit.deed("counterpart-changed", one.id, one.name))
    return visit.go(f"/counterparts/{one.id}", said="saved")


async def drop_number(visit: Visit) -> web.StreamResponse:
    """Take a number of the account's own register away."""
    one = await counterpart_of(visit)
    key = (await visit.form()).get("key", "")
    kept = tuple(number for number in one.identifiers if number.key != key)
    if len(kept) == len(one.identifiers):
        raise bad_request("form:key", "There is no such number.")
    without = {n.key for n in one.identifiers} - {n.key for n in kept}
    kept = tuple(n for n in kept if not (n.origin is Origin.DERIVED and any(w.startswith("0007:") for w in without)))
    after = replace(one, identifiers=kept, updated=visit.gateway.clock.now())
    await visit.gateway.store.relations.commit(Changes(counterparts=((after, one.updated),)))
    await visit.gateway.store.people.note(visit.deed("counterpart-changed", one.id, f"{one.name}: {key}"))
    return visit.go(f"/counterparts/{one.id}", said="saved")


PAGES: Final = (
    Page(path=ONE, show=show, under="counterparts"),
    *(
        Page(path=f"{ONE}/{name}", show=do, method="POST", who=WORKERS, under="counterparts")
        for name, do in (("check", check), ("remove", remove), ("again", again), ("drop-number", drop_number))
    ),
)
