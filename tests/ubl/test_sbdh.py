"""The business envelope: round trips, and every check of a receiver."""

from __future__ import annotations

import dataclasses
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import InvalidDocument, InvalidMessage
from gateway.model.document import Envelope
from gateway.model.identifiers import DocumentTypeId, InstanceId, ParticipantId, ProcessId
from gateway.security import safexml
from gateway.ubl import header, invoice, sbdh
from tests.ubl.ubl_parts import changed

pytestmark = pytest.mark.usefixtures("both_ways")

_PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc")), max_size=40)
_TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789.-_&<>\"'#@:", min_size=1, max_size=60)
_NUMBER = st.text("0123456789abcdefghijklmnopqrstuvwxyz._~-", min_size=1, max_size=130)


def _opened(octets: bytes, **limits: int) -> tuple[Envelope, bytes]:
    unwrapped = sbdh.unwrap(octets, **limits)
    return unwrapped.envelope, unwrapped.document


def _refused(octets: bytes) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        _opened(octets)
    assert caught.value.code == "EBMS:0004"
    assert caught.value.detail.startswith("Business envelope (SBDH): ")
    return caught.value


def _same_document(octets: bytes, other: bytes) -> bool:
    def canonical(document: bytes) -> bytes:
        return etree.tostring(safexml.parse(document), method="c14n", exclusive=True)

    return canonical(octets) == canonical(other)


def test_what_was_wrapped_comes_out_octet_for_octet(network: bytes, envelope: Envelope) -> None:
    opened, document = _opened(sbdh.wrap(network, envelope))
    assert opened == envelope
    assert document == network.split(b"?>", 1)[1].strip()


@given(
    icd=st.from_regex(r"[0-9]{4}", fullmatch=True),
    numbers=st.tuples(_NUMBER, _NUMBER),
    instance=_TOKEN,
    customization=_TOKEN.filter(lambda text: "::" not in text and "##" not in text and not text.endswith((":", "#"))),
    process=_TOKEN,
    country=st.from_regex(r"[A-Z0-9]{2}", fullmatch=True),
    body=_PLAIN,
)
def test_any_header_and_any_text_survive_the_round_trip(
    icd: str, numbers: tuple[str, str], instance: str, customization: str, process: str, country: str, body: str
) -> None:
    root = etree.Element("{urn:test}Note")
    root.text = body
    document = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    document_type = DocumentTypeId(f"urn:test::Note##{customization}::7")
    envelope = Envelope(
        sender=ParticipantId(f"{icd}:{numbers[0]}"),
        receiver=ParticipantId(f"{icd}:{numbers[1]}"),
        document_type=document_type,
        process=ProcessId(process),
        country_c1=country,
        instance_id=InstanceId(instance),
        created="2026-11-25T10:15:30+01:00",
        standard="urn:test",
        type_version="7",
        type="Note",
    )
    opened, inside = _opened(sbdh.wrap(document, envelope))
    assert opened == envelope
    assert _same_document(inside, document)


def test_the_corpus_survives_the_round_trip_octet_for_octet(corpus: Path, envelope: Envelope) -> None:
    for path in sorted((corpus / "examples").rglob("*.xml")):
        octets = path.read_bytes()
        root = safexml.parse(octets, huge=True)
        kind = etree.QName(root)
        own = dataclasses.replace(
            envelope,
            document_type=DocumentTypeId.of(kind.namespace or "", kind.localname, "x", "2.1"),
            standard=kind.namespace or "",
            type=kind.localname,
        )
        _, document = _opened(sbdh.wrap(octets, own))
        assert document in octets or _same_document(document, octets), path.name


def test_status_scopes_are_carried(network: bytes, envelope: Envelope) -> None:
    asked = dataclasses.replace(envelope, mls_to="0242:000306", mls_type="ALWAYS_SEND")
    assert _opened(sbdh.wrap(network, asked))[0] == asked


