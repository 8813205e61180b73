"""Schematron without XSLT: an expanded schema, its expressions read once and evaluated by ``elementpath``.

It needs nothing but what the gateway is installed with, gives the same findings as the XSLT, and takes some fifty times
as long: for machines on which Saxon cannot be installed. What it cannot do (XSLT's templates and other
instructions, XPath 1) it says when it reads the schema. It runs in the worker process only (``worker.py``).

Values are evaluated when they are first asked for, as XSLT allows: an error in a ``let`` that no check uses is none; an
error in a rule's context means that the context does not fit; one in a check ends the run.
Source: ISO/IEC 19757-3; XSLT 2.0, sections 5.5 (patterns), 9 (variables), 10.3 (functions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import elementpath
from elementpath.datatypes import UntypedAtomic
from elementpath.xpath31 import XPath31Parser
from elementpath.xpath_nodes import DocumentNode, XPathNode
from lxml import etree

from gateway.judging.expanding import XSL, sch
from gateway.judging.schematron import SVRL, active_patterns, namespaces
from gateway.judging.xpath import bare, split_union

_VARIABLE: Final = re.compile(r"\$([A-Za-z_][\w.-]*)")
_PARSERS: Final = {"xslt2": elementpath.XPath2Parser, "xpath2": elementpath.XPath2Parser, "xslt3": XPath31Parser}
_TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "string": str,
    "integer": lambda value: int(str(value)),
    "decimal": lambda value: elementpath.datatypes.DecimalProxy(str(value)),
    "boolean": lambda value: elementpath.datatypes.BooleanProxy(str(value)),
}


_ERRORS: Final = (elementpath.ElementPathError, ValueError, TypeError, ArithmeticError)
"""Errors of an expression. Others (memory, depth, faults of a library) say nothing of a document: no verdict."""


class Unsupported(Exception):
    """The schema needs an XSLT processor."""


class Ended(Exception):
    """A check could not be evaluated: the rule set ends here."""


class Scope(Protocol):
    """Where an expression finds its variables."""

    def knows(self, name: str) -> bool: ...
    def value(self, name: str) -> list[Any]: ...


class Schema:
    """An expanded schema, ready to judge documents."""

    def __init__(self, root: etree._Element) -> None:
        parser = _PARSERS.get(root.get("queryBinding", "").lower())
        if parser is None:
            raise Unsupported("its query language is XPath 1 as XSLT 1 has it")
        for node in root.iter(f"{{{XSL}}}*"):
            inside = next(node.iterancestors(f"{{{XSL}}}function"), None) is not None
            if etree.QName(node).localname not in (_INSTRUCTIONS if inside else ("function", "key")):
                raise Unsupported(f"it uses xsl:{etree.QName(node).localname}")
        self._parser = _own(parser)(namespaces={p: uri for p, uri in namespaces(root).items() if p})
        functions = [Function(self, node) for node in root.iter(f"{{{XSL}}}function")]
        self._keys = _Keys(self, list(root.iter(f"{{{XSL}}}key")))
        self._keys.register(self._parser)
        for function in functions:
            function.register(self._parser)
        for function in functions:
            function.read()
        self._keys.read()
        patterns = active_patterns(root)
        self.lets = {
            let.get("name", ""): self.read(_value(let))
            for parent in (root, *patterns)
            for let in parent.iterchildren(sch("let"))
        }
        self._patterns = [[_Rule(self, rule) for rule in p.iterchildren(sch("rule"))] for p in patterns]

    def read(self, expression: str) -> Expression:
        """Read an expression. Raises :class:`Unsupported`."""
        return Expression(self._parser, expression)

    def judge(self, document: etree._Element) -> bytes:
        """The report on a document, as SVRL. Raises :class:`Ended`."""
        tree = elementpath.get_node_tree(document.getroottree())
        whole = _Lets(self.lets, tree, tree, None)
        self._keys.open(tree, whole)
        report = etree.Element(f"{{{SVRL}}}schematron-output", nsmap={"svrl": SVRL})
        for pattern in self._patterns:
            claimed: set[XPathNode] = set()
            for rule in pattern:
                for node in rule.nodes(tree, whole):
                    if node not in claimed:
                        claimed.add(node)
                        rule.check(node, tree, whole, report)
        return etree.tostring(report, encoding="UTF-8")


def _own(parser: Any) -> Any:
    """A parser with a table of its own, for functions, and with XPath's comparison of two values without a type.

    Those compare as text (XPath 2.0, section 3.5.2), where elementpath 5.1 makes numbers of them and fails for dates.
    """

    def pairs(self: Any, context: Any) -> Iterator[Any]:
        for one, other in super(type(self), self).iter_comparison_data(context):
            untyped = isinstance(one, UntypedAtomic) and isinstance(other, UntypedAtomic)
            yield (str(one.value), str(other.value)) if untyped else (one, other)

    table = dict(parser.symbol_table)
    for sign in ("=", "!=", "<", "<=", ">", ">="):
        table[sign] = type(table[sign].__name__, (table[sign],), {"iter_comparison_data": pairs})
    return type("Parser", (parser,), {"symbol_table": table})


class Expression:
    """One XPath expression, and the variables that stand in it."""

    __slots__ = ("_names", "_token", "text")

    def __init__(self, parser: Any, text: str) -> None:
        self.text = text
        self._names = frozenset(_VARIABLE.findall(bare(text)))
        try:
            self._token = parser.parse(text)
        except (*_ERRORS, SyntaxError, LookupError) as error:
            raise Unsupported(f"“{text[:120]}” cannot be read without it: {error}") from None

    def evaluate(self, tree: Any, item: Any, scope: Scope) -> list[Any]:
        """Its value as a sequence. Raises whatever goes wrong."""
        values: dict[str, Any] = {name: scope.value(name) for name in self._names if scope.knows(name)}
        return list(self._token.select(elementpath.XPathContext(root=tree, item=item, variables=values)))


class _Lets:
    """Variables that are evaluated when they are asked for, once."""

    def __init__(self, lets: dict[str, Expression], tree: Any, item: Any, outer: _Lets | None) -> None:
        self._lets, self._tree, self._item, self._outer = lets, tree, item, outer
        self._values: dict[str, list[Any] | Exception] = {}

    def knows(self, name: str) -> bool:
        return name in self._lets or (self._outer is not None and self._outer.knows(name))

    def value(self, name: str) -> list[Any]:
        if name not in self._lets:
            if self._outer is None:
                raise KeyError(name)
            return self._outer.value(name)
        if name not in self._values:
            try:
                self._values[name] = self._lets[name].evaluate(self._tree, self._item, self)
            except _ERRORS as error:
                self._values[name] = error
        found = self._values[name]
        if isinstance(found, Exception):
            raise found
        return found


class _Rule:
    """A rule: the nodes it is for, its lets, its checks."""

    def __init__(self, schema: Schema, rule: etree._Element) -> None:
        self._branches = [_Branch(schema, text) for text in split_union(rule.get("context", ""))]
        self._lets = {n.get("name", ""): schema.read(_value(n)) for n in rule.iterchildren(sch("let"))}
        self._checks = [_Check(schema, node) for node in rule.iterchildren(sch("assert"), sch("report"))]

    def nodes(self, tree: Any, scope: Scope) -> Iterator[XPathNode]:
        """The nodes that its context fits."""
        for branch in self._branches:
            yield from branch.nodes(tree, scope)

    def check(self, node: XPathNode, tree: Any, whole: _Lets, report: etree._Element) -> None:
        """Run the checks on one node."""
        lets = _Lets(self._lets, tree, node, whole)
        for check in self._checks:
            check.run(node, tree, lets, report)


class _Branch:
    """One alternative of a context, as a search in the whole document."""

    def __init__(self, schema: Schema, text: str) -> None:
        self._search = schema.read(text if text.startswith("/") else f"//{text}")
        single = "/" not in bare(text).split("[")[0] and not text.startswith("@")
        self._alone = schema.read(f"self::{text}") if single else None

    def nodes(self, tree: Any, scope: Scope) -> list[XPathNode]:
        try:
            return self._search.evaluate(tree, tree, scope)
        except _ERRORS:
            if self._alone is None:
                return []
        # One node's error must not hide the others: each is asked alone.
        return [node for node in tree.iter_descendants() if self._fits(node, tree, scope)]

    def _fits(self, node: XPathNode, tree: Any, scope: Scope) -> bool:
        assert self._alone is not None
        try:
            return bool(self._alone.evaluate(tree, node, scope))
        except _ERRORS:
            return False


class _Check:
    """An assert or report."""

    def __init__(self, schema: Schema, node: etree._Element) -> None:
        self._asserted = node.tag == sch("assert")
        self._test = schema.read(node.get("test", ""))
        self._said = {name: node.get(name, "") for name in ("id", "flag", "role") if node.get(name)}
        self._words = list(_words(schema, node))

    def run(self, node: XPathNode, tree: Any, lets: _Lets, report: etree._Element) -> None:
        try:
            if truth(self._test.evaluate(tree, node, lets)) is self._asserted:
                return
            words = [w if isinstance(w, str) else joined(w.evaluate(tree, node, lets)) for w in self._words]
        except _ERRORS as error:
            raise Ended(f"{self._said.get('id', '')}: {error}") from None
        fired = etree.SubElement(report, f"{{{SVRL}}}{'failed-assert' if self._asserted else 'successful-report'}")
        for name, value in self._said.items():
            fired.set(name, value)
        fired.set("location", str(node.path))
        etree.SubElement(fired, f"{{{SVRL}}}text").text = "".join(words)


def _value(let: etree._Element) -> str:
    value = let.get("value")
    if value is None:
        raise Unsupported("a let has a body")
    return value


def _words(schema: Schema, node: etree._Element) -> Iterator[str | Expression]:
    yield node.text or ""
    for child in node:
        if child.tag == sch("value-of"):
            yield schema.read(child.get("select", "''"))
        elif child.tag == sch("name"):
            yield schema.read(f"name({child.get('path', '.')})")
        elif isinstance(child.tag, str):
            yield from _words(schema, child)
        yield child.tail or ""


class _Keys:
    """The schema's ``xsl:key``: nodes by the text of what they are found by. Source: XSLT 2.0, section 16.3."""

    def __init__(self, schema: Schema, nodes: Sequence[etree._Element]) -> None:
        self._schema, self._nodes = schema, nodes
        self._keys: list[tuple[str, list[_Branch], Expression]] = []
        self._tree: Any = None
        self._scope: Scope | None = None
        self._index: dict[str, dict[str, list[XPathNode]]] = {}

    def register(self, parser: Any) -> None:
        """Make ``key()`` known."""
        parser.external_function(lambda name, value: self.find(name, value), name="key", sequence_types=_ANY * 3)

    def read(self) -> None:
        """Read the expressions, once all functions are known."""
        for node in self._nodes:
            match, use = node.get("match", ""), node.get("use")
            if use is None:
                raise Unsupported("a key has a body")
            branches = [_Branch(self._schema, text) for text in split_union(match)]
            self._keys.append((node.get("name", ""), branches, self._schema.read(use)))

    def open(self, tree: Any, scope: Scope) -> None:
        """Begin with another document."""
        self._tree, self._scope, self._index = tree, scope, {}

    def find(self, name: Any, value: Any) -> list[XPathNode]:
        """The nodes that have one of the values, each once."""
        if self._scope is None:
            raise elementpath.MissingContextError(_TOO_EARLY)
        wanted = [_text(item) for item in _sequence(value)]
        name = joined(_sequence(name))
        index = self._index.get(name) or self._build(name, self._scope)
        return list(dict.fromkeys(node for text in wanted for node in index.get(text, ())))

    def _build(self, name: str, scope: Scope) -> dict[str, list[XPathNode]]:
        index = self._index.setdefault(name, {})
        for own, branches, use in self._keys:
            for branch in branches if own == name else ():
                for node in branch.nodes(self._tree, scope):
                    for item in use.evaluate(self._tree, node, scope):
                        index.setdefault(_text(item), []).append(node)
        return index


