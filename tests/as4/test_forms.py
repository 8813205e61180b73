"""One honest message in the forms of other stacks: their prefixes, prefix lists, orders and line breaks; all are taken.

The forms are made here, by lxml and the sender's key alone. That a prefix list changes the digests is exclusive C14N's
section 4; some stacks name the prefixes of all that they declare, used or not.
"""

from __future__ import annotations

import base64
import itertools
from typing import Final

import pytest
from lxml import etree

from gateway.as4.msh import Request
from gateway.errors import InvalidMessage
from gateway.security import safexml
from tests.as4.as4_parts import DOCUMENT, World, at, digest_of, pack, unpack

pytestmark = pytest.mark.usefixtures("door")

_DECLARED: Final = (
    b' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_EB: Final = b' xmlns:eb3="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"'
_INCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"

PREFIXES: Final = {
    "ours": [],
    "soapenv and eb3": [(b"soap:", b"soapenv:"), (b":soap=", b":soapenv="), (b"eb:", b"eb3:"), (b":eb=", b":eb3=")],
    "S12 and no prefix for signatures": [
        *[(b"soap:", b"S12:"), (b":soap=", b":S12=")],
        *[(b"<ds:", b"<"), (b"</ds:", b"</"), (b"xmlns:ds=", b"xmlns=")],
    ],
    "numbered": [(b"soap:", b"ns1:"), (b":soap=", b":ns1="), (b"eb:", b"ns2:"), (b":eb=", b":ns2=")],
}
LISTS: Final = ("", "envelope", "xsd xsi envelope eb3", "xsd")
ORDERS: Final = ("as ours", "Messaging first", "with a time stamp")
SPACES: Final = ("none", "line breaks in Security", "line breaks everywhere in Messaging")
FORMS: Final = list(itertools.product(PREFIXES, LISTS, ORDERS, SPACES))


@pytest.mark.parametrize(("prefixes", "listed", "order", "spaces"), FORMS, ids=[", ".join(form) for form in FORMS])
def test_every_form_is_taken(
    world: World, request_of_c2: Request, prefixes: str, listed: str, order: str, spaces: str
) -> None:
    root, part, content_id = unpack(request_of_c2)
    octets = etree.tostring(root)
    for old, new in PREFIXES[prefixes]:
        octets = octets.replace(old, new)
    declared = _DECLARED + (b"" if b"xmlns:eb3" in octets.partition(b">")[0] else _EB)
    octets = octets.replace(b"Envelope xmlns:", b"Envelope" + declared + b" xmlns:", 1)
    root = safexml.parse(octets)
    header, security = at(root, "Header"), at(root, "Header", "Security")
    if order == "Messaging first":
        header.append(security)
    elif order == "with a time stamp":
        security.insert(0, _time_stamp(security))
    if spaces != "none":
        for element in (security, at(root, "Header", "Messaging"))[: 1 if "Security" in spaces else 2]:
            etree.indent(element, "\t" if "Security" in spaces else "    ")
    names = listed.replace("envelope", str(root.prefix)).split()
    _sign(world, root, names)
    made = pack(root, part, content_id)
    received = world.read(made)
    assert received.document == DOCUMENT
    spoiled = safexml.parse(made.soap)
    at(spoiled, "Header", "Messaging").find(".//{*}MessageId").text += "x"  # type: ignore[union-attr, operator]
    with pytest.raises(InvalidMessage, match="changed"):
        world.read(pack(spoiled, part, content_id))


def _time_stamp(security: etree._Element) -> etree._Element:
    wsu = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
    stamp = etree.Element(f"{{{wsu}}}Timestamp", {f"{{{wsu}}}Id": "stamp"}, nsmap={"wsu": wsu})
    etree.SubElement(stamp, f"{{{wsu}}}Created").text = "2026-11-25T10:55:00.000Z"
    etree.SubElement(stamp, f"{{{wsu}}}Expires").text = "2026-11-25T11:00:00.000Z"
    return stamp


def _sign(world: World, root: etree._Element, names: list[str]) -> None:
    """Put the prefix list wherever exclusive C14N is named, then make digests and signature right again."""
    signature = at(root, "Header", "Security", "Signature")
    info = at(root, "Header", "Security", "Signature", "SignedInfo")
    for method in [*info.iterfind("{*}CanonicalizationMethod"), *info.iterfind(".//{*}Transform")]:
        if names and method.get("Algorithm") == _INCLUSIVE:
            nsmap = {"ec": _INCLUSIVE}
            etree.SubElement(method, f"{{{_INCLUSIVE}}}InclusiveNamespaces", {"PrefixList": " ".join(names)}, nsmap)
    targets = {"#messaging": at(root, "Header", "Messaging"), "#body": at(root, "Body")}
    for reference in info.iterfind("{*}Reference"):
        if (target := targets.get(reference.get("URI", ""))) is not None:
            reference.find("{*}DigestValue").text = digest_of(_canonical(target, names))  # type: ignore[union-attr]
    value = signature.find("{*}SignatureValue")
    assert value is not None
    value.text = base64.b64encode(world.c2.signer.sign(_canonical(info, names))).decode()


def _canonical(element: etree._Element, names: list[str]) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, inclusive_ns_prefixes=names)