def test_an_unusable_status_address_is_left_out_and_not_refused(network: bytes, envelope: Envelope) -> None:
    wrapped = sbdh.wrap(network, dataclasses.replace(envelope, mls_to="0242:000306", mls_type="FAILURE_ONLY"))
    opened, _ = _opened(changed(wrapped, ("0242:000306", "somewhere"), ("FAILURE_ONLY", "SOMETIMES")))
    assert (opened.mls_to, opened.mls_type) == ("", "")


@pytest.mark.parametrize(
    "prolog",
    [b"", b"\xef\xbb\xbf", b'<?xml version="1.0"?>\r\n', b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8' ?>\n"],
)
def test_declaration_and_byte_order_mark_stay_outside(network: bytes, envelope: Envelope, prolog: bytes) -> None:
    body = network.split(b"?>", 1)[1].strip()
    wrapped = sbdh.wrap(prolog + body, envelope)
    assert wrapped.endswith(body + b"</StandardBusinessDocument>")
    assert b"<?xml" not in wrapped


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16", "windows-1252"])
def test_another_encoding_is_transcoded(network: bytes, envelope: Envelope, encoding: str) -> None:
    text = network.decode().replace("UTF-8", encoding)
    _, document = _opened(sbdh.wrap(text.encode(encoding), envelope))
    assert "Göteborg" in document.decode()
    assert invoice.read(document).number == "202611870"


def test_a_broken_document_in_another_encoding_is_refused(envelope: Envelope) -> None:
    with pytest.raises(InvalidDocument):
        sbdh.wrap(b'<?xml version="1.0" encoding="ISO-8859-1"?><a>', envelope)


def test_a_header_of_more_than_64_kilobytes_is_refused(network: bytes, envelope: Envelope) -> None:
    with pytest.raises(InvalidDocument, match="64000"):
        sbdh.wrap(network, dataclasses.replace(envelope, instance_id=InstanceId("x" * 64_000)))


def test_values_are_trimmed(network: bytes, envelope: Envelope) -> None:
    wrapped = changed(
        sbdh.wrap(network, envelope), (">0088:7300010000001<", ">\n 0088:7300010000001\t<"), (">SE</I", "> SE </I")
    )
    assert _opened(wrapped)[0] == envelope


def test_a_missing_scheme_means_the_usual_one(network: bytes, envelope: Envelope) -> None:
    wrapped = changed(
        sbdh.wrap(network, envelope),
        ("<Identifier>busdox-docid-qns</Identifier>", ""),
        ("<Identifier>cenbii-procid-ubl</Identifier>", ""),
    )
    assert _opened(wrapped)[0] == envelope


def test_a_prefixed_envelope_is_the_same(network: bytes, envelope: Envelope) -> None:
    body = network.split(b"?>", 1)[1].strip()
    head = sbdh.wrap(b"<X/>", envelope).decode().split("<X/>")[0]
    head = head.replace("</", "</s:").replace("<", "<s:").replace("<s:/s:", "</s:").replace("xmlns=", "xmlns:s=")
    opened, document = _opened(
        b'<?xml version="1.0" encoding="UTF-8"?>\n' + head.encode() + body + b"</s:StandardBusinessDocument>\n"
    )
    assert (opened, document) == (envelope, body)


def test_a_document_that_borrows_prefixes_is_written_so_that_it_stands_alone(
    network: bytes, envelope: Envelope
) -> None:
    declarations = (
        '\n         xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
        '\n         xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"'
    )
    bare = changed(network, (declarations, ""))
    wrapped = changed(
        sbdh.wrap(bare, envelope), ("<StandardBusinessDocument ", f"<StandardBusinessDocument {declarations} ")
    )
    _, document = _opened(wrapped)
    assert _same_document(document, network)


def test_a_document_that_borrows_its_default_namespace_stands_alone_too() -> None:
    inner = b'<s:A xmlns:s="urn:a"><B/></s:A>'
    wrapped = (
        _minimal(inner, namespace="urn:a", name="A")
        .replace(b'<s:A xmlns:s="urn:a">', b"<s:A>")
        .replace(b"<StandardBusinessDocument ", b'<StandardBusinessDocument xmlns:s="urn:a" ')
    )
    _, document = _opened(wrapped)
    root = safexml.parse(document)
    assert root.tag == "{urn:a}A"
    assert root[0].tag == "{http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader}B"


def test_a_document_that_declares_the_same_prefixes_once_more_is_cut_as_it_is(
    network: bytes, envelope: Envelope
) -> None:
    again = (
        ' xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
        ' xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"'
    )
    wrapped = changed(
        sbdh.wrap(network, envelope), ("<StandardBusinessDocument ", f"<StandardBusinessDocument{again} ")
    )
    assert _opened(wrapped)[1] == network.split(b"?>", 1)[1].strip()


def test_elements_in_the_envelopes_own_namespace_keep_it() -> None:
    inner = b'<s:A xmlns:s="urn:a"><B/></s:A>'
    root = safexml.parse(_opened(_minimal(inner, namespace="urn:a", name="A"))[1])
    assert etree.QName(root[0]).namespace == "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"


def test_a_prefix_in_a_value_counts_as_borrowed() -> None:
    inner = b'<A xmlns="urn:a" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="p:T"/>'
    wrapped = _minimal(inner, namespace="urn:a", name="A").replace(
        b"<StandardBusinessDocument ", b'<StandardBusinessDocument xmlns:p="urn:p" '
    )
    _, document = _opened(wrapped)
    assert b'xmlns:p="urn:p"' in document


def _minimal(inner: bytes, *, namespace: str, name: str) -> bytes:
    envelope = Envelope(
        sender=ParticipantId("0007:5567123400"),
        receiver=ParticipantId("0007:5567987606"),
        document_type=DocumentTypeId(f"{namespace}::{name}##c::1"),
        process=ProcessId("p"),
        country_c1="SE",
        instance_id=InstanceId("i"),
        created="2026-11-25T10:15:30Z",
    )
    return sbdh.wrap(inner, envelope)


@pytest.mark.parametrize(
    "around",
    [
        (b"<!-- before -->", b""),
        (b"", b"<!-- after -->"),
        (b"<?pi x?>", b"\n"),
        (b"", b"<!-- </StandardBusinessDocument> -->"),
        (b"<!-- </StandardBusinessDocumentHeader> -->", b""),
    ],
)
def test_comments_around_the_document_do_not_come_out_with_it(around: tuple[bytes, bytes]) -> None:
    inner = b'<A xmlns="urn:a">x<!-- mine --></A>'
    wrapped = _minimal(inner, namespace="urn:a", name="A")
    wrapped = wrapped.replace(inner, around[0] + inner + around[1])
    assert _opened(wrapped)[1] == inner


@pytest.mark.parametrize(
    "tail", [b"<!-- x -->", b"<!-- </StandardBusinessDocument> -->", b"<?pi </StandardBusinessDocument>?>"]
)
def test_what_follows_the_envelope_does_not_confuse_the_cut(tail: bytes) -> None:
    inner = b'<A xmlns="urn:a">x</A>'
    assert _opened(_minimal(inner, namespace="urn:a", name="A") + tail)[1] == inner


def test_a_header_end_tag_hidden_before_the_header_does_not_confuse_the_cut() -> None:
    inner = b'<A xmlns="urn:a">x</A>'
    wrapped = b"<!-- </StandardBusinessDocumentHeader><A/> -->" + _minimal(inner, namespace="urn:a", name="A")
    assert _opened(wrapped)[1] == inner


@pytest.mark.parametrize("empty", ["", " "])
def test_an_element_named_like_the_header_inside_it_does_not_confuse_the_cut(
    network: bytes, envelope: Envelope, empty: str
) -> None:
    end = "</StandardBusinessDocumentHeader>"
    inner = f'<x:StandardBusinessDocumentHeader xmlns:x="urn:x">{empty}</x:StandardBusinessDocumentHeader>'
    _, document = _opened(changed(sbdh.wrap(network, envelope), (end, inner + end)))
    assert _same_document(document, network)


def test_an_envelope_with_very_many_namespaces_is_refused_at_once(network: bytes, envelope: Envelope) -> None:
    many = " ".join(f'xmlns:p{n}="urn:p"' for n in range(5_000))
    octets = changed(sbdh.wrap(network, envelope), ("<StandardBusinessDocument ", f"<StandardBusinessDocument {many} "))
    started = time.thread_time()
    assert "namespaces" in _refused(octets).detail
    assert time.thread_time() - started < 0.5


def test_a_document_hidden_in_a_header_value_is_never_taken_for_the_real_one() -> None:
    real = b'<A xmlns="urn:a">real<?p -->?></A>'
    hidden = b'<![CDATA[</StandardBusinessDocumentHeader><A xmlns="urn:a">hidden<!--]]>'
    wrapped = _minimal(real, namespace="urn:a", name="A").replace(
        b"<InstanceIdentifier>i<", b"<InstanceIdentifier>" + hidden + b"<"
    )
    assert _opened(wrapped)[1] == real


def test_a_default_namespace_of_the_envelope_is_not_lost_with_it() -> None:
    head = _minimal(b"<X/>", namespace="urn:a", name="A").split(b"<X/>")[0]
    head = (
        head.replace(b"</", b"</s:")
        .replace(b"<", b"<s:")
        .replace(b"<s:/s:", b"</s:")
        .replace(b"xmlns=", b'xmlns="urn:a" xmlns:s=')
    )
    _, document = _opened(head + b"<A>x</A></s:StandardBusinessDocument>")
    assert safexml.parse(document).tag == "{urn:a}A"


@pytest.mark.parametrize("wrapper", ["BinaryContent", "TextContent"])
def test_a_wrapped_foreign_document_is_the_payload_element(envelope: Envelope, wrapper: str) -> None:
    namespace = "http://peppol.eu/xsd/ticc/envelope/1.0"
    inner = f'<{wrapper} xmlns="{namespace}" mimeType="application/pdf">QUJD</{wrapper}>'.encode()
    pdf = dataclasses.replace(
        envelope,
        document_type=DocumentTypeId("urn:peppol:doctype:pdf+xml##urn:x::D22B"),
        standard="urn:peppol:doctype:pdf+xml",
        type_version="0",
        type="factur-x",
    )
    assert _opened(sbdh.wrap(inner, pdf)) == (pdf, inner)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<HeaderVersion>1.0", "<HeaderVersion>2.0", "HeaderVersion"),
        ("<HeaderVersion>1.0</HeaderVersion>", "", "0 elements HeaderVersion"),
        ('Authority="iso6523-actorid-upis"', 'Authority="gln"', "Authority"),
        ('<Identifier Authority="iso6523-actorid-upis">0088', "<Identifier>0088", "Receiver: Authority"),
        (">0088:7300010000001<", ">7300010000001<", "Receiver"),
        (">0088:7300010000001<", ">iso6523-actorid-upis::0088:7300010000001<", "repeats the scheme"),
        (
            "<Sender>",
            "<Sender><Identifier Authority='iso6523-actorid-upis'>0007:1</Identifier>",
            "2 elements Identifier",
        ),
        ("<Receiver>", "<Sender><Identifier/></Sender><Receiver>", "2 elements Sender"),
        ("Receiver>", "Recipient>", "0 elements Receiver"),
        ("BusinessScope>", "Scopes>", "0 elements BusinessScope"),
        ("<Type>DOCUMENTID<", "<Type>documentid<", "DOCUMENTID is missing"),
        ("<Type>PROCESSID<", "<Type>PROCESS<", "PROCESSID is missing"),
        ("<Type>COUNTRY_C1<", "<Type>COUNTRY_C4<", "COUNTRY_C1 is missing"),
        (">SE</InstanceIdentifier>", "></InstanceIdentifier>", "COUNTRY_C1 is missing or empty"),
        (">SE</InstanceIdentifier>", ">Sweden</InstanceIdentifier>", "country code of two letters"),
        (">SE</InstanceIdentifier>", ">se</InstanceIdentifier>", "country code of two letters"),
        ("<Type>COUNTRY_C1<", "<Type>PROCESSID<", "stands there twice"),
        (">busdox-docid-qns<", ">made-up<", "scheme “made-up” is not known"),
        (">cenbii-procid-ubl<", ">oioubl-procid-ubl<", "scheme “oioubl-procid-ubl” is not known"),
        ("##urn:cen.eu", "#urn:cen.eu", "DOCUMENTID"),
        (">urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</Inst", ">two words</Inst", "PROCESSID"),
        (
            ">urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::I",
            ">busdox-docid-qns::urn:a::I",
            "repeats the scheme",
        ),
        ("<Standard>urn:oasis", "<Standard>urn:other", "Standard says"),
        ("<Type>Invoice<", "<Type>invoice<", "Type says"),
        ("<TypeVersion>2.1<", "<TypeVersion>2.2<", "TypeVersion says"),
        ("xsd:Invoice-2::Invoice##", "xsd:Invoice-2::CreditNote##", "DOCUMENTID says"),
        ("<InstanceIdentifier>7f6f2c2e-6a58-4b57-9f1c-2d7c7c6f7a10<", "<InstanceIdentifier> <", "InstanceIdentifier"),
        ("2026-11-25T10:15:30Z", "2026-11-25T10:15:30", "time zone"),
        ("2026-11-25T10:15:30Z", "2026-13-25T10:15:30Z", "time zone"),
        ("2026-11-25T10:15:30Z", "yesterday", "time zone"),
        (">0088:7300010000001<", ">0088:7300010<!-- x -->000001<", "text alone"),
        (">0088:7300010000001<", ">0088:73000<b/>10000001<", "text alone"),
        ("StandardBusinessDocument xmlns", "SBD xmlns", "cannot be read"),
        ("<Invoice ", "<Other/><Invoice ", "holds 2 documents"),
        ("<StandardBusinessDocumentHeader>", "<X/><StandardBusinessDocumentHeader>", "must be the first element"),
        ("<StandardBusinessDocumentHeader>", "x<StandardBusinessDocumentHeader>", "text beside the document"),
        ("</StandardBusinessDocumentHeader>", "</StandardBusinessDocumentHeader>x", "text beside the document"),
        ("</StandardBusinessDocument>", "x</StandardBusinessDocument>", "text beside the document"),
        ("</StandardBusinessDocument>", "<!-- a -->x</StandardBusinessDocument>", "text beside the document"),
        ("</StandardBusinessDocument>", "<![CDATA[x]]></StandardBusinessDocument>", "text beside the document"),
    ],
)
def test_a_wrong_header_is_refused_by_name(network: bytes, envelope: Envelope, old: str, new: str, said: str) -> None:
    assert said in _refused(changed(sbdh.wrap(network, envelope), (old, new))).detail