class Function:
    """An ``xsl:function`` whose body computes a value: variables, choices, sequences."""

    def __init__(self, schema: Schema, node: etree._Element) -> None:
        self._schema, self._node = schema, node
        self._name = node.get("name", "")
        parameters = list(node.iterchildren(f"{{{XSL}}}param"))
        self._parameters = [(p.get("name", ""), p.get("as", "item()*")) for p in parameters]
        self._type = node.get("as", "item()*")
        self._body: list[_Step] | None = None

    def register(self, parser: Any) -> None:
        """Make the function known under its name and number of parameters."""
        prefix, _, local = self._name.partition(":")
        callbacks: dict[int, Callable[..., Any]] = {
            0: lambda: self(),
            1: lambda a: self(a),
            2: lambda a, b: self(a, b),
            3: lambda a, b, c: self(a, b, c),
            4: lambda a, b, c, d: self(a, b, c, d),
        }
        if not local or len(self._parameters) not in callbacks:
            raise Unsupported(f"the function {self._name} has {len(self._parameters)} parameters")
        number = len(self._parameters)
        # Sequences are passed as they are; what the function takes is checked when it is called.
        parser.external_function(callbacks[number], name=local, prefix=prefix, sequence_types=_ANY * (number + 1))

    def read(self) -> None:
        """Read the body, once all functions are known."""
        self._body = [
            _Step(self._schema, n) for n in self._node.iterchildren(etree.Element) if n.tag != f"{{{XSL}}}param"
        ]

    def __call__(self, *values: Any) -> Any:
        if self._body is None:
            raise elementpath.MissingContextError(_TOO_EARLY)
        given = {}
        for (name, kind), value in zip(self._parameters, values, strict=True):
            given[name] = converted(_sequence(value), kind)
        result = converted(_run(self._body, _Given(given)), self._type)
        return result[0] if len(result) == 1 else result


