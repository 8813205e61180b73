"""The eb:Messaging header as nearly everybody writes it, read from the canonical octets that were digested.

A short cut and no second opinion: it gives a value only where the octets match one pattern throughout, and where it
gives none, ``ebms.py`` reads the tree. Canonical XML makes that safe. It has one spelling for each tree: no comment,
CDATA or entity, every attribute in double quotes with ``<`` and ``"`` escaped; and since the pattern admits no
namespace declaration below eb:Messaging, the prefix of eb:Messaging means the same throughout.
"""

from __future__ import annotations

import re
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


def _are_usual(values: list[str], limits: Limits) -> bool:
    """Whether each is there, of bearable length, and without blanks around it."""
    most = limits.value
    return [value.strip(SPACE) for value in values if 0 < len(value) <= most] == values


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A header of which it is known who writes to whom, under what agreement, and a part of what kind."""

    channel: str | None
    from_parties: tuple[Typed, ...]
    from_role: str
    to_parties: tuple[Typed, ...]
    to_role: str
    agreement: Typed
    service: Typed
    properties: tuple[tuple[str, str | None], ...]
    """(name, type) of each message property."""
    part_properties: dict[str, str]

    def read(self, values: list[str], limits: Limits) -> UserMessage | None:
        """The header with the values that stand at ``Layout.fresh``; None where the tree has to be read."""
        time, message_id, action, conversation_id, href, *properties = values
        if not _are_usual(values, limits) or not is_timestamp(time) or not is_message_id(message_id, limits):
            return None
        return UserMessage(
            message_id=message_id,
            timestamp=time,
            ref_to=None,
            channel=self.channel,
            from_parties=self.from_parties,
            from_role=self.from_role,
            to_parties=self.to_parties,
            to_role=self.to_role,
            agreement=self.agreement,
            agreement_mode=None,
            service=self.service,
            action=action,
            conversation_id=conversation_id,
            properties={
                name: Typed(said, kind) for (name, kind), said in zip(self.properties, properties, strict=True)
            },
            parts=(PartInfo(href=href, properties=self.part_properties),),
        )


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

    @property
    def fresh(self) -> tuple[int, ...]:
        """Which values a draft lacks: time, id, action, conversation, name of the part, message properties."""
        after = 10 + len(self.properties)
        return (0, 1, 8, 9, after, *range(10, after))

    def read(self, values: list[str], limits: Limits) -> UserMessage | None:
        """The header with these values, in the order in which they stand; None where the tree has to be read."""
        draft = self.draft(values, limits)
        return None if draft is None else draft.read([values[place] for place in self.fresh], limits)

    def draft(self, values: list[str], limits: Limits) -> Draft | None:
        """All of the header but what stands at ``fresh``; None where the tree has to be read."""
        if len(values) > limits.properties or not _are_usual(values, limits):
            return None
        from_party, from_role, to_party, to_role, agreement, service = values[2:8]
        return Draft(
            channel=self.channel,
            from_parties=(Typed(from_party, self.from_type),),
            from_role=from_role,
            to_parties=(Typed(to_party, self.to_type),),
            to_role=to_role,
            agreement=Typed(agreement),
            service=Typed(service, self.service_type),
            properties=self.properties,
            part_properties=dict(zip(self.part_properties, values[11 + len(self.properties) :], strict=True)),
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