def test_an_envelope_without_a_document_is_refused(envelope: Envelope) -> None:
    assert "holds 0 documents" in _refused(sbdh.wrap(b"<X/>", envelope).replace(b"<X/>", b"")).detail


def test_an_envelope_in_an_envelope_is_refused(network: bytes, envelope: Envelope) -> None:
    assert "an envelope itself" in _refused(sbdh.wrap(sbdh.wrap(network, envelope), envelope)).detail


@pytest.mark.parametrize("octets", [b"", b"hello", b"<Invoice/>", b"<!DOCTYPE a><a/>"])
def test_what_is_no_envelope_is_refused(octets: bytes) -> None:
    _refused(octets)


def test_more_scopes_than_anybody_needs_are_refused(network: bytes, envelope: Envelope) -> None:
    extra = "".join(f"<Scope><Type>X{n}</Type></Scope>" for n in range(header.MAX_SCOPES))
    assert (
        "scopes"
        in _refused(changed(sbdh.wrap(network, envelope), ("<BusinessScope>", "<BusinessScope>" + extra))).detail
    )


def test_an_envelope_over_the_limit_is_refused(network: bytes, envelope: Envelope) -> None:
    wrapped = sbdh.wrap(network, envelope)
    with pytest.raises(InvalidMessage, match="octets"):
        _opened(wrapped, limit=len(wrapped) - 1)


