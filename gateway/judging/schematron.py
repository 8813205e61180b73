"""Schematron to XSLT: the checks of a schema as a stylesheet that writes a short SVRL report.

Each pattern is a mode and each rule a template, whose priority is its place: of one pattern only the first rule that
matches a node fires. A check that cannot be evaluated ends the whole run, as it does with the publishers' own
stylesheets. Source: ISO/IEC 19757-3, sections 6.4 (order, lets, phases), annex C (query binding xslt2), annex D (SVRL).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from lxml import etree

from gateway.judging.expanding import SCH, XSL, sch, standalone
from gateway.judging.pack import UnusablePack

SVRL: Final = "http://purl.oclc.org/dsdl/svrl"
_VERSIONS: Final = {"": "1.0", "xslt": "1.0", "xslt1": "1.0", "xslt2": "2.0", "xpath2": "2.0", "xslt3": "3.0"}
"""Query binding to version of the stylesheet; 1.0 makes the processor compare as XPath 1.0 does."""


def transpile(schema: etree._Element) -> etree._Element:
    """Give the stylesheet of an expanded schema. Raises :class:`UnusablePack` for what is not supported."""
    binding = schema.get("queryBinding", "").lower()
    if binding not in _VERSIONS:
        raise UnusablePack(f"The query language “{binding[:40]}” is not supported; known are xslt, xslt2 and xslt3")
    names = namespaces(schema)
    names.setdefault("xsl", XSL)
    sheet = etree.Element(f"{{{XSL}}}stylesheet", version=_VERSIONS[binding], nsmap=names)
    _xsl(sheet, "output", method="xml", encoding="UTF-8", indent="no")
    patterns = active_patterns(schema)
    for let in _global_lets(schema, patterns):
        sheet.append(let)
    for node in schema.iter(f"{{{XSL}}}function", f"{{{XSL}}}key"):
        sheet.append(standalone(node))
    for node in schema.iterchildren(f"{{{XSL}}}variable"):
        sheet.append(standalone(node))
    start = _xsl(sheet, "template", match="/")
    report = etree.SubElement(start, f"{{{SVRL}}}schematron-output")
    for number, pattern in enumerate(patterns):
        _xsl(report, "apply-templates", select="/", mode=f"m{number}")
        _write_pattern(sheet, pattern, f"m{number}")
    return sheet


def namespaces(schema: etree._Element) -> dict[str, str]:
    """The prefixes that expressions of a schema may use."""
    names = {str(prefix): uri for prefix, uri in schema.nsmap.items() if prefix and uri != SCH}
    names |= {ns.get("prefix", ""): ns.get("uri", "") for ns in schema.iter(sch("ns")) if ns.get("prefix")}
    # The publishers' compilers always declare these, so that schemas use them without a word.
    for prefix in ("xs", "xsd"):
        names.setdefault(prefix, "http://www.w3.org/2001/XMLSchema")
    return names


def active_patterns(schema: etree._Element) -> list[etree._Element]:
    """The patterns that run: those of the default phase, or all."""
    patterns = list(schema.iterchildren(sch("pattern")))
    phase = schema.get("defaultPhase", "#ALL")
    if phase == "#ALL":
        return patterns
    chosen = next((p for p in schema.iterchildren(sch("phase")) if p.get("id") == phase), None)
    if chosen is None:
        raise UnusablePack(f"The default phase “{phase[:60]}” is not defined")
    wanted = {active.get("pattern") for active in chosen.iterchildren(sch("active"))}
    return [pattern for pattern in patterns if pattern.get("id") in wanted]


def _global_lets(schema: etree._Element, patterns: list[etree._Element]) -> list[etree._Element]:
    """Lets of the schema, its default phase and its patterns: all of them see the whole document."""
    made: dict[str, etree._Element] = {}
    phases = [p for p in schema.iterchildren(sch("phase")) if p.get("id") == schema.get("defaultPhase")]
    for parent in (schema, *phases, *patterns):
        for let in parent.iterchildren(sch("let")):
            name, variable = let.get("name", ""), _variable(let)
            if name in made and etree.tostring(made[name]) != etree.tostring(variable):
                raise UnusablePack(
                    f"Line {let.sourceline}: ${name} is defined twice with different values, which is not supported",
                    remedy="Give the XSLT that the publisher compiled of this schema instead.",
                )
            made.setdefault(name, variable)
    return list(made.values())


def _variable(let: etree._Element) -> etree._Element:
    value = let.get("value")
    variable = etree.Element(f"{{{XSL}}}variable", name=let.get("name", ""))
    if let.get("as"):
        variable.set("as", let.get("as", ""))
    if value is not None:
        variable.set("select", value)
    else:
        variable.text = let.text
        variable.extend(deepcopy(child) for child in let)
    return variable


def _write_pattern(sheet: etree._Element, pattern: etree._Element, mode: str) -> None:
    if pattern.get("documents"):
        raise UnusablePack(f"Line {pattern.sourceline}: the pattern reads other documents, which a pack may not")
    rules = list(pattern.iterchildren(sch("rule")))
    contexts = " ".join(rule.get("context", "") for rule in rules)
    others = any(word in contexts for word in ("text()", "node()", "comment()", "processing-instruction("))
    attributes = "@" in contexts or "attribute" in contexts
    deeper = ("node()" if others else "*") + ("|@*" if attributes else "")
    for place, rule in enumerate(rules):
        context = rule.get("context")
        if not context:
            raise UnusablePack(f"Line {rule.sourceline}: the rule has no context")
        template = _xsl(sheet, "template", match=context, mode=mode, priority=str(len(rules) - place))
        for child in rule.iterchildren(etree.Element):
            if child.tag == sch("let"):
                template.append(_variable(child))
            elif child.tag in (sch("assert"), sch("report")):
                _write_check(template, child)
            elif etree.QName(child).namespace == XSL and etree.QName(child).localname == "variable":
                template.append(deepcopy(child))
        _xsl(template, "apply-templates", select=deeper, mode=mode)
    onward = _xsl(sheet, "template", match="/|*", mode=mode, priority="-100")
    _xsl(onward, "apply-templates", select=deeper, mode=mode)
    _xsl(sheet, "template", match="@*|text()|comment()|processing-instruction()", mode=mode, priority="-100")


def _write_check(template: etree._Element, check: etree._Element) -> None:
    test = check.get("test")
    if not test:
        raise UnusablePack(f"Line {check.sourceline}: the check “{check.get('id', '')[:60]}” has no test")
    choice = _xsl(template, "choose")
    when = _xsl(choice, "when", test=test)
    asserted = check.tag == sch("assert")
    place = _xsl(choice, "otherwise") if asserted else when
    found = etree.SubElement(place, f"{{{SVRL}}}{'failed-assert' if asserted else 'successful-report'}")
    for name in ("id", "flag", "role"):
        if check.get(name):
            # As an instruction: in an attribute written out, braces would be evaluated.
            _xsl(found, "attribute", name=name).text = check.get(name)
    _xsl(found, "attribute", name="location", select="path(.)")
    text = etree.SubElement(found, f"{{{SVRL}}}text")
    _write_text(text, check)


def _write_text(out: etree._Element, node: etree._Element) -> None:
    """The message: its words, and the values and names that it asks for."""
    _words(out, node.text)
    for child in node:
        if child.tag == sch("value-of"):
            _xsl(out, "value-of", select=child.get("select", "''"), separator=" ")
        elif child.tag == sch("name"):
            _xsl(out, "value-of", select=f"name({child.get('path', '.')})")
        elif isinstance(child.tag, str):
            _write_text(out, child)
        _words(out, child.tail)


def _words(out: etree._Element, words: str | None) -> None:
    if words:
        _xsl(out, "text").text = words


def _xsl(parent: etree._Element, instruction: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{XSL}}}{instruction}", attributes)
