"""One step of a document whose sender left the way to us: look, ask, choose, and go that way with every reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.errors import GatewayError, LookupUnavailable
from gateway.exchange import relations
from gateway.exchange.routing import Routing, Way, with_way
from gateway.exchange.step import Outcome, describe_steps, explained, facts_of, lookup_evidence
from gateway.files.spool import Place
from gateway.model.lifecycle import Event
from gateway.model.message import Message, Route
from gateway.model.relation import Reachable
from gateway.routing.decision import Choice
from gateway.ubl.submission import Submission

if TYPE_CHECKING:
    from gateway.exchange.outbound import Outbound

_HELD: Final = (
    "Let the receiver be registered, or set the counterpart to mail or letter for a copy; then requeue the document."
)


async def send_best(
    outbound: Outbound, routing: Routing, message: Message, submission: Submission, place: Place | None
) -> Outcome:
    """Send over the network, divert, wait, or hold for a person. "Don't know" waits, whatever is set."""
    facts = facts_of(submission)
    way = await routing.look(message, facts)
    if way.plan.only is not Route.AUTO:
        return await _explicit(outbound, message, submission, place, way)
    found: Reachable | relations.NoRelation | LookupUnavailable | None = None
    if way.plan.ask and way.plan.wait is None:
        try:
            found = await relations.search(outbound.lookup, way.wanted, facts.document_type, facts.process)
        except LookupUnavailable as error:
            found = error
    choice = await routing.choose(way, message, facts, found)
    steps = found.steps if found is not None else ()
    evidence = lookup_evidence(steps)
    if choice.way == "network":
        assert isinstance(found, Reachable)
        outcome = await outbound.transmit(message, submission, found, place)
        if outcome.event.name == "Sent":
            await routing.sent(way, message, found)
        elif outcome.event.name == "Rejected":
            await routing.refused(way, message, found, outcome.event.reason)
        event = with_way(outcome.event, choice)
        return Outcome(message=outcome.message, event=event, evidence=(*evidence, *outcome.evidence))
    detail: dict[str, object] = {"steps": describe_steps(steps)} if steps else {}
    if isinstance(found, LookupUnavailable):
        event = outbound.retry.after(message, f"The relation search got no answer: {found}", outbound.clock.now())
        event = explained_event(event, found)
    elif choice.way == "wait":
        event = Event(name="Postponed", reason=choice.reason.en, next_attempt=choice.until)
    elif choice.way == "hold":
        reason = "; ".join(said.en for said in choice.said if said.step != "preference")
        event = Event(name="GaveUp", reason=reason, detail={"remedy": _HELD})
    else:
        event = await outbound.divert(message, submission, _why_not(found, message, choice), order=choice.order)
    event = with_way(replace(event, detail={**detail, **event.detail}), choice)
    return Outcome(message=message, event=event, evidence=evidence)


async def _explicit(
    outbound: Outbound, message: Message, submission: Submission, place: Place | None, way: Way
) -> Outcome:
    """As if the sender had asked for this way: nothing else is ever tried."""
    outcome = await outbound.send_read(replace(message, route=way.plan.only), submission, place)
    event = with_way(outcome.event, Choice(way="only", said=way.plan.said))
    return replace(outcome, event=event, message=replace(outcome.message, route=message.route))


def explained_event(event: Event, error: GatewayError) -> Event:
    """The event with the failure's kind and remedy."""
    return replace(event, detail={**event.detail, **explained(error)})


def _why_not(found: Reachable | relations.NoRelation | None, message: Message, choice: Choice) -> str:
    """Why it does not go over the network, as the first of the reasons."""
    if isinstance(found, relations.NoRelation):
        return f"not on the network: {found.text}"
    if isinstance(found, Reachable) and not message.sender:
        return "not on the network: the seller has no identifier on the network"
    return "; ".join(said.en for said in choice.said)
