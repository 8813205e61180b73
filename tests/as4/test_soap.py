"""The gate of the SOAP envelope, and text as canonical XML writes it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.as4 import namespaces as ns
from gateway.as4.limits import LIMITS
from gateway.as4.soap import canonical, escape_attribute, escape_text, leaf_text, read_envelope
from gateway.errors import InvalidMessage, UnreadableRequest
from gateway.security.safexml import parse

HEAD = f'<s:Envelope xmlns:s="{ns.SOAP}" xmlns:eb="{ns.EB}" xmlns:w="{ns.WSSE}">'
GOOD = f"{HEAD}<s:Header><eb:Messaging/><w:Security/></s:Header><s:Body/></s:Envelope>"


def test_the_one_shape_is_read() -> None:
    for text in (
        GOOD,
        "\ufeff" + GOOD,
        '<?xml version="1.0" encoding="utf-8" standalone="no"?>' + GOOD,
        GOOD.replace("<s:Body/>", " <s:Body> </s:Body> "),
        GOOD.replace("<eb:Messaging/><w:Security/>", "<w:Security/><eb:Messaging/>"),
        GOOD.replace("<eb:Messaging/>", '<eb:Messaging s:mustUnderstand="1"/><x xmlns="urn:x" s:mustUnderstand="0"/>'),
        GOOD.replace("<eb:Messaging/>", f'<eb:Messaging s:role="{ns.ULTIMATE_RECEIVER}"/>'),
    ):
        envelope = read_envelope(text.encode(), LIMITS)
        assert envelope.messaging is not None
        assert envelope.security is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a/>",
        GOOD.replace(ns.SOAP, "http://schemas.xmlsoap.org/soap/envelope/"),
        GOOD.replace("<s:Body/>", "<s:Body/><s:Body/>"),
        GOOD.replace("<s:Body/>", ""),
        GOOD.replace("<s:Header>", "<s:Header/><s:Header>"),
        GOOD.replace("<eb:Messaging/>", "<eb:Messaging/><eb:Messaging/>"),
        GOOD.replace("<w:Security/>", "<w:Security/><w:Security s:role='urn:x'/>"),
        GOOD.replace("<w:Security/>", "<w:Security s:role='urn:x'/>"),
        GOOD.replace("<eb:Messaging/>", "<eb:Messaging/><x xmlns='urn:x' s:mustUnderstand='true'/>"),
        GOOD.replace("<eb:Messaging/>", "<eb:Messaging/><x xmlns='urn:x' s:mustUnderstand=' 1 '/>"),
        GOOD.replace("<eb:Messaging/>", "<eb:Messaging><?x y?></eb:Messaging>"),
        "<!DOCTYPE a>" + GOOD,
        '<?xml-stylesheet href="x"?>' + GOOD,
        '<?xml version="1.0" encoding="ISO-8859-1"?>' + GOOD,
        '<?xml version="1.1"?>' + GOOD,
        GOOD.replace("<s:Body/>", "<s:Body>" + "<a>" * 40 + "</a>" * 40 + "</s:Body>"),
        GOOD.replace("<s:Body/>", "<s:Body>" + "<a/>" * 2100 + "</s:Body>"),
        GOOD.replace("<s:Body/>", "<s:Body " + " ".join(f'a{n}=""' for n in range(40)) + "/>"),
        GOOD.replace("<s:Body/>", "<s:Body " + " ".join(f'xmlns:a{n}="u"' for n in range(210)) + "/>"),
        GOOD.replace("<s:Body/>", "<s:Body>" + "x" * 300_000 + "</s:Body>"),
    ],
)
def test_anything_else_stops_at_the_gate(text: str) -> None:
    with pytest.raises(UnreadableRequest):
        read_envelope(text.encode(), LIMITS)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"])
def test_only_utf_8_is_read(encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding}"?>' + GOOD
    with pytest.raises(UnreadableRequest):
        read_envelope(declared.encode(encoding), LIMITS)
    with pytest.raises(UnreadableRequest):
        read_envelope(GOOD.encode() + b"\xc0\xaf", LIMITS)


def test_hostile_envelopes_cost_little() -> None:
    wide = GOOD.replace("<s:Body/>", "<s:Body " + " ".join(f'a{n}=""' for n in range(25_000)) + "/>")
    deep = GOOD.replace("<s:Body/>", "<s:Body>" + "<a>" * 30_000 + "</a>" * 30_000 + "</s:Body>")
    many = GOOD.replace("<s:Body/>", "<s:Body>" + "<a/>" * 60_000 + "</s:Body>")
    taken = []
    for _ in range(3):  # the least of them is what it costs; the others are what else the machine does
        started = time.process_time()
        for text in (wide, deep, many):
            assert len(text) < LIMITS.soap
            with pytest.raises(UnreadableRequest):
                read_envelope(text.encode(), LIMITS)
        taken.append(time.process_time() - started)
    assert min(taken) < 0.25


def test_ids_of_every_spelling_share_one_map() -> None:
    text = GOOD.replace(
        "<s:Body/>", f'<s:Body xmlns:u="{ns.WSU}" u:Id="a"><x Id="b" ID="c" id="d" xml:id="e"/></s:Body>'
    )
    envelope = read_envelope(text.encode(), LIMITS)
    assert set(envelope.ids) == {"a", "b", "c", "d", "e"}
    assert not envelope.ambiguous
    for spelling in ('Id="a"', 'ID="a"', 'id="a"', 'xml:id="a"'):
        assert read_envelope(
            text.replace('Id="b"', spelling, 1).replace(' ID="c" id="d" xml:id="e"', "").encode(), LIMITS
        ).ambiguous


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(InvalidMessage) as raised:
        canonical(parse(b'<a xmlns="relative"/>'))
    assert raised.value.code == "EBMS:0103"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_text_is_written_as_lxml_canonicalises_it(text: str) -> None:
    written = f'<a b="{escape_attribute(text)}">{escape_text(text)}</a>'.encode()
    assert canonical(parse(written)) == written


def test_comments_are_read_as_the_signature_reads_them() -> None:
    """Exclusive canonical form leaves them out; so a comment neither hides nor splits a value."""
    split = GOOD.replace("<eb:Messaging/>", "<!-- a --><eb:Messaging>one<!-- b -->two</eb:Messaging>") + "<!-- c -->"
    messaging = read_envelope(split.encode(), LIMITS).messaging
    assert messaging is not None and leaf_text(messaging) == "onetwo"
