"""Just enough of XPath's grammar to tell names and calls from texts.

Source: XPath 3.1, appendix A (literals, comments, braced names). Expressions are never evaluated here.
"""

from __future__ import annotations

import re
from typing import Final

MAX_EXPRESSION: Final = 1_000_000
"""Characters of one expression; code lists of 60,000 are usual."""

_TEXT: Final = re.compile(r'"(?:[^"]|"")*"|' + r"'(?:[^']|'')*'")
_START: Final = re.compile(r"\(:|" + _TEXT.pattern)
_COMMENT: Final = re.compile(r"\(:|:\)")
_NAME: Final = re.compile(r"(?:Q\{([^{}]*)\}|([A-Za-z_][\w.-]*+):)?([A-Za-z_][\w.-]*+)\s*+(\(|#\s*\d)?")
"""Every name, called or not: each sign is looked at once or twice, however long the names are."""


def bare(expression: str) -> str:
    """The expression without its comments and with every text literal empty."""
    out: list[str] = []
    at = 0
    while token := _START.search(expression, at):
        out.append(expression[at : token.start()])
        at = token.end()
        if token[0] == "(:":
            at = _end_of_comment(expression, at)
        else:
            out.append("''")
    out.append(expression[at:])
    return " ".join(out)


def _end_of_comment(expression: str, at: int) -> int:
    """Where the comment that began before ``at`` ends; comments nest."""
    depth = 1
    while depth:
        token = _COMMENT.search(expression, at)
        if token is None:
            return len(expression)
        depth += 1 if token[0] == "(:" else -1
        at = token.end()
    return at


def calls(expression: str, *, template: bool = False) -> list[tuple[str, str]]:
    """Every function that is called or referred to, as (prefix or ``{namespace}`` or empty, local name).

    ``template`` is for text with expressions in braces: there quotes do not tell what is code, so all of it counts.
    """
    return [
        (f"{{{match[1]}}}" if match[1] is not None else match[2] or "", match[3])
        for match in _NAME.finditer(expression if template else bare(expression))
        if match[4]
    ]


def split_union(pattern: str) -> list[str]:
    """The alternatives of a pattern: what stands between the signs ``|`` outside of brackets and texts."""
    parts: list[str] = []
    depth = begin = at = 0
    while at < len(pattern):
        if token := _START.match(pattern, at):
            at = _end_of_comment(pattern, token.end()) if token[0] == "(:" else token.end()
            continue
        depth += (pattern[at] in "([{") - (pattern[at] in ")]}")
        if pattern[at] == "|" and not depth:
            parts.append(pattern[begin:at].strip())
            begin = at + 1
        at += 1
    return [*parts, pattern[begin:].strip()]
