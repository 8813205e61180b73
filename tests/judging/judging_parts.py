"""Small packs written for these tests, and documents for them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from lxml import etree

from gateway.judging.judge import Judge, install
from gateway.judging.pack import Pack
from gateway.judging.reading import Source, read_pack
from gateway.judging.shelf import Shelf
from gateway.judging.workers import Workers
from gateway.security import safexml
from gateway.ubl.names import xpath_of

NS = "urn:example:order"
XSL = "http://www.w3.org/1999/XSL/Transform"
SVRL = "http://purl.oclc.org/dsdl/svrl"

ORDER = f"""<o:Order xmlns:o="{NS}" kind="rush">
  <o:CustomizationID>urn:example:orders:1.0</o:CustomizationID>
  <o:Line><o:Amount>10</o:Amount></o:Line>
  <o:Line><o:Amount>2.5</o:Amount></o:Line>
  <o:Total>12.5</o:Total>
</o:Order>"""

RULES = """
  <title>Orders, version 2.3</title>
  <let name="total" value="/o:Order/o:Total"/>
  <pattern>
    <rule context="o:Order">
      <assert id="ORD-1" flag="fatal" test="sum(o:Line/o:Amount/xs:decimal(.)) = xs:decimal($total)">The lines make
        <value-of select="sum(o:Line/o:Amount/xs:decimal(.))"/>, not <value-of select="$total"/>.</assert>
    </rule>
    <rule context="o:Line[o:Amount &gt; 100]">
      <let name="amount" value="number(o:Amount)"/>
      <report id="ORD-2" role="warning" test="$amount &gt; 1000">A large line in <name/>.</report>
    </rule>
    <rule context="o:Line"><assert id="ORD-3" test="o:Amount">A line needs an amount.</assert></rule>
  </pattern>
  <pattern>
    <rule context="@kind">
      <assert id="ORD-4" flag="warning" test=". = 'calm'">Kind is <value-of select="."/>.</assert>
    </rule>
  </pattern>
"""


def schema(rules: str = RULES, *, binding: str = "xslt2", attributes: str = "", xmlns: str = "") -> bytes:
    """A Schematron of these rules for the namespace of the test orders."""
    return f"""<?xml version="1.0"?>
<schema xmlns="http://purl.oclc.org/dsdl/schematron" xmlns:xsl="{XSL}" queryBinding="{binding}" {attributes} {xmlns}>
  <ns prefix="o" uri="{NS}"/>
  {rules}
</schema>""".encode()


def one_rule(test: str, context: str = "o:Order") -> bytes:
    """A Schematron of one assertion, ``ONE``."""
    return schema(f'<pattern><rule context="{context}"><assert id="ONE" test="{test}">No.</assert></rule></pattern>')


def stylesheet(body: str, attributes: str = "") -> bytes:
    """A compiled pack whose root template holds ``body`` beside one report."""
    return f"""<xsl:stylesheet version="3.0" xmlns:xsl="{XSL}" xmlns:svrl="{SVRL}" xmlns:o="{NS}"
      xmlns:xs="http://www.w3.org/2001/XMLSchema" {attributes}>
  <xsl:template match="/"><svrl:schematron-output>
    <xsl:if test="not(/o:Order/o:Total)"><svrl:failed-assert id="X-1" flag="fatal" location="/o:Order[1]">
      <svrl:text>No total</svrl:text></svrl:failed-assert></xsl:if>
    {body}
  </svrl:schematron-output></xsl:template></xsl:stylesheet>""".encode()


def zipped(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return written.getvalue()


def read(octets: bytes, file: str = "orders.sch", **options: object) -> Source:
    """Read a test pack for the test orders."""
    from gateway.judging.pack import Scope

    return read_pack(octets, file, scopes=(Scope(f"{{{NS}}}Order"),), **options)  # type: ignore[arg-type]


def put(octets: bytes, folder: Path, workers: Workers, file: str = "orders.sch") -> tuple[Judge, Pack]:
    """Install a test pack and give a judge for it."""
    shelf = Shelf(folder)
    pack, _, missing = install(read(octets, file), shelf, workers)
    assert missing is None
    return Judge(shelf, workers, xpath_of), pack


def root_of(document: str | bytes) -> etree._Element:
    return safexml.parse(document.encode() if isinstance(document, str) else document, huge=True)
