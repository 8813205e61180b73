"""Which rows of tables C to F there are, and which of them nothing here can apply to yet."""

from __future__ import annotations

from tests.attacks import (  # noqa: F401 - they enter their rows
    rows_c_header,
    rows_c_mime,
    rows_c_payload,
    rows_d_references,
    rows_d_trust,
    rows_e,
    rows_f,
)
from tests.attacks.parts import ROWS

ALL = frozenset(
    [f"C{n:02}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 24, 25)]
    + [
        f"D{n:02}"
        for n in (1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 25, 26, 28, 29, 30, 32, 33)
    ]
    + [f"E{n:02}" for n in (1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13)]
    + [f"F{n:02}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13)]
)

NOT_YET = {
    "C22": "that 100 MB stay within 300 MB is measured (benchmarks.memory), not tested here",
    "E08": "an access point has one key at a time: there is no overlap of an old and a new one",
    "E11": "keys are PEM files: no PKCS#12 is read",
    "E12": "keys are PEM files: no PKCS#11 token is used",
    "F07": "no worker with limits of memory and CPU for schema validation",
    "F08": "no message reaches Schematron or XSLT; tests/judging shows what a rule pack cannot reach",
    "F12": "no WSDL is read by the gateway",
    "F11": "messages are read without a limited worker; the workers of rule packs are killed in tests/judging",
}
"""Rows that cannot apply yet, with the reason."""

PARTLY = {
    "D12": "files and connections are seen by the interpreter's audit hook and a listener, not by a network namespace",
    "D33": "the trust set; wrong paths are refused by the configuration's own tests",
    "E10": "4 workers of 500 messages; 8 of 2,000 when whole",
    "F03": "markup of a business document is counted before it is parsed; no process has a memory limit of its own",
    "F10": "served during every attack; how long it takes then is for make flood to say, which needs a quiet machine",
}
"""Rows of which a part waits."""

SPECIAL = frozenset({"C24", "C25", "D28", "D29", "D32", "D33", "E10", "F09", "F10", "F13"})
"""Rows with a test of their own name."""

BESIDE = {
    "TLS": "handshakes, versions and silence before the first octet have their tests in tests/serving",
    "250 MB": "the spool is watched by tests/files; its curve of memory is measured by benchmarks.memory",
    "slow headers": "heads have the site's deadlines (tests/serving), bodies have theirs (test_wire)",
}
"""What the gate of reliability.md 2.1 asks for and other tests than these prove."""

__all__ = ["ALL", "BESIDE", "NOT_YET", "PARTLY", "ROWS", "SPECIAL"]
