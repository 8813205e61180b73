"""What a pack may not name is refused at installation, however it is written."""

from __future__ import annotations

import pytest
from judging_parts import XSL, one_rule, read, stylesheet

from gateway.judging.pack import UnusablePack

FORBIDDEN = [
    "doc('file:///etc/passwd')",
    "doc-available('http://example.org/')",
    "document('x.xml')",
    "unparsed-text('/etc/passwd')",
    "fn:unparsed-text-lines('/etc/passwd')",
    "Q{http://www.w3.org/2005/xpath-functions}doc('x')",
    "collection('.')",
    "json-doc('x')",
    "environment-variable('HOME')",
    "transform(map{})",
    "function-lookup(xs:QName('fn:doc'), 1)('x')",
    "('x') ! doc#1(.)",
    "(: don't :) doc('x')",
    "(: (: nested :) ' :) doc ('x')",
    "'a' || doc(: here :) ('x')",
]


@pytest.mark.parametrize("expression", FORBIDDEN)
def test_a_function_that_reaches_out_is_refused_in_both_kinds(expression: str) -> None:
    declared = 'xmlns:fn="http://www.w3.org/2005/xpath-functions"'
    with pytest.raises(UnusablePack, match="could reach files"):
        read(stylesheet(f'<xsl:value-of select="{expression}"/>', declared), "orders.xslt")
    with pytest.raises(UnusablePack):
        read(one_rule(expression.replace("fn:un", "un")))


@pytest.mark.parametrize(
    "body",
    [
        "<svrl:x y=\"{doc('x')}\"/>",
        "<svrl:x y=\"it's {doc('x')}\"/>",
        '<xsl:result-document href="file:///tmp/x"/>',
        "<xsl:evaluate xpath=\"'1'\"/>",
        '<xsl:source-document href="x"/>',
        "<xsl:value-of _select=\"{'doc(1)'}\"/>",
        '<xsl:value-of select="e:system(\'id\')" xmlns:e="java:java.lang.Runtime"/>',
        "<saxon:assign xmlns:saxon='http://saxon.sf.net/'/>",
        "<svrl:y expand-text='yes' xsl:expand-text='yes'>it's {doc('x')}</svrl:y>",
    ],
)
def test_so_is_an_instruction_and_code_inside_values(body: str) -> None:
    with pytest.raises(UnusablePack, match="could reach files"):
        read(stylesheet(body), "orders.xslt")


@pytest.mark.parametrize("name", ["import", "include", "use-package", "import-schema"])
def test_another_stylesheet_is_not_read(name: str) -> None:
    sheet = stylesheet("").replace(b"<xsl:template", f'<xsl:{name} href="other.xsl"/><xsl:template'.encode(), 1)
    with pytest.raises(UnusablePack):
        read(sheet, "orders.xslt")


def test_what_only_looks_like_it_is_taken() -> None:
    harmless = "o:document/o:doc[contains(., 'doc(')] and document-uri(/) and my:doc(1)"
    own = f'<xsl:function name="my:doc" xmlns:xsl="{XSL}" xmlns:my="urn:my"><xsl:param name="n"/></xsl:function>'
    sheet = stylesheet(f'<xsl:value-of select="{harmless}"/>', 'xmlns:my="urn:my"')
    read(sheet.replace(b"<xsl:template", own.encode() + b"<xsl:template", 1), "orders.xslt")


@pytest.mark.parametrize(
    "octets",
    [
        b'<!DOCTYPE schema [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + one_rule("true()").split(b"?>", 1)[1],
        b'<!DOCTYPE a [<!ENTITY a "b">]><a>&a;</a>',
        b"<a",
        b"",
        b"<other/>",
        b'<schema xmlns="http://www.ascc.net/xml/schematron"/>',
        b'<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>',
        b"PK\x03\x04nonsense",
    ],
)
def test_what_is_no_pack_or_carries_entities_is_refused(octets: bytes) -> None:
    with pytest.raises(UnusablePack) as refused:
        read(octets)
    assert refused.value.remedy
