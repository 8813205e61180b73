"""Why an address that failed is not used, as people read it."""

from __future__ import annotations

from typing import Final

from gateway.model.addresses import Cause, FailedAddress
from gateway.routing.words import Said

CAUSES: Final[dict[Cause, tuple[str, str]]] = {
    Cause.BOUNCED: ("e-post dit kom tillbaka", "mail to it came back"),
    Cause.COMPLAINED: ("mottagaren vill inte ha vår e-post", "the receiver does not want our mail"),
    Cause.SAID: ("en person har sagt att den inte stämmer", "a person has said that it is not right"),
    Cause.UNKNOWN_ADDRESS: (
        "brev dit kom tillbaka, adressen är okänd",
        "a letter to it came back, the address is unknown",
    ),
    Cause.MOVED: ("brev dit kom tillbaka, mottagaren har flyttat", "a letter to it came back, the receiver has moved"),
    Cause.DECEASED: (
        "brev dit kom tillbaka, mottagaren är avliden",
        "a letter to it came back, the receiver is deceased",
    ),
    Cause.NO_MAILBOX: (
        "brev dit kom tillbaka, det finns ingen brevlåda",
        "a letter to it came back, there is no letter box",
    ),
    Cause.REFUSED: ("mottagaren tog inte emot brevet", "the receiver refused a letter"),
    Cause.UNDELIVERABLE: ("brev dit kunde inte delas ut", "a letter to it could not be delivered"),
    Cause.OTHER: ("brev dit kom tillbaka", "a letter to it came back"),
}
REMEDY: Final = {
    "email": (
        "Rätta e-postadressen på fakturan, eller säg att den fungerar igen.",
        "Correct the e-mail address on the invoice, or say that it works again.",
    ),
    "print": (
        "Rätta postadressen hos kunden och på fakturan, eller säg att den stämmer; skicka sedan dokumentet igen.",
        "Correct the postal address at the customer and on the invoice, or say that it is right; then requeue.",
    ),
}


def why_not(failed: FailedAddress) -> Said:
    """The sentence on this address, without saying what follows."""
    sv, en = CAUSES[failed.cause]
    day, said = f"{failed.since:%Y-%m-%d}", f" ({failed.said})" if failed.said else ""
    return Said(step="channel", sv=f"{failed.address}: {sv} {day}{said}", en=f"{failed.address}: {en} on {day}{said}")
