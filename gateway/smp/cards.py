"""Business cards: what the Peppol Directory shows about a participant.

Source: Peppol Directory 1.1, business card format of 2018-06-21. Not signed. Pure.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from gateway.model.message import Participant

CARD: Final = "http://www.peppol.eu/schema/pd/businesscard/20180621/"


def has_card(participant: Participant) -> bool:
    """Whether enough is known for a card: it must name the company and its country."""
    return bool(participant.name and participant.country)


def write_card(participant: Participant) -> bytes:
    """The card of one of our participants, which :func:`has_card`."""
    root = etree.Element(f"{{{CARD}}}BusinessCard", nsmap={None: CARD})  # type: ignore[dict-item]
    identifier = etree.SubElement(root, f"{{{CARD}}}ParticipantIdentifier")
    identifier.set("scheme", participant.id.scheme)
    identifier.text = participant.id.value
    entity = etree.SubElement(root, f"{{{CARD}}}BusinessEntity")
    if participant.created:
        entity.set("registrationDate", f"{participant.created:%Y-%m-%d}")
    etree.SubElement(entity, f"{{{CARD}}}Name").text = participant.name
    etree.SubElement(entity, f"{{{CARD}}}CountryCode").text = participant.country
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
