"""The ds:Reference elements of a signature: what exactly it covers.

``usual_references`` is a short cut and no second opinion: it reads the canonical octets of ds:SignedInfo, which are
what the signature value is over, and gives references only where every octet is as nearly everybody writes it;
``read_references`` reads the tree and says what is wrong. Canonical XML has one spelling for each tree, and the
pattern admits no declaration that could give the prefix of ds:SignedInfo another meaning below it.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import unquote

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.limits import Limits
from gateway.as4.profiles import Algorithms
from gateway.as4.soap import Envelope, canonical
from gateway.as4.wss.structure import algorithm, attributes, base64_of, children, noncompliant, plain_algorithm
from gateway.model.often import made_often
from gateway.security.trust import Trust

_REFERENCE, _TRANSFORMS, _TRANSFORM = (f"{{{ns.DS}}}{n}" for n in ("Reference", "Transforms", "Transform"))
_DIGEST_METHOD, _DIGEST_VALUE = f"{{{ns.DS}}}DigestMethod", f"{{{ns.DS}}}DigestValue"
_INCLUSIVE: Final = f"{{{ns.EC}}}InclusiveNamespaces"
_DIGEST_SIZE: Final = 32

# Single signs repeat possessively, groups do not: Python before 3.11.4 loses what a possessive group has captured.
_PREFIX_LIST: Final = (
    rf'(?:<(?P<e>[^:<> ]+):InclusiveNamespaces xmlns:(?P=e)="{re.escape(ns.EC)}" PrefixList="([^"]*+)">'
    "</(?P=e):InclusiveNamespaces>)?"
)
_HEAD: Final = re.compile(
    '<(?P<p>(?:[^:<> ]+:)?)SignedInfo(?: xmlns[^= ]*+="[^"]*+")+(?: Id="[^"]*+")?>'
    f'<(?P=p)CanonicalizationMethod Algorithm="[^"]*+">{_PREFIX_LIST}</(?P=p)CanonicalizationMethod>'
    '<(?P=p)SignatureMethod Algorithm="[^"]*+"></(?P=p)SignatureMethod>'
)
_USUAL: Final = re.compile(
    '<(?P<p>(?:[^:<> ]+:)?)Reference(?: Id="[^"]*+")?(?: Type="[^"]*+")? URI="([^"]*+)">'
    f'<(?P=p)Transforms><(?P=p)Transform Algorithm="([^"]*+)">{_PREFIX_LIST}</(?P=p)Transform></(?P=p)Transforms>'
    '<(?P=p)DigestMethod Algorithm="([^"]*+)"></(?P=p)DigestMethod>'
    "<(?P=p)DigestValue>([^<]*+)</(?P=p)DigestValue></(?P=p)Reference>"
)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a signature has to be, and by whom."""

    trust: Trust
    algorithms: Algorithms
    limits: Limits
    at: datetime


@made_often
@dataclass(frozen=True, slots=True)
class Reference:
    """One ds:Reference as it stands: what it names, its digest, and the prefixes of its canonical form."""

    uri: str
    digest: bytes
    prefixes: list[str] | None
    element: etree._Element | None
    spelled: str = ""

    @property
    def text(self) -> str:
        """The element in exclusive canonical form, as a receipt repeats it."""
        return self.spelled if self.element is None else canonical(self.element).decode()


def usual_references(signed_info: bytes, demand: Demand) -> list[Reference]:
    """Read the references from the canonical octets of ds:SignedInfo; none where the tree has to be read."""
    try:
        text = signed_info.decode()
    except UnicodeDecodeError:
        return []
    head = None if "&" in text else _HEAD.match(text)
    if head is None:
        return []
    prefix, algorithms, most = head["p"], demand.algorithms, demand.limits.prefixes
    declared = f' xmlns:{prefix[:-1]}="{ns.DS}"' if prefix else f' xmlns="{ns.DS}"'
    after_name = len(prefix) + len("<Reference")
    references: list[Reference] = []
    at = head.end()
    while (match := _USUAL.match(text, at)) is not None:
        own, uri, transform, inclusive, names, method, value = match.groups()
        try:
            digest = binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            return []
        if own != prefix or method != algorithms.digest or len(digest) != _DIGEST_SIZE:
            return []
        prefixes = None if inclusive is None else names.split()
        if uri.startswith("#"):
            usual = transform == algorithms.canonicalization and (prefixes is None or len(prefixes) <= most)
        else:
            usual = uri.startswith("cid:") and transform == algorithms.part_transform and prefixes is None
        if not usual:
            return []
        # By itself the element declares its own prefix; the order of canonical XML puts that first.
        whole = match[0]
        references.append(Reference(uri, digest, prefixes, None, f"{whole[:after_name]}{declared}{whole[after_name:]}"))
        at = match.end()
    return references if text[at:] == f"</{prefix}SignedInfo>" else []


