"""DNS and SMPs that fail in every way that is known: the other side of ``benchmarks.outages``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Final

from gateway.errors import LookupUnavailable
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.model.relation import Step
from gateway.model.services import BILLING_INVOICE
from gateway.security.keys import Identity
from gateway.security.weburl import WebRules
from gateway.smp.fetch import Fetched
from gateway.smp.locator import Naptr, query_name
from gateway.smp.publisher import Publisher
from gateway.smp.resolver import Found

ZONE: Final = "sml.test"
ACCOUNT: Final = AccountId("main")
OF_DNS: Final = ("SERVFAIL", "DNS time-out", "REFUSED", "record without an address")
OF_SMP: Final = (
    *("no connection", "SMP time-out", "status 500", "status 503", "TLS"),
    *(
        "404 though listed",
        "404, list fails",
        "bad signature",
        "unsigned",
        "foreign signer",
        "no XML",
        "another's answer",
    ),
)
KINDS: Final = (*OF_DNS, *OF_SMP)
_TEMPLATE: Final = resources.files("gateway.ubl").joinpath("examples/network.xml").read_bytes()


@dataclass(slots=True, kw_only=True)
class Receiver:
    """One customer."""

    number: str
    registered: bool
    in_use: bool
    """Its invoices go over the network before the outage."""
    fails: str = ""
    """The kind of outage that it has now."""
    second: bool = False
    """It fails at its second address only: the first is denied with authority."""
    late: bool = False
    """The invoice was there before the outage."""
    letters: int = 0
    wrong: int = 0
    """Of these, while there was no answer."""

    @property
    def participant(self) -> ParticipantId:
        return ParticipantId(f"0007:{self.number}")

    def invoice(self, place: int) -> bytes:
        text = _TEMPLATE.replace(b"5567987606", self.number.encode()).replace(b"202611870", f"F{place}".encode())
        return text.replace(b"Exempel Bygg AB", f"Exempelkund {self.number} AB".encode())


@dataclass(slots=True, kw_only=True)
class World:
    """DNS and SMPs, as resolver and fetcher of the real search."""

    receivers: dict[str, Receiver]
    """By number."""
    smp: Identity
    foreign: Identity
    certificate: bytes
    rules: WebRules = field(default_factory=lambda: WebRules(allow_http=True, allow_loopback=True))
    names: dict[str, Receiver] = field(default_factory=dict)
    """By the name that DNS is asked for."""
    second: dict[str, Receiver] = field(default_factory=dict)
    """By the name of the address that is worked out of the number."""
    answers: Counter[str] = field(default_factory=Counter)
    publishers: dict[str, Publisher] = field(default_factory=dict)

    def place(self, receiver: Receiver, port: int, gln: str) -> None:
        self.receivers[receiver.number] = receiver
        self.names[query_name(receiver.participant, ZONE)] = receiver
        self.second[query_name(ParticipantId(f"0088:{gln}"), ZONE)] = receiver
        url = f"http://127.0.0.1:{port}"
        for identity, name in ((self.smp, url), (self.foreign, f"foreign {url}")):
            self.publishers[name] = Publisher(
                identity=identity, smp_url=url, endpoint_url="http://127.0.0.1/as4", certificate=self.certificate
            )
        self.publishers[receiver.number] = self.publishers[url]

    async def naptr(self, name: str) -> Found:
        """As ``Resolver.naptr``."""
        asked = f"NAPTR {name}"
        step = Step(asked=asked, where="dns", answer="NXDOMAIN", milliseconds=1.0)
        receiver, kind = self.names.get(name), ""
        if receiver is not None and not receiver.second:
            kind = receiver.fails
        elif name in self.second and self.second[name].second:
            kind = self.second[name].fails or ""
            kind = kind if kind in OF_DNS else "SERVFAIL" if kind else ""
        if kind in OF_DNS[:3]:
            self.answers[kind] += 1
            step = replace(step, answer=kind)
            raise LookupUnavailable(f"DNS: {kind}", steps=(step,))
        if kind == OF_DNS[3]:
            self.answers[kind] += 1
            return self._record("!.*!nothing-to-follow!", step)
        if receiver is None or receiver.second or not (receiver.registered or kind in OF_SMP):
            return Found(records=(), says="NXDOMAIN", steps=(step,))
        return self._record(f"!.*!{self.publishers[receiver.number].smp_url}!", step)

    def _record(self, regexp: str, step: Step) -> Found:
        record = Naptr(order=100, preference=10, flags="U", service="Meta:SMP", regexp=regexp)
        return Found(records=(record,), says="1 record", steps=(replace(step, answer="1 record"),))

    async def get(self, url: str) -> Fetched:
        """As ``Fetcher.get``."""
        base, _, path = url.partition("/iso6523")
        publisher = self.publishers[base]
        number = url.partition("0007%3A")[2].partition("/")[0] or url.partition("0007:")[2].partition("/")[0]
        receiver = self.receivers[number]
        listing = "/services/" not in path
        kind = receiver.fails
        if kind:
            self.answers[kind] += 1
        if kind in (*OF_DNS, "no connection", "SMP time-out", "status 500", "status 503", "TLS") or (
            kind == "404, list fails" and listing
        ):  # while DNS fails the SMP's own name has no address either, also for whoever has its record still
            step = Step(asked=f"GET {url}", where=base, answer=kind, milliseconds=1.0)
            raise LookupUnavailable(f"the SMP {base} gave no usable answer: {kind}", steps=(step,))
        if not kind and not receiver.registered:  # the outage has ended since DNS was asked
            return Fetched(status=404, body=b"", url=url, host=base.partition("//")[2], milliseconds=1.0)
        ours = Participant(id=receiver.participant, account=ACCOUNT, name="Exempel AB", country="SE")
        status, body = 200, publisher.group(ours)
        if not listing:
            signed = publisher.metadata(ours, BILLING_INVOICE)
            assert signed is not None
            body = signed
        if kind in ("404 though listed", "404, list fails") and not listing:
            status, body = 404, b""
        elif kind == "bad signature" and not listing:
            body = body.replace(b"http://127.0.0.1/as4", b"http://127.0.0.1/a54")
        elif kind == "unsigned" and not listing:
            head, _, rest = body.partition(b"<Signature")
            body = head + rest.partition(b"</Signature>")[2] if rest else body[: len(body) // 2]
        elif kind == "foreign signer" and not listing:
            body = self.publishers[f"foreign {base}"].metadata(ours, BILLING_INVOICE) or b""
        elif kind == "no XML":
            body = b"<html><body>Bad gateway"
        elif kind == "another's answer" and not listing:
            other = replace(ours, id=ParticipantId("0007:5560000001"))
            body = publisher.metadata(other, BILLING_INVOICE) or b""
        return Fetched(status=status, body=body, url=url, host=base.partition("//")[2], milliseconds=1.0)