class _Given:
    """The variables of a function's body."""

    def __init__(self, values: dict[str, list[Any]]) -> None:
        self.values = values

    def knows(self, name: str) -> bool:
        return name in self.values

    def value(self, name: str) -> list[Any]:
        return self.values[name]


class _Step:
    """One instruction of a function's body."""

    def __init__(self, schema: Schema, node: etree._Element) -> None:
        self.kind = etree.QName(node).localname
        self.name = node.get("name", "")
        self.type = node.get("as", "item()*")
        said = node.get("select") or node.get("test")
        self.expression = schema.read(said) if said else None
        self.words = (node.text or "").strip()
        self.inside = [_Step(schema, child) for child in node.iterchildren(etree.Element)]

    def run(self, scope: _Given) -> list[Any]:
        """Its value; a variable's goes into the scope."""
        if self.kind == "choose":
            for case in self.inside:
                if case.expression is None or truth(case.expression.evaluate(None, 0, scope)):
                    return _run(case.inside, _Given(dict(scope.values)))
            return []
        if self.expression is not None:
            value = self.expression.evaluate(None, 0, scope)
        else:
            value = _run(self.inside, _Given(dict(scope.values))) if self.inside else [self.words]
        if self.kind == "variable":
            scope.values[self.name] = converted(value, self.type)
            return []
        return [joined(value)] if self.kind in ("value-of", "text") else value