def test_a_refusal_never_repeats_more_than_a_little_of_what_was_sent(network: bytes, envelope: Envelope) -> None:
    wrapped = changed(sbdh.wrap(network, envelope), (">SE</InstanceIdentifier>", f">{'x' * 5000}</InstanceIdentifier>"))
    assert len(_refused(wrapped).detail) < 600


def test_a_comment_between_header_elements_is_no_reason_to_refuse(network: bytes, envelope: Envelope) -> None:
    octets = changed(sbdh.wrap(network, envelope), ("<Sender>", "<!-- an honest remark --><Sender>"))
    read, document = _opened(octets)
    assert read.sender == envelope.sender
    assert invoice.read(document).number == invoice.read(network).number


@pytest.mark.parametrize("beside", [b"&#32;", b"<![CDATA[ ]]>", b"<!-- --> &#10;"])
def test_blanks_beside_the_document_in_other_words_are_not_cut_out_with_it(
    network: bytes, envelope: Envelope, beside: bytes
) -> None:
    octets = sbdh.wrap(network, envelope)
    end = octets.rindex(b"</StandardBusinessDocument>")
    header = octets.index(b"<Invoice")
    for made in (octets[:end] + beside + octets[end:], octets[:header] + beside + octets[header:]):
        document = sbdh.unwrap(made).document
        assert beside not in document and safexml.parse(document).tag.endswith("}Invoice")


