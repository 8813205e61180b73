"""One sentence in both languages, with the step of the decision that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

CHANNELS: Final = {
    "peppol": ("e-faktura", "e-invoice"),
    "operator": ("e-faktura genom operatör", "e-invoice through an operator"),
    "email": ("e-post", "e-mail"),
    "print": ("brev", "letter"),
    "pdf": ("PDF med e-post", "PDF by e-mail"),
    "scan": ("skannat papper", "scanned paper"),
}
RISKS: Final = {
    "name-mismatch": (
        "Namnet skiljer sig från det i ert register: jämför innan ni godkänner.",
        "The name differs from the one in your register: compare before you accept.",
    ),
    "new-registration": (
        "Adressen är nyligen registrerad hos en gammal kund: kontrollera gärna med kunden.",
        "The address is newly registered for an old customer: you may want to check with the customer.",
    ),
    "sink": (
        "Mottagarens accesspunkt är känd för att skicka vidare som e-post: det blir ingen strukturerad faktura.",
        "The receiver's access point is known to pass invoices on as mail: it becomes no structured invoice.",
    ),
    "cannot-send": (
        "Inget säger ännu att leverantören kan skicka e-faktura.",
        "Nothing says yet that the supplier can send e-invoices.",
    ),
    "derived-number": (
        "Adressen är uträknad ur ett annat nummer och står inte i ert register.",
        "The address was worked out of another number and does not stand in your register.",
    ),
}
REQUIREMENTS: Final = {
    "reference": (
        "Kunden kan kräva en referens på fakturan (er referens eller ordernummer).",
        "The customer may want a reference on the invoice (buyer reference or order number).",
    ),
    "seller-address": (
        "Ert eget företag behöver en adress i nätverket.",
        "Your own company needs an address on the network.",
    ),
    "letter": (
        "Leverantören får ett brev med er exakta adress.",
        "The supplier gets a letter with your exact address.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Why one step of a decision came out as it did."""

    step: str
    """``explicit``, ``legal``, ``preference``, ``relation``, ``search``, ``agreement``, ``policy``, ``channel``."""
    sv: str
    en: str

    @property
    def json(self) -> dict[str, str]:
        return {"step": self.step, "sv": self.sv, "en": self.en}


def channel_words(channel: str) -> tuple[str, str]:
    """The channel as people say it, in Swedish and in English."""
    return CHANNELS.get(channel.partition(":")[0], (channel, channel))


def way_detail(said: Sequence[Said], later: Mapping[str, object] | None = None) -> dict[str, object]:
    """What the timeline keeps of a decision: a sentence in both languages for each step, and those of ``later``."""
    rows = (later or {}).get("way")
    ways = [*(one.json for one in said), *(rows if isinstance(rows, list) else ())]
    return {"way": ways} if ways else {}
