"""The eb:Messaging header as nearly everybody writes it, read from the canonical octets that were digested.

A short cut and no second opinion: it gives a value only where the octets match one pattern throughout, and where it
gives none, ``ebms.py`` reads the tree. Canonical XML makes that safe. It has one spelling for each tree: no comment,
CDATA or entity, every attribute in double quotes with ``<`` and ``"`` escaped; and since the pattern admits no
namespace declaration below eb:Messaging, the prefix of eb:Messaging means the same throughout.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.as4.ebms import PartInfo, Typed, UserMessage, is_message_id, is_timestamp
from gateway.as4.limits import Limits
from gateway.as4.soap import SPACE


def _pattern() -> re.Pattern[str]:
    value, quoted = "([^<]*+)", '"([^"]*+)"'

    def element(name: str, content: str, attributes: str = "") -> str:
        return f"<(?P=p){name}{attributes}>{content}</(?P=p){name}>"

    typed = f"(?: type={quoted})?"
    party = element("PartyId", value, typed) + element("Role", value)
    some = r'(?:<(?P=p)Property name="[^"]*+"(?: type="[^"]*+")?>[^<]*+</(?P=p)Property>)+'
    part = element("PartProperties", f"({some})")
    return re.compile(
        '<(?P<p>(?:[^:<> ]+:)?)Messaging(?: [^=]++="[^"]*+")+>'
        f"<(?P=p)UserMessage(?: mpc={quoted})?>"
        + element("MessageInfo", element("Timestamp", value) + element("MessageId", value))
        + element("PartyInfo", element("From", party) + element("To", party))
        + element(
            "CollaborationInfo",
            element("AgreementRef", value)
            + element("Service", value, typed)
            + element("Action", value)
            + element("ConversationId", value),
        )
        + element("MessageProperties", f"({some})")
        + element("PayloadInfo", element("PartInfo", part, f" href={quoted}"))
        + "</(?P=p)UserMessage></(?P=p)Messaging>"
    )


_USUAL: Final = _pattern()
_PROPERTY: Final = re.compile('name="([^"]*+)"(?: type="([^"]*+)")?>([^<]*+)<')
_BLANK: Final = frozenset(SPACE)


@dataclass(frozen=True, slots=True)
class Layout:
    """What headers have in common that are written alike: names and types, but no values."""

    channel: str | None
    from_type: str | None
    to_type: str | None
    service_type: str | None
    properties: tuple[tuple[str, str | None], ...]
    """(name, type) of each message property."""
    part_properties: tuple[str, ...]

    def read(self, values: Sequence[str], limits: Limits) -> UserMessage | None:
        """The header with these values, in the order in which they stand; None where the tree has to be read."""
        most = limits.value
        for value in values:
            if not value or len(value) > most or value[0] in _BLANK or value[-1] in _BLANK:
                return None
        head, at = values[:10], 10 + len(self.properties)
        time, message_id, from_party, from_role, to_party, to_role, agreement, service, action, conversation = head
        if not is_timestamp(time) or not is_message_id(message_id, limits) or len(values) > limits.properties:
            return None
        return UserMessage(
            message_id=message_id,
            timestamp=time,
            ref_to=None,
            channel=self.channel,
            from_parties=(Typed(from_party, self.from_type),),
            from_role=from_role,
            to_parties=(Typed(to_party, self.to_type),),
            to_role=to_role,
            agreement=Typed(agreement),
            agreement_mode=None,
            service=Typed(service, self.service_type),
            action=action,
            conversation_id=conversation,
            properties={name: Typed(values[10 + n], kind) for n, (name, kind) in enumerate(self.properties)},
            parts=(
                PartInfo(href=values[at], properties=dict(zip(self.part_properties, values[at + 1 :], strict=True))),
            ),
        )


def read_user_message(canonical: bytes, limits: Limits) -> UserMessage | None:
    """Read the canonical octets of an eb:Messaging element; None where the tree has to be read."""
    found = lay_out(canonical)
    return None if found is None else found[0].read(found[1], limits)


def lay_out(canonical: bytes) -> tuple[Layout, list[str]] | None:
    """The layout of an eb:Messaging element, and its values as they stand; None where it has none."""
    try:
        text = canonical.decode()
    except UnicodeDecodeError:
        return None
    match = None if "&" in text else _USUAL.fullmatch(text)
    if match is None:
        return None
    _, channel, time, message_id, from_type, *rest = match.groups()
    from_party, from_role, to_type, to_party, to_role, agreement, service_type, service, *rest = rest
    action, conversation, listed, href, part_listed = rest
    properties, part_properties = ([m.groups() for m in _PROPERTY.finditer(text)] for text in (listed, part_listed))
    for found in (properties, part_properties):
        names = {name for name, _, _ in found}
        if len(names) != len(found) or "" in names:
            return None
    values = [time, message_id, from_party, from_role, to_party, to_role, agreement, service, action, conversation]
    values += [value for _, _, value in properties]
    values += (href, *(value for _, _, value in part_properties))
    layout = Layout(
        channel,
        from_type,
        to_type,
        service_type,
        tuple((name, kind) for name, kind, _ in properties),
        tuple(name for name, _, _ in part_properties),
    )
    return layout, values
