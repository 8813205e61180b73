"""What is said to whoever sent a file that is not taken, or that a person has to look at: English and Swedish."""

from __future__ import annotations

from typing import Final

from gateway.model.scan import Refusal

_TEXTS: Final[dict[str, tuple[bool, str, str]]] = {
    "encrypted": (
        True,
        "The PDF is locked with a password. Send it without one.",
        "PDF-filen är låst med lösenord. Skicka den utan.",
    ),
    "active": (
        True,
        "The PDF contains a script, a form that acts, or a program. Send it as a plain PDF (print it to PDF).",
        "PDF-filen innehåller skript, aktivt formulär eller program. Skicka den som vanlig PDF (skriv ut till PDF).",
    ),
    "damaged": (
        True,
        "The file is damaged and cannot be opened. Make it anew and send it again.",
        "Filen är skadad och kan inte öppnas. Skapa den på nytt och skicka igen.",
    ),
    "pages": (True, "The file has too many pages, or none.", "Filen har för många sidor, eller inga."),
    "page-size": (
        True,
        "A page is smaller than 38 mm or larger than A3.",
        "En sida är mindre än 38 mm eller större än A3.",
    ),
    "pixels": (
        True,
        "The picture has more pixels than are taken. Scan it with 200 to 300 dots an inch.",
        "Bilden har för många bildpunkter. Skanna med 200 till 300 punkter per tum.",
    ),
    "too-complex": (True, "The PDF has too many parts.", "PDF-filen har för många delar."),
    "too-large": (True, "The file is larger than is taken here.", "Filen är större än vad som tas emot."),
    "too-large-inside": (
        True,
        "The file grows too large when it is opened. Make it anew and send it again.",
        "Filen blir för stor när den öppnas. Skapa den på nytt och skicka igen.",
    ),
    "crashed": (
        True,
        "The file could not be opened: it broke the program that reads it. Make it anew and send it again.",
        "Filen kunde inte öppnas: läsprogrammet klarade den inte. Skapa den på nytt och skicka igen.",
    ),
    "blank": (True, "The pages are blank.", "Sidorna är tomma."),
    "no-reader": (
        False,
        "The page is a picture, and no optical reader is installed here: a person has to enter it.",
        "Sidan är en bild och ingen textläsning finns installerad: en person får skriva in den.",
    ),
    "too-long": (
        False,
        "It takes too long to read; a person looks at it.",
        "Det tar för lång tid att läsa; en person tittar på det.",
    ),
    "not-invoice": (
        False,
        "It does not look like an invoice; a person looks at it.",
        "Det ser inte ut som en faktura; en person tittar på det.",
    ),
    "other-document": (
        False,
        "It seems to be a reminder or another document, no invoice; a person looks at it.",
        "Det verkar vara en påminnelse eller annan handling, ingen faktura; en person tittar på det.",
    ),
    "several": (
        False,
        "There seems to be more than one invoice in the file; send each in a file of its own. A person looks at it.",
        "Det verkar vara flera fakturor i filen; skicka en fil per faktura. En person tittar på den.",
    ),
    "contradicting-codes": (
        False,
        "Two codes on the page say different things; a person looks at it.",
        "Två koder på sidan säger olika saker; en person tittar på det.",
    ),
    "xml-differs": (
        False,
        "What the page shows is not what the invoice embedded in the PDF says; a person looks at it.",
        "Det som syns på sidan är inte det som den inbäddade fakturan säger; en person tittar på den.",
    ),
}


def refusal(name: str) -> Refusal:
    """The texts of a reason; an unknown one is a damaged file."""
    final, en, sv = _TEXTS.get(name, _TEXTS["damaged"])
    return Refusal(name=name if name in _TEXTS else "damaged", en=en, sv=sv, final=final)