_ANY: Final = ("item()*",)
_TOO_EARLY: Final = "elementpath evaluates what looks constant while it reads; this is not yet known then"
_INSTRUCTIONS: Final = frozenset(("param", "variable", "sequence", "value-of", "text", "choose", "when", "otherwise"))


def _run(steps: Sequence[_Step], scope: _Given) -> list[Any]:
    return [item for step in steps for item in step.run(scope)]


def _sequence(value: Any) -> list[Any]:
    """A value as elementpath hands it to a function: a list, one item, or nothing."""
    return value if isinstance(value, list) else [] if value is None else [value]


def truth(value: Sequence[Any]) -> bool:
    """The effective boolean value. Source: XPath 2.0, section 2.4.3."""
    if not value or isinstance(value[0], XPathNode):
        return bool(value)
    if len(value) > 1:
        raise ValueError("a sequence of several values is neither true nor false")
    first = value[0]
    if isinstance(first, UntypedAtomic):
        return bool(str(first.value))
    return bool(first) and first == first  # NaN is false


def joined(value: Sequence[Any]) -> str:
    """The values as text, with blanks between them, as ``xsl:value-of`` writes them."""
    return " ".join(_text(item) for item in value)


def _text(item: Any) -> str:
    if isinstance(item, XPathNode):
        return str(item.string_value)
    if isinstance(item, bool):
        return str(item).lower()
    return str(elementpath.datatypes.StringProxy(item))


def converted(value: list[Any], kind: str) -> list[Any]:
    """The function conversion rules for what ``as`` says. Source: XPath 2.0, section 3.1.5."""
    many = kind[-1:] in ("*", "+")
    if (len(value) > 1 and not many) or (not value and kind[-1:] not in ("?", "*")):
        raise ValueError(f"{len(value)} values where {kind} is asked for")
    cast = _TYPES.get(kind.rstrip("?*+").removeprefix("xs:"))
    if cast is None:
        return value
    atoms = [UntypedAtomic(_text(item)) if isinstance(item, XPathNode | DocumentNode) else item for item in value]
    return [cast(atom) if isinstance(atom, UntypedAtomic) else atom for atom in atoms]