def covered(
    envelope: Envelope, references: Sequence[Reference], content_ids: tuple[str, ...]
) -> dict[str, bytes] | None:
    """The digests of the parts when the references name Messaging, Body and every part, each once; else None."""
    if len(references) != 2 + len(content_ids):
        return None
    targets: list[etree._Element | None] = []
    parts: dict[str, bytes] = {}
    for reference in references:
        if reference.uri.startswith("cid:"):
            parts[unquote(reference.uri[4:])] = reference.digest
        else:
            targets.append(envelope.ids.get(reference.uri[1:]))
    if len(targets) != 2 or len(parts) != len(content_ids) or any(name not in parts for name in content_ids):
        return None
    wanted = (envelope.messaging, envelope.body)
    first, second = targets
    if first is None or second is None or first is second:
        return None
    return parts if all(any(target is one for one in wanted) for target in targets) else None


def read_references(
    envelope: Envelope, elements: list[etree._Element], content_ids: tuple[str, ...], demand: Demand
) -> tuple[list[Reference], dict[str, bytes]]:
    if len(elements) != 2 + len(content_ids):
        noncompliant("The signature must cover Messaging, Body and every part, and nothing else")
    missing = {"Messaging": envelope.messaging, "Body": envelope.body}
    parts: dict[str, bytes] = {}
    references: list[Reference] = []
    for element in elements:
        reference = _reference(element, demand)
        references.append(reference)
        if reference.uri.startswith("cid:"):
            parts[unquote(reference.uri[4:])] = reference.digest
            continue
        target = envelope.ids.get(reference.uri[1:])
        covered = next((name for name, wanted in missing.items() if target is not None and wanted is target), None)
        if covered is None:
            noncompliant("A signed reference names neither the Messaging header nor the Body of this envelope")
        del missing[covered]
    if missing or set(parts) != set(content_ids):
        noncompliant("The signature must cover Messaging, Body and every part, and nothing else")
    return references, parts


def _reference(element: etree._Element, demand: Demand) -> Reference:
    if element.tag != _REFERENCE:
        noncompliant("SignedInfo holds something other than references")
    # Only plain attributes: a receipt repeats this element, and its canonical form must not depend on ours.
    attributes(element, "URI", "Id", "Type")
    transforms, method, value = children(element, _TRANSFORMS, _DIGEST_METHOD, _DIGEST_VALUE)
    (transform,) = children(transforms, _TRANSFORM)
    for plain in (transforms, value):
        attributes(plain)
    plain_algorithm(method, demand.algorithms.digest)
    uri = element.get("URI", "")
    prefixes = None
    if uri.startswith("#"):
        prefixes = canonicalization(transform, demand.algorithms.canonicalization, demand.limits)
    elif uri.startswith("cid:"):
        plain_algorithm(transform, demand.algorithms.part_transform)
    else:
        noncompliant("A reference must begin with # or cid:")
    digest = base64_of(value)
    if len(digest) != hashlib.sha256().digest_size:
        noncompliant("A digest has the wrong length")
    return Reference(uri, digest, prefixes, element)


def canonicalization(element: etree._Element, wanted: str, limits: Limits) -> list[str] | None:
    algorithm(element, wanted)
    if not len(element):
        return None
    (inclusive,) = children(element, _INCLUSIVE)
    attributes(inclusive, "PrefixList")
    prefixes = inclusive.get("PrefixList", "").split()
    if len(prefixes) > limits.prefixes or len(inclusive):
        noncompliant("A PrefixList is too long")
    return prefixes
