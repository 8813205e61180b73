"""The eb:Messaging header as nearly everybody writes it, read from the canonical octets that were digested.

A short cut and no second opinion: it gives a value only where the octets match one pattern throughout, and where it
gives none, ``ebms.py`` reads the tree. Canonical XML makes that safe. It has one spelling for each tree: no comment,
CDATA or entity, every attribute in double quotes with ``<`` and ``"`` escaped; and since the pattern admits no
namespace declaration below eb:Messaging, the prefix of eb:Messaging means the same throughout.
"""

from __future__ import annotations

import re
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


def read_user_message(canonical: bytes, limits: Limits) -> UserMessage | None:
    """Read the canonical octets of an eb:Messaging element; None where the tree has to be read."""
    try:
        text = canonical.decode()
    except UnicodeDecodeError:
        return None
    match = None if "&" in text else _USUAL.fullmatch(text)
    if match is None:
        return None
    _, channel, time, message_id, from_type, *rest = match.groups()
    from_party, from_role, to_type, to_party, to_role, agreement, service_type, service, *rest = rest
    action, conversation_id, properties, href, part_properties = rest
    values = (time, message_id, from_party, from_role, to_party, to_role, agreement, service, action, conversation_id)
    most = limits.value
    for value in values:
        if not value or len(value) > most or value[0] in _BLANK or value[-1] in _BLANK:
            return None
    described, described_part = _properties(properties, limits), _properties(part_properties, limits)
    if described is None or described_part is None or not is_timestamp(time) or not is_message_id(message_id, limits):
        return None
    return UserMessage(
        message_id=message_id,
        timestamp=time,
        ref_to=None,
        channel=channel,
        from_parties=(Typed(from_party, from_type),),
        from_role=from_role,
        to_parties=(Typed(to_party, to_type),),
        to_role=to_role,
        agreement=Typed(agreement),
        agreement_mode=None,
        service=Typed(service, service_type),
        action=action,
        conversation_id=conversation_id,
        properties=described,
        parts=(PartInfo(href=href, properties={name: typed.value for name, typed in described_part.items()}),),
    )


def _properties(text: str, limits: Limits) -> dict[str, Typed] | None:
    found: dict[str, Typed] = {}
    count = 0
    for match in _PROPERTY.finditer(text):
        count += 1
        name, kind, value = match.groups()
        if len(value) > limits.value or value[:1] in _BLANK or value[-1:] in _BLANK:
            return None
        found[name] = Typed(value, kind)
    return found if len(found) == count <= limits.properties and "" not in found else None