_ODD = (
    " ",
    "\n",
    "\r\n",
    "&amp;",
    "&#13;",
    "<!-- c -->",
    "<![CDATA[x]]>",
    "é",
    "\u00a0",
    "",
    ' x="y"',
    ' xmlns="urn:b"',
    "A>b",
)


@pytest.mark.parametrize("seed", range(8))
def test_a_header_reads_alike_from_its_text_and_from_the_tree(
    seed: int, network: bytes, envelope: Envelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut, doubled and with odd signs anywhere: the short way changes neither value nor refusal."""
    draw = random.Random(seed)
    whole = sbdh.wrap(network, envelope).decode()
    end = whole.index("<Invoice")
    pieces = re.findall("<[^>]*>|[^<]+", whole[:end])

    def verdict(octets: bytes) -> tuple[Envelope, bytes] | str:
        try:
            return _opened(octets)
        except InvalidMessage as error:
            return error.detail

    cases = []
    for _ in range(150):
        changed = list(pieces)
        place = draw.randrange(len(changed))
        match draw.randrange(4):
            case 0:
                del changed[place]
            case 1:
                changed.insert(place, changed[draw.randrange(len(changed))])
            case 2:
                inside = draw.randrange(len(changed[place]) + 1)
                changed[place] = changed[place][:inside] + draw.choice(_ODD) + changed[place][inside:]
            case _:
                changed.insert(place, draw.choice(_ODD))
        cases.append(("".join(changed) + whole[end:]).encode())
    short = [verdict(case) for case in cases]
    monkeypatch.setattr(sbdh, "usual_header", lambda octets: None)
    assert short == [verdict(case) for case in cases]
    assert {type(one) for one in short} == {tuple, str}


def test_our_own_header_and_one_with_prefixes_take_the_short_way(network: bytes, envelope: Envelope) -> None:
    wrapped = sbdh.wrap(network, envelope)
    prefixed = re.sub(rb"<(/?)(?=[A-Z])", rb"<\1s:", wrapped[: wrapped.index(b"<Invoice")]).replace(
        b"xmlns=", b"xmlns:s="
    )
    for octets in (wrapped, b'<?xml version="1.0"?>\n' + wrapped, prefixed):
        found = header.usual_header(octets)
        assert found is not None
        assert found[0] == envelope
        assert octets[: found[1]].endswith(b"StandardBusinessDocumentHeader>")
