"""Writing UBL as a tree: the few verbs that every writer of an invoice needs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from lxml import etree

from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.ubl.names import CAC, CBC

_UNPRINTABLE: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, 65534, 65535, *range(55296, 57344)))
"""What XML cannot hold, and what no eye sees."""


def billing(*, credit: bool, peppol: bool = True) -> etree._Element:
    """The root with its two first elements: of an invoice or credit note of Peppol BIS Billing 3, or EN 16931 alone."""
    kind = BILLING_CREDIT_NOTE if credit else BILLING_INVOICE
    own = kind.syntax.partition("::")[0]
    spaces: Any = {None: own, "cac": CAC, "cbc": CBC}  # (the stubs do not know that lxml takes None)
    root = etree.Element(f"{{{own}}}{'CreditNote' if credit else 'Invoice'}", nsmap=spaces)
    add(root, "CustomizationID", kind.customization if peppol else kind.customization.partition("#")[0])
    add(root, "ProfileID", BILLING_PROCESS.value)
    return root


def part(parent: etree._Element, name: str) -> etree._Element:
    """A new aggregate (``cac:``) at the end of ``parent``."""
    return etree.SubElement(parent, f"{{{CAC}}}{name}")


def add(parent: etree._Element, name: str, text: str, **attributes: str) -> etree._Element:
    """A new basic element (``cbc:``) at the end of ``parent``; signs that XML cannot hold are left out."""
    node = etree.SubElement(parent, f"{{{CBC}}}{name}", attributes)
    node.text = clean(text)
    return node


def add_some(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    """The same, where there is a text."""
    if text:
        add(parent, name, text, **attributes)


def add_amount(parent: etree._Element, name: str, value: Decimal | str, currency: str) -> None:
    """An amount as it stands, with its currency."""
    add(parent, name, value if isinstance(value, str) else f"{value:f}", currencyID=currency)


def plain(value: Decimal) -> str:
    """A decimal without an exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def clean(text: str) -> str:
    """The text as XML can hold it."""
    return text.translate(_UNPRINTABLE)
