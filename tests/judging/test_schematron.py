"""Schematron becomes XSLT that means the same: each rule of the standard with a document on either side of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from judging_parts import NS, ORDER, XSL, one_rule, put, read, root_of, schema, zipped

from gateway.judging.judge import ABORTED
from gateway.judging.pack import UnusablePack
from gateway.judging.workers import NoProcessor, Workers
from gateway.model.document import Severity


@pytest.fixture(params=["saxon", "interpreter"])
def workers(request: pytest.FixtureRequest) -> Workers:
    """Both processors: they must not differ."""
    if request.param == "saxon":
        pytest.importorskip("saxonche", reason="needs the extra rules")
        return request.getfixturevalue("saxon")  # type: ignore[no-any-return]
    return request.getfixturevalue("without_saxon")  # type: ignore[no-any-return]


def fired(octets: bytes, document: str, folder: Path, workers: Workers, file: str = "orders.sch") -> list[str]:
    judge, pack = put(octets, folder, workers, file)
    return [finding.rule for finding in judge.judge(root_of(document), [pack])[0].findings]


def test_a_good_order_has_one_warning_with_place_and_words(tmp_path: Path, workers: Workers) -> None:
    judge, pack = put(schema(), tmp_path, workers)
    judgement = judge.judge(root_of(ORDER), [pack])[0]
    (finding,) = judgement.findings
    assert (finding.rule, finding.severity, finding.message) == ("ORD-4", Severity.WARNING, "Kind is rush.")
    assert finding.location == "/Order/@kind"
    assert not judgement.refused


def test_values_and_names_stand_in_the_message(tmp_path: Path, workers: Workers) -> None:
    judge, pack = put(schema(), tmp_path, workers)
    order = ORDER.replace(">2.5<", ">1500<")
    found = {f.rule: f for f in judge.judge(root_of(order), [pack])[0].findings}
    assert found["ORD-1"].message == "The lines make 1510, not 12.5."
    assert found["ORD-2"].message == "A large line in o:Line."
    assert found["ORD-2"].severity is Severity.WARNING
    assert found["ORD-2"].location == f"/Order/{{{NS}}}Line[2]"


def test_of_one_pattern_only_the_first_rule_fires(tmp_path: Path, workers: Workers) -> None:
    rule = '<rule context="o:Line"><assert id="{0}" test="false()">x</assert></rule>'
    together = schema(f"<pattern>{rule.format('A')}{rule.format('B')}</pattern>")
    apart = schema(f"<pattern>{rule.format('A')}</pattern><pattern>{rule.format('B')}</pattern>")
    assert fired(together, ORDER, tmp_path / "1", workers) == ["A", "A"]
    assert fired(apart, ORDER, tmp_path / "2", workers) == ["A", "A", "B", "B"]


def test_a_check_that_cannot_be_evaluated_ends_the_run_and_refuses(tmp_path: Path, workers: Workers) -> None:
    judge, pack = put(one_rule("xs:decimal(o:Total) &gt; 0"), tmp_path, workers)
    judgement = judge.judge(root_of(ORDER.replace("12.5", "12,5")), [pack])[0]
    assert [f.rule for f in judgement.findings] == [ABORTED] and judgement.refused
    assert "12,5" in judgement.findings[0].message


def test_an_error_in_a_context_means_that_it_does_not_fit(tmp_path: Path, workers: Workers) -> None:
    odd = one_rule("false()", context="o:Order[xs:decimal(o:Total) &gt; 0]")
    assert fired(odd, ORDER.replace("12.5", "12,5"), tmp_path, workers) == []
    assert fired(odd, ORDER, tmp_path, workers) == ["ONE"]


def test_abstract_rules_and_patterns_are_written_out(tmp_path: Path, workers: Workers) -> None:
    rules = """
      <pattern abstract="true" id="needs">
        <rule abstract="true" id="base"><assert id="BASE" test="$what">b</assert></rule>
        <rule context="$where"><extends rule="base"/><assert id="NEEDS" test="$what and $whatever">n</assert></rule>
      </pattern>
      <pattern is-a="needs"><param name="where" value="o:Line"/><param name="what" value="o:Missing"/>
        <param name="whatever" value="true()"/></pattern>"""
    assert fired(schema(rules), ORDER, tmp_path, workers) == ["BASE", "NEEDS"] * 2


def test_only_the_default_phase_runs(tmp_path: Path, workers: Workers) -> None:
    rules = """<phase id="p"><active pattern="on"/></phase>
      <pattern id="on"><rule context="o:Order"><assert id="ON" test="false()">x</assert></rule></pattern>
      <pattern id="off"><rule context="o:Order"><assert id="OFF" test="false()">x</assert></rule></pattern>"""
    assert fired(schema(rules, attributes='defaultPhase="p"'), ORDER, tmp_path / "1", workers) == ["ON"]
    assert fired(schema(rules), ORDER, tmp_path / "2", workers) == ["ON", "OFF"]


FUNCTION = f"""<xsl:function name="f:double" as="xs:decimal" xmlns:f="urn:f" xmlns:xsl="{XSL}"
      xmlns:xs="http://www.w3.org/2001/XMLSchema"><xsl:param name="n" as="xs:decimal"/>
    <xsl:variable name="two">2</xsl:variable><xsl:variable name="as-number" select="xs:decimal($two)" as="xs:decimal"/>
    <xsl:choose><xsl:when test="$n = 0"><xsl:sequence select="xs:decimal(0)"/></xsl:when>
      <xsl:otherwise><xsl:sequence select="f:double($n - 1) + $as-number"/></xsl:otherwise></xsl:choose></xsl:function>
  <ns prefix="f" uri="urn:f"/>"""


def test_functions_of_the_schema_work(tmp_path: Path, workers: Workers) -> None:
    rules = f"""{FUNCTION}
      <pattern><rule context="o:Order"><assert id="F" test="f:double(3) = 5"><value-of select="f:double(3)"/></assert>
        <assert id="G" test="f:double(o:Line[1]/o:Amount) = 20">x</assert></rule>
      <rule context="o:Line[f:double(o:Amount) = 20]"><assert id="H" test="false()">x</assert></rule>
      <rule context="o:Line"><assert id="I" test="f:double(o:Amount[. = 0])">x</assert></rule></pattern>"""
    judge, pack = put(schema(rules), tmp_path, workers)
    order = ORDER.replace("<o:Line><o:Amount>2.5</o:Amount></o:Line>", "")
    assert [(f.rule, f.message) for f in judge.judge(root_of(order), [pack])[0].findings] == [("F", "6"), ("H", "x")]
    other = ORDER.replace(">2.5<", ">7<")  # its rule calls the function with nothing
    assert fired(schema(rules), other, tmp_path / "2", workers) == [ABORTED]


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ("o:Line[1]/o:Amount &lt; o:Line[2]/o:Amount", True),  # as text: "10" comes before "2.5"
        ("o:Line[1]/o:Amount = '10.0'", False),
        ("o:Line[1]/o:Amount = 10.0", True),
        ("o:Line/o:Amount != o:Total", True),
        ("o:CustomizationID &gt; o:Total", True),
        ("o:Total &gt;= '12'", True),
        ("o:Total + 0.1 = 12.6", True),
        ("not(o:Nothing = o:Total)", True),
        ("string(o:Total) castable as xs:date", False),
        ("matches(o:CustomizationID, '^urn:[a-z]+:orders')", True),
        ("tokenize(o:CustomizationID, ':')[2] = 'example'", True),
        ("round(o:Line[2]/o:Amount * 10 * 10) div 100 = 2.5", True),
        ("every $l in o:Line satisfies xs:decimal($l/o:Amount) &gt; 2", True),
        ("some $l in o:Line satisfies $l/o:Amount = 11", False),
        ("if (o:Total) then count(o:Line) = 2 else false()", True),
        ("string-length(normalize-space(concat(' ', @kind, ' '))) = 4", True),
        ("sum(for $l in o:Line return xs:decimal($l/o:Amount)) = o:Total", True),
        ("o:Line[o:Amount = 10]/following-sibling::o:Line", True),
        ("xs:integer(substring('12', 1, 1)) idiv 1 = 1", True),
        ("upper-case(@kind) = 'RUSH' and not(exists(@none))", True),
    ],
)
def test_both_processors_read_xpath_alike(test: str, holds: bool, tmp_path: Path, workers: Workers) -> None:
    assert fired(one_rule(test), ORDER, tmp_path, workers) == ([] if holds else ["ONE"])


KEYS = f"""<xsl:key name="lines" match="o:Line" use="o:Amount" xmlns:xsl="{XSL}"/>
  <pattern><rule context="o:Order"><assert id="K" test="empty(key('lines', '10'))">x</assert>
    <assert id="L" test="empty(key('lines', o:Total))">x</assert>
    <assert id="M" test="count(key('lines', o:Line/o:Amount)) = 3">x</assert></rule></pattern>"""
DOCUMENT = f"""<pattern><rule context="o:Order"><assert id="D" test="$x = 1">x</assert></rule></pattern>
  <xsl:function name="o:f" xmlns:xsl="{XSL}"><xsl:number/></xsl:function>"""
# A sequence of two in XPath 2, the first of them in XPath 1.
SUM = (
    """<pattern><rule context="o:Order"><assert id="ONE" test="o:Line/o:Amount + 0 = 10">x</assert></rule></pattern>"""
)


def test_keys_of_the_schema_work(tmp_path: Path, workers: Workers) -> None:
    assert fired(schema(KEYS), ORDER, tmp_path, workers) == ["K", "M"]


def test_an_old_query_binding_compares_as_xpath_1_does(tmp_path: Path, saxon: Workers) -> None:
    assert fired(schema(SUM, binding="xslt"), ORDER, tmp_path / "1", saxon) == []
    assert fired(schema(SUM), ORDER, tmp_path / "2", saxon) == [ABORTED]


VARIABLES = f"""<xsl:variable name="one" select="1" xmlns:xsl="{XSL}"/><let name="two">2</let>
  <pattern><rule context="o:Order"><let name="three">3</let>
    <assert id="V" test="$one + $two + $three = 7">x</assert></rule></pattern>"""


def test_variables_with_a_body_work_with_saxon(tmp_path: Path, saxon: Workers) -> None:
    assert fired(schema(VARIABLES), ORDER, tmp_path, saxon) == ["V"]


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (schema(DOCUMENT), "xsl:number"),
        (schema(SUM, binding="xslt"), "XPath 1"),
        (schema(VARIABLES), "xsl:variable"),
        (schema(VARIABLES.partition("/>")[2]), "a let has a body"),
        (one_rule("format-date(current-date(), '[Y]') = '1'"), "format-date"),
        (one_rule("1 +"), "cannot be read"),
    ],
)
def test_what_needs_saxon_says_so_without_it(octets: bytes, said: str, without_saxon: Workers) -> None:
    with pytest.raises(NoProcessor, match=said):
        without_saxon.prove(said, read(octets).program)


def test_includes_are_read_from_the_zip_and_nowhere_else(tmp_path: Path, workers: Workers) -> None:
    part = b"""<pattern xmlns="http://purl.oclc.org/dsdl/schematron"><rule context="o:Order">
      <assert id="PART" test="false()">x</assert></rule></pattern>"""
    main = schema('<include href="parts/one.sch"/>')
    both = zipped({"pack/main.sch": main, "pack/parts/one.sch": part, "pack/readme.txt": b"hello"})
    assert fired(both, ORDER, tmp_path, workers, "orders.zip") == ["PART"]
    for octets, file in ((main, "main.sch"), (zipped({"main.sch": main, "one.sch": part}), "orders.zip")):
        with pytest.raises(UnusablePack, match=r"parts/one\.sch.*not in the given file"):
            read(octets, file, **({"entry": "main.sch"} if file.endswith("zip") else {}))


@pytest.mark.parametrize(
    "href", ["../outside.sch", "/etc/passwd", "file:///etc/passwd", "http://example.org/x.sch", "", "main.sch"]
)
def test_an_include_from_elsewhere_or_of_itself_is_refused(href: str) -> None:
    with pytest.raises(UnusablePack):
        read(zipped({"main.sch": schema(f'<include href="{href}"/>')}), "orders.zip")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('<pattern><rule><assert id="A" test="1">x</assert></rule></pattern>', "no context"),
        ('<pattern><rule context="o:Order"><assert id="A">x</assert></rule></pattern>', "no test"),
        ('<pattern is-a="none"/>', "no abstract pattern"),
        ('<pattern><rule context="o:Order"><extends rule="none"/></rule></pattern>', "no abstract rule"),
        (
            '<pattern documents="o:a"><rule context="*"><assert id="A" test="1">x</assert></rule></pattern>',
            "other documents",
        ),
        ("<pattern/>", "no rule with an id"),
        ('<let name="a" value="1"/><pattern><let name="a" value="2"/></pattern>', "defined twice"),
    ],
)
def test_what_is_wrong_with_a_schema_is_said(rules: str, said: str) -> None:
    with pytest.raises(UnusablePack, match=said):
        read(schema(rules))


def test_a_rule_that_extends_itself_is_refused() -> None:
    rules = """<pattern><rule abstract="true" id="a"><extends rule="b"/></rule>
      <rule abstract="true" id="b"><extends rule="a"/></rule>
      <rule context="o:Order"><extends rule="a"/></rule></pattern>"""
    with pytest.raises(UnusablePack, match="extends itself"):
        read(schema(rules))


def test_an_unknown_query_language_is_refused() -> None:
    with pytest.raises(UnusablePack, match="stx"):
        read(schema(binding="stx"))
