"""What a supplier is written who sends PDF or paper and could send e-invoices: our exact address, in its language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_BIS: Final = "Peppol BIS Billing 3"


def supplier_letter(
    *,
    supplier: str,
    number: str,
    buyer: str,
    addresses: Sequence[str],
    document_types: Sequence[str] = (),
    contact: str = "",
    reminder: int = 0,
    language: str = "sv",
) -> tuple[str, str]:
    """Subject and text. ``addresses`` are our participants, such as ``0007:5567212047``; ``document_types`` as on the
    network, for the supplier's operator.
    """
    if language == "sv":
        subject = f"{'Påminnelse: ' if reminder else ''}Skicka era fakturor till {buyer} som e-faktura"
        lines = [
            f"Hej {supplier},",
            "",
            f"{buyer} tar emot e-fakturor i Peppol-nätverket och vill gärna få era fakturor den vägen i stället för som"
            " PDF eller på papper. Det går fortare, och ingen behöver skriva av något.",
            "",
            "Vår adress:" if len(addresses) == 1 else "Våra adresser:",
            *(f"    {address}" for address in addresses),
            f"Format: {_BIS} (faktura och kreditnota).",
            *(["Dokumenttyper, för er operatör:"] if document_types else []),
            *(f"    {one}" for one in document_types),
            "",
            "Be er operatör eller ert system lägga in adressen. Därefter räcker det att skicka nästa faktura dit.",
        ]
        if number:
            lines += ["", f"Ert leverantörsnummer hos oss är {number}."]
        lines += ["", f"Frågor: {contact}" if contact else "Tack på förhand!", "", buyer]
    else:
        subject = f"{'Reminder: ' if reminder else ''}Send your invoices to {buyer} as e-invoices"
        lines = [
            f"Dear {supplier},",
            "",
            f"{buyer} receives e-invoices on the Peppol network and would like to get yours that way instead of as"
            " PDF or on paper. It is quicker, and nobody has to type anything again.",
            "",
            "Our address:" if len(addresses) == 1 else "Our addresses:",
            *(f"    {address}" for address in addresses),
            f"Format: {_BIS} (invoice and credit note).",
            *(["Document types, for your operator:"] if document_types else []),
            *(f"    {one}" for one in document_types),
            "",
            "Ask your operator or your business system to enter the address. Then just send the next invoice there.",
        ]
        if number:
            lines += ["", f"Your supplier number with us is {number}."]
        lines += ["", f"Questions: {contact}" if contact else "Thank you!", "", buyer]
    return subject, "\n".join(lines) + "\n"
