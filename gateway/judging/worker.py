"""The worker process: runs rule packs, and can do nothing else.

Saxon runs their XSLT; where it is not installed, ``interpreting`` runs Schematron without it, only slower.
It reads orders from its standard input and answers on its standard output (``frames.py``). Before the first pack comes
in, it gives up what it does not need: after Saxon is loaded it may open no further file and no socket (the number of
descriptors is used up), write no file, take no more memory than it was given, and each order may use only so much
processor time. Its environment is empty. A pack can thus use up its own process and nothing more.

Saxon reserves some 32 GiB of address space, so the limit is one of data (``RLIMIT_DATA``), which counts what is used.
It holds the GIL while it works: one process judges one document at a time.
"""

from __future__ import annotations

import os
import re
import resource
import sys
from typing import Any, BinaryIO, Final, Protocol

from gateway.judging.frames import read_frame, read_value, write_frame, write_value

_WARM_UP: Final = (
    b'<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
    b'<xsl:template match="/"><done><xsl:value-of select="path(*), format-date(current-date(), \'[Y]\')"/></done>'
    b"</xsl:template></xsl:stylesheet>"
)
_TRIAL: Final = (
    b'<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2"><pattern><rule context="b">'
    b"<assert id=\"A\" test=\"matches('a', 'b') or current-date() lt xs:date('2000-01-01') or upper-case('a') = 'B'\">a"
    b"</assert></rule></pattern></schema>"
)
_NO_ADDRESS: Final = "http://saxon.sf.net/feature/allowedProtocols"
_NO_VERDICT: Final = re.compile(r"SXLM\d{4}|Too many nested|OutOfMemory|StackOverflow|\bjava\.", re.IGNORECASE)
"""Errors that say nothing of the document: too deep, too much, a fault of the processor."""


def main() -> int:
    """Serve orders until the input ends."""
    orders, answers = _pipes()
    limits = read_value(orders)
    if limits is None:
        return 0
    _limit(limits)
    processor = _processor()
    _close_the_door()
    write_value(answers, {"processor": processor.version, "runs": processor.runs})
    while (order := read_value(orders)) is not None:
        content = read_frame(orders)
        if content is None:
            break
        _grant_time(limits["seconds"])
        answer, result = _serve(processor, order, content)
        write_value(answers, answer)
        write_frame(answers, result)
    return 0


class _Unsupported(Exception):
    """This processor cannot run the pack, another could."""


class _Fault(Exception):
    """The processor failed, which says nothing of the document."""


class _Processor(Protocol):
    """Compiles packs and judges documents with them; errors are the pack's or the document's."""

    version: str
    runs: str
    """What of a pack it takes: ``xslt`` or ``schematron``."""

    def compile(self, content: bytes) -> Any: ...
    def judge(self, compiled: Any, content: bytes) -> bytes: ...


def _processor() -> _Processor:
    try:
        return _Saxon()
    except ImportError:
        return _Interpreter()


_compiled: Final[dict[str, Any]] = {}


def _serve(processor: _Processor, order: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    """Compile a pack, or judge a document with one; what the pack does wrong is in the answer."""
    name = order["pack"]
    try:
        if order["do"] == "compile":
            _compiled[name] = processor.compile(content)
            return {"compiled": True}, b""
        return {"judged": True}, processor.judge(_compiled[name], content)
    except MemoryError:
        return {"exhausted": "out of memory"}, b""
    except RecursionError:
        return {"exhausted": "nested too deeply"}, b""
    except _Fault as error:
        return {"exhausted": str(error)[:2000]}, b""
    except _Unsupported as error:
        return {"unsupported": str(error)[:2000]}, b""
    except Exception as error:
        text = " ".join(str(error).split())[:2000] or type(error).__name__
        return {"exhausted" if _NO_VERDICT.search(text) else "error": text}, b""


class _Saxon:
    """XSLT by Saxon."""

    runs = "xslt"

    def __init__(self) -> None:
        import saxonche

        self._processor = saxonche.PySaxonProcessor(license=False)
        self._processor.set_configuration_property(_NO_ADDRESS, "")
        self._xslt = self._processor.new_xslt30_processor()
        self.version = str(self._processor.version)
        # Whatever it loads lazily is loaded before the door closes.
        self.judge(self.compile(_WARM_UP), b"<a><b/></a>")

    def compile(self, content: bytes) -> Any:
        return self._xslt.compile_stylesheet(stylesheet_text=content.decode())

    def judge(self, compiled: Any, content: bytes) -> bytes:
        document = self._processor.parse_xml(xml_text=content.decode())
        return (compiled.transform_to_string(xdm_node=document) or "").encode()


class _Interpreter:
    """Schematron by ``elementpath``."""

    runs = "schematron"

    def __init__(self) -> None:
        import elementpath

        from gateway.judging.interpreting import Ended, Schema, Unsupported
        from gateway.security.safexml import parse

        self._parse, self._schema, self._unsupported, self._ended = parse, Schema, Unsupported, Ended
        self.version = f"elementpath {elementpath.__version__}"
        self.judge(self.compile(_TRIAL), b"<a><b/></a>")

    def compile(self, content: bytes) -> Any:
        try:
            return self._schema(self._parse(content, huge=True))
        except self._unsupported as error:
            raise _Unsupported(str(error)) from None

    def judge(self, compiled: Any, content: bytes) -> bytes:
        try:
            report: bytes = compiled.judge(self._parse(content, huge=True))
        except (self._ended, MemoryError, RecursionError):
            raise
        except Exception as error:
            raise _Fault(f"a fault of {self.version}, {type(error).__name__}: {error}") from None
        return report


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Input and output as they came; what a library prints goes to the standard error."""
    orders = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, answers


def _limit(limits: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (limits["memory"], limits["memory"]))
    _grant_time(limits["seconds"])


def _close_the_door() -> None:
    """Let the process open nothing more: a new descriptor would get the lowest free number, which is the limit."""
    free = os.dup(2)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))


def _grant_time(seconds: int) -> None:
    """End this process once it has computed so long from now: it holds also when the gateway is gone."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + seconds + 1, hard))


if __name__ == "__main__":
    sys.exit(main())
