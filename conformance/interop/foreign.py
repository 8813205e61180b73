"""The kit's DNS and SMP with every fault that they can play, and what our look-up has to say of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from conformance.interop.kit import identity
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS

POSITIVE, NEGATIVE, INDETERMINATE = "positive", "negative", "indeterminate"
SECOND_SIGNER: Final = "PSP000202"
"""Who signs at the second SMP, to which the first one redirects."""
_HERE: Final = {"endpoint": "http://127.0.0.1:18101/as4", "certificate": "POP000101"}
_UNKNOWN_TYPE: Final = "busdox-docid-qns::urn:x:Order-2::Order##urn:x::2.1"


@dataclass(frozen=True, slots=True)
class Case:
    """One participant of the foreign network."""

    what: str
    entry: dict[str, Any] | None
    """As the kit's network file has it; None: it is in no file."""
    verdict: str
    detail: str = ""
    """The access point's seat, or the code of the reason."""

    @property
    def participant(self) -> str:
        return "0088:" + "".join(c if c.isalnum() else "-" for c in self.what.lower())


def cases(second: str, nowhere: str) -> list[Case]:
    """All of them; ``second`` is the base URL of the SMP that is redirected to, at ``nowhere`` nobody listens."""
    return [*_dns(), *_smp(nowhere), *_endpoint(), *_services(), *_redirects(second, nowhere)]


def second_network(second: str) -> dict[str, Any]:
    """The file of the second SMP: it knows those that are redirected to it."""
    known = [case for case in _redirects(second, second) if case.what != "redirected to 404"]
    return {"smp": second, "participants": {case.participant: _HERE for case in known}}


def _dns() -> list[Case]:
    return [
        Case("well", _HERE, POSITIVE, "POP000101"),
        Case("in no zone", None, NEGATIVE, "not-registered"),
        Case("NXDOMAIN", {"dns": "nxdomain"}, NEGATIVE, "not-registered"),
        Case("no record", {"dns": "nodata"}, NEGATIVE, "not-registered"),
        Case("SERVFAIL", {"dns": "servfail"}, INDETERMINATE),
        Case("DNS silent", {"dns": "silent"}, INDETERMINATE),
        Case("NAPTR of another service", {"dns": "wrong-service"}, INDETERMINATE),
        Case("cut, whole over TCP", {"dns": "truncated", **_HERE}, POSITIVE, "POP000101"),
    ]


def _smp(nowhere: str) -> list[Case]:
    found = [
        Case("SMP knows nobody", {"smp_fault": "404"}, NEGATIVE, "registration-broken"),
        Case("nobody at the SMP", {"smp": nowhere}, INDETERMINATE),
        Case("signed by another SMP", {"smp_fault": f"signer:{SECOND_SIGNER}", **_HERE}, POSITIVE, "POP000101"),
    ]
    faults = ("500", "503", "silent", "unsigned", "tampered")
    found += [Case(f"SMP {fault}", {"smp_fault": fault, **_HERE}, INDETERMINATE) for fault in faults]
    signers = ("POP000102", "impostor", "expired", "revoked")
    return found + [Case(f"signer {s}", {"smp_fault": f"signer:{s}", **_HERE}, INDETERMINATE) for s in signers]


def _endpoint() -> list[Case]:
    found = [
        Case(f"certificate {name}", {**_HERE, "certificate": name}, INDETERMINATE)
        for name in ("revoked", "expired", "impostor", "PSP000201")
    ]
    addresses = {"ftp": "ftp://127.0.0.1/as4", "with a password": "http://a:b@127.0.0.1/as4", "none": "as4"}
    found += [Case(f"address {name}", {**_HERE, "endpoint": url}, INDETERMINATE) for name, url in addresses.items()]
    return [
        *found,
        Case("over", {**_HERE, "expiration": "2026-02-01T00:00:00Z"}, NEGATIVE, "endpoint-not-in-service"),
        Case("not yet", {**_HERE, "activation": "2099-02-01T00:00:00Z"}, NEGATIVE, "endpoint-not-in-service"),
        Case(
            "other transport",
            {**_HERE, "transport": "bdxr-transport-ebms3-as4-v1p0"},
            NEGATIVE,
            "transport-profile-not-supported",
        ),
    ]


def _services() -> list[Case]:
    order = {"doctype": _UNKNOWN_TYPE, "process": "cenbii-procid-ubl::urn:x"}
    invoice = {"doctype": str(BILLING_INVOICE), "process": "cenbii-procid-ubl::urn:x"}
    both = [{**invoice, "process": str(BILLING_PROCESS)}, order]
    return [
        Case("orders only", {**_HERE, "services": [order]}, NEGATIVE, "document-type-not-supported"),
        Case("another process", {**_HERE, "services": [invoice]}, NEGATIVE, "process-not-supported"),
        Case("orders too", {**_HERE, "services": both}, POSITIVE, "POP000101"),
    ]


def _redirects(second: str, nowhere: str) -> list[Case]:
    def to(what: str, base: str, signer: str, verdict: str, detail: str = "") -> Case:
        participant = Case(what, None, "").participant
        href = f"{base}/{quote(f'iso6523-actorid-upis::{participant}', safe='')}/services/"
        uid = identity(signer).certificate.subject.rfc4514_string()
        redirect = {"href": href + quote(str(BILLING_INVOICE), safe=""), "uid": uid}
        return Case(what, {**_HERE, "redirect": redirect}, verdict, detail)

    return [
        to("redirected", second, SECOND_SIGNER, POSITIVE, "POP000101"),
        to("redirected, another signer announced", second, "PSP000201", INDETERMINATE),
        to("redirected to 404", second, SECOND_SIGNER, INDETERMINATE),
        to("redirected to nowhere", nowhere, SECOND_SIGNER, INDETERMINATE),
    ]


def loop(own: str) -> Case:
    """Somebody whose SMP redirects to itself, for ever."""
    case = Case("redirect loop", None, INDETERMINATE)
    href = f"{own}/{quote(f'iso6523-actorid-upis::{case.participant}', safe='')}/services/"
    uid = identity("PSP000201").certificate.subject.rfc4514_string()
    redirect = {"href": href + quote(str(BILLING_INVOICE), safe=""), "uid": uid}
    return Case(case.what, {**_HERE, "redirect": redirect}, INDETERMINATE)
