"""Identifiers of the Peppol network.

Source: Peppol Policy for use of Identifiers 4.4 (syntax, limits, case), code lists 9.7.
All values are frozen; ``parse`` takes text from outside and raises :class:`InvalidAddress`; ``str()`` gives
``scheme::value``, the form used on the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NewType

from gateway.errors import InvalidAddress

MessageId = NewType("MessageId", str)
"""ebMS MessageId, RFC 2822 msg-id without angle brackets: identity of one AS4 message, kept by every retry."""
InstanceId = NewType("InstanceId", str)
"""SBDH InstanceIdentifier: identity of one business envelope."""
DocumentId = NewType("DocumentId", str)
"""Our own identifier of a document, as API and CLI show it."""
AccountId = NewType("AccountId", str)
"""A company that uses this gateway."""

PARTICIPANT_SCHEME: Final = "iso6523-actorid-upis"
DOCUMENT_SCHEME: Final = "busdox-docid-qns"
WILDCARD_SCHEME: Final = "peppol-doctype-wildcard"
PROCESS_SCHEME: Final = "cenbii-procid-ubl"
TRANSPORT_PROFILE: Final = "peppol-transport-as4-v2_0"

_BLANK = re.compile(r"\s")
_ODD = re.compile(r"[^A-Za-z0-9._~-]")
_LONGEST: Final = 130
_PARTICIPANT = re.compile(r"[0-9]{4}:[A-Za-z0-9._~-]{1,130}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParticipantId:
    """A company's address on the network: ``0007:5567212047``. Lower case, so equality is the network's."""

    value: str
    scheme: str = PARTICIPANT_SCHEME

    @classmethod
    def parse(cls, text: str) -> ParticipantId:
        """Read ``ICD:value``, with or without ``iso6523-actorid-upis::`` before it."""
        value = text.strip()
        if value.lower().startswith(PARTICIPANT_SCHEME + "::"):
            value = value[len(PARTICIPANT_SCHEME) + 2 :]
        if not _PARTICIPANT.fullmatch(value):
            shown = value if len(value) <= 80 else value[:80] + "…"
            raise InvalidAddress(f"“{shown}” is not a participant identifier: {_wrong(value)}")
        return cls(value.lower())

    @property
    def icd(self) -> str:
        """The ISO 6523 code: what kind of number it is (``0007`` Swedish organisation number)."""
        return self.value[:4]

    @property
    def number(self) -> str:
        """What stands after the colon."""
        return self.value[5:]

    def __str__(self) -> str:
        return f"{self.scheme}::{self.value}"


@dataclass(frozen=True, slots=True)
class DocumentTypeId:
    """What kind of document: ``<root namespace>::<root name>##<customization>::<version>``. Case-sensitive."""

    value: str
    scheme: str = DOCUMENT_SCHEME

    @classmethod
    def parse(cls, text: str) -> DocumentTypeId:
        """Read ``scheme::value`` or a bare value, whose scheme is then guessed (PINT is the wildcard scheme)."""
        text = text.strip()
        scheme, value = _split_scheme(text, (DOCUMENT_SCHEME, WILDCARD_SCHEME))
        if "##" not in value or "::" not in value.split("##", 1)[1]:
            raise InvalidAddress(
                f"“{text[:120]}” is not a document type identifier",
                remedy="Write namespace::name##customization::version.",
            )
        if len(value) > 500 or _BLANK.search(value):
            raise InvalidAddress("A document type identifier has at most 500 characters and no blanks")
        if not scheme:
            scheme = WILDCARD_SCHEME if "urn:peppol:pint:" in value else DOCUMENT_SCHEME
        return cls(value, scheme)

    @classmethod
    def of(cls, namespace: str, name: str, customization: str, version: str) -> DocumentTypeId:
        """The identifier of an XML document with this root element and customization."""
        return cls.parse(f"{namespace}::{name}##{customization}::{version}")

    @property
    def syntax(self) -> str:
        """``<root namespace>::<root name>``."""
        return self.value.split("##", 1)[0]

    @property
    def namespace(self) -> str:
        return self.syntax.rpartition("::")[0]

    @property
    def name(self) -> str:
        return self.syntax.rpartition("::")[2]

    @property
    def customization(self) -> str:
        return self.value.split("##", 1)[1].rpartition("::")[0]

    @property
    def version(self) -> str:
        return self.value.rpartition("::")[2]

    @property
    def is_wildcard(self) -> bool:
        """True for a registration that covers every specialisation: ``urn:peppol:pint:billing-1*``."""
        return self.scheme == WILDCARD_SCHEME and self.customization.endswith("*")

    def fault(self) -> str:
        """Why nobody may be registered with it; empty when it is well. What others have registered is not judged.

        Source: Policy for use of Identifiers 4.4, on stars and on PINT.
        """
        stars = self.customization.count("*")
        if self.scheme == DOCUMENT_SCHEME and stars:
            return f"a customization of {DOCUMENT_SCHEME} has no “*”; {WILDCARD_SCHEME} may end in one"
        if stars > 1 or (stars == 1 and not self.customization.endswith("*")):
            return "only one “*” may stand in a customization, at its end"
        if self.customization in ("", "*"):
            return "the customization between ## and :: is empty"
        if self.scheme == DOCUMENT_SCHEME and "urn:peppol:pint:" in self.customization:
            return f"PINT document types belong to the scheme {WILDCARD_SCHEME}"
        return ""

    def __str__(self) -> str:
        return f"{self.scheme}::{self.value}"


@dataclass(frozen=True, slots=True)
class ProcessId:
    """Which business process the document belongs to; usually the document's ProfileID. Case-sensitive."""

    value: str
    scheme: str = PROCESS_SCHEME

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """Read ``scheme::value`` or a bare value."""
        scheme, value = _split_scheme(text.strip(), (PROCESS_SCHEME,))
        if not value or len(value) > 200 or _BLANK.search(value):
            raise InvalidAddress(f"“{text[:120]}” is not a process identifier: 1 to 200 characters without blanks")
        return cls(value, scheme or PROCESS_SCHEME)

    def __str__(self) -> str:
        return f"{self.scheme}::{self.value}"


def _wrong(value: str) -> str:
    """What is wrong with a text that is no participant identifier, and where."""
    scheme, scheme_mark, _ = value.partition("::")
    if scheme_mark:
        return f"the scheme {scheme[:40]} is not {PARTICIPANT_SCHEME}"
    icd, colon, number = value.partition(":")
    if not colon:
        return "four digits of a scheme and a colon must stand before the number"
    if not re.fullmatch(r"[0-9]{4}", icd, re.ASCII):
        return f"the scheme before the colon is four digits, not “{icd[:20]}”"
    if not number:
        return "nothing stands after the colon"
    if odd := _ODD.search(number):
        return f"“{odd[0]}” at place {odd.start() + 6} is none of the characters A-Z a-z 0-9 - . _ ~"
    return f"{len(number)} characters stand after the colon, at most {_LONGEST} may"


def _split_scheme(text: str, known: tuple[str, ...]) -> tuple[str, str]:
    for scheme in known:
        if text.startswith(scheme + "::"):
            return scheme, text[len(scheme) + 2 :]
    return "", text
