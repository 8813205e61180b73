"""The sockets towards others: clock, look-up, registers, transport, channels."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Message, Outgoing, Parcel
from gateway.model.often import made_often
from gateway.model.relation import Endpoint, Reachable, Unreachable
from gateway.model.signals import Handover, Receipt
from gateway.model.survey import Finding, Seen, Tally


class Clock(Protocol):
    """Where time comes from; tests bring their own."""

    def now(self) -> datetime:
        """The present, in UTC, aware."""
        ...


class Lookup(Protocol):
    """The relation search on the network."""

    async def find(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        """Ask whether and where the participant takes this document. Raises ``LookupUnavailable``."""
        ...

    async def find_afresh(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        """The same, asked for now, whatever is remembered."""
        ...


class Surveyor(Protocol):
    """The relation search for many participants, within what one may ask of a stranger's servers."""

    async def survey(
        self,
        source: AsyncIterable[Seen],
        note: Callable[[Seen, Finding], Awaitable[None]],
        *,
        most_requests: int | None = None,
        tally: Tally | None = None,
    ) -> Tally:
        """Ask for each of them and give ``note`` what is found, in any order, several at once.

        One question to DNS for each participant, however many accounts ask for it; at most ``most_requests`` to SMPs
        (then :class:`~gateway.model.survey.Deferred`), and only so many a second to one. Whatever fails is a finding;
        only what ``source`` or ``note`` raises is raised. ``tally`` tells how far it is.
        """
        ...


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A transport's success: the receipt and what was sent to earn it."""

    receipt: Receipt
    soap: bytes
    """The SOAP envelope as sent."""
    milliseconds: float


class Register(Protocol):
    """Where the network is told which SMP knows a participant: an SML, or the zone file of a private network.

    A call may have been done although it raised ``RegisterUnavailable``; each may be made again without harm.
    """

    async def enter(self, participant: ParticipantId, key: str = "") -> None:
        """Let the network find it at our SMP; with a migration key, take it over.

        Raises ``Conflict`` when another SMP has it, ``RegisterRefused``, ``RegisterUnavailable``.
        """
        ...

    async def leave(self, participant: ParticipantId) -> None:
        """Let the network forget it. Raises ``RegisterRefused``, ``RegisterUnavailable``."""
        ...

    async def hand_over(self, participant: ParticipantId, key: str) -> None:
        """Let whoever brings the key take it over. Raises ``RegisterRefused``, ``RegisterUnavailable``."""
        ...


class Listing(Protocol):
    """A public directory of business cards, which reads them by itself once it is told."""

    async def index(self, participant: ParticipantId) -> None:
        """Let it read the card. Raises ``RegisterRefused``, ``RegisterUnavailable``."""
        ...

    async def forget(self, participant: ParticipantId) -> None:
        """Let it drop the card. Raises ``RegisterRefused``, ``RegisterUnavailable``."""
        ...


class Transport(Protocol):
    """A way to another access point."""

    async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
        """Send once and check the receipt.

        Raises ``PeerUnavailable`` (no valid answer; ``sent`` tells if the octets may be there),
        ``InvalidAnswer`` (an answer that proves nothing), ``PeerRefused`` (an ebMS error).
        """
        ...


class Channel(Protocol):
    """A way to somebody who is not on the network, or from us to C4."""

    name: str
    confirms: bool
    """True when a handover means that the far side has it."""

    def serves(self, parcel: Parcel) -> str:
        """Empty text when this channel can take the parcel, else the reason why not, in one sentence."""
        ...

    async def dispatch(self, parcel: Parcel) -> Handover:
        """Hand the parcel over; the same parcel twice is one handover.

        Raises ``ChannelUnavailable`` (later) or ``ChannelRefused`` (never).
        """
        ...


@runtime_checkable
class Repeatable(Protocol):
    """A channel that remembers what it has handed over, and can be told to do it once more."""

    async def forget(self, message: Message) -> None:
        """The next handover of this document shall reach the far side again. Raises ``ChannelUnavailable``."""
        ...


@runtime_checkable
class Closable(Protocol):
    """A channel that keeps connections."""

    async def aclose(self) -> None:
        """Close them."""
        ...
