"""What a pack may not do: reach for files, the network, the environment, or programs.

This is the first of three locks and the one that explains itself: a pack that names such a thing is refused at
installation. The other two do not depend on reading XPath well: Saxon is told to open no address at all, and the
worker process can open no file and no socket, because it has used up the number it may have (``worker.py``).
Source: XSLT 3.0, XPath and XQuery Functions 3.1.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from gateway.judging import xpath
from gateway.judging.pack import UnusablePack

XSL: Final = "http://www.w3.org/1999/XSL/Transform"
_FUNCTIONS: Final = re.compile(
    "(doc|doc-available|document|collection|uri-collection|unparsed-text(-lines|-available)?|json-doc|transform"
    "|load-xquery-module|function-lookup|environment-variable|available-environment-variables|stream-available|evaluate)"
)
_ELEMENTS: Final = re.compile(
    "(import|include|result-document|evaluate|source-document|merge-source|stream|use-package|import-schema|package"
    "|expose|accept|override)"
)
_OWN: Final = ("http://www.w3.org/2005/xpath-functions", "")
_KNOWN: Final = "http://www.w3.org/"
"""Namespaces of the standards: math, map, array, the types of XML Schema. Other functions must be the pack's own."""


def refuse_reach(root: etree._Element) -> None:
    """Raise :class:`UnusablePack` for a stylesheet that names what a pack may not use."""
    own = _own_functions(root)
    texts = any(_expands(node) for node in root.iter(etree.Element))
    for node in root.iter(etree.Element):
        name = etree.QName(node)
        instruction = name.namespace == XSL
        if instruction and _ELEMENTS.fullmatch(name.localname):
            raise _refusal(node, f"xsl:{name.localname}")
        if name.namespace and "saxon" in name.namespace:
            raise _refusal(node, f"{name.localname} of {name.namespace}")
        for attribute, value in ((str(a), str(v)) for a, v in node.items()):
            if instruction and attribute.startswith("_"):
                raise _refusal(node, f"the shadow attribute {attribute[:40]}")
            if "(" in value or "#" in value:
                _refuse_calls(node, value, own, template=not instruction)
        if texts:
            for text in (node.text, *(child.tail for child in node)):
                if text and "{" in text:
                    _refuse_calls(node, text, own, template=True)


def _refuse_calls(node: etree._Element, expression: str, own: frozenset[tuple[str, str]], *, template: bool) -> None:
    if template and "{" not in expression:
        return
    if len(expression) > xpath.MAX_EXPRESSION:
        raise _refusal(node, f"an expression of {len(expression)} characters (the limit is {xpath.MAX_EXPRESSION})")
    for prefix, name in xpath.calls(expression, template=template):
        namespace = prefix[1:-1] if prefix.startswith("{") else (node.nsmap.get(prefix) or "") if prefix else ""
        if (namespace, name) in own:
            continue
        if namespace in _OWN and _FUNCTIONS.fullmatch(name):
            raise _refusal(node, f"the function {name}()")
        if not template and namespace and not namespace.startswith(_KNOWN):
            raise _refusal(node, f"the function {name}() of {namespace}, which is not defined in the pack")


def _own_functions(root: etree._Element) -> frozenset[tuple[str, str]]:
    found = set()
    for node in root.iter(f"{{{XSL}}}function"):
        prefix, _, local = node.get("name", "").rpartition(":")
        namespace = node.get("name", "")[2:].partition("}")[0] if prefix.startswith("Q{") else node.nsmap.get(prefix)
        found.add((namespace or "", local.rpartition("}")[2]))
    return frozenset(found)


def _expands(node: etree._Element) -> bool:
    return any(etree.QName(str(name)).localname == "expand-text" for name in node.attrib)


def _refusal(node: etree._Element, what: str) -> UnusablePack:
    return UnusablePack(
        f"Line {node.sourceline}: the pack uses {what}, which could reach files, the network or programs",
        remedy="Nothing was installed. Packs that keep code lists in files of their own are not supported.",
    )
