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
    "C22": "messages are held in memory: 100 MB within 300 MB waits for the spool file",
    "E08": "an access point has one key at a time: there is no overlap of an old and a new one",
    "E11": "keys are PEM files: no PKCS#12 is read",
    "E12": "keys are PEM files: no PKCS#11 token is used",
    "F07": "no worker with limits of memory and CPU for schema validation",
    "F08": "no Schematron and no XSLT runs",
    "F12": "no WSDL is read by the gateway",
    "F11": "no worker with limits of memory and CPU whose end could be seen",
}
"""Rows that cannot apply yet, with the reason."""

PARTLY = {
    "D12": "files and connections are seen by the interpreter's audit hook and a listener, not by a network namespace",
    "D33": "the trust set; wrong paths are refused by the configuration's own tests",
    "E10": "4 workers of 500 messages; 8 of 2,000 when whole",
    "F03": "a business document of a trusted peer may have millions of elements (12 MB of them take 380 MB)",
    "F10": "honest messages are served during bombs; that they are served as fast waits for work off the loop",
}
"""Rows of which a part waits."""

SPECIAL = frozenset({"C24", "C25", "D28", "D29", "D32", "D33", "E10", "F09", "F10", "F13"})
"""Rows with a test of their own name."""

BESIDE = {
    "TLS": "the endpoint speaks HTTP and has a proxy before it that speaks TLS: nothing to attack here",
    "250 MB": "a message is held in memory, whole: no spool file to watch",
    "slow headers": "the server library has no deadline for headers; bodies have theirs (test_wire)",
}
"""What the gate of reliability.md 2.1 asks for and no row tests yet."""

__all__ = ["ALL", "BESIDE", "NOT_YET", "PARTLY", "ROWS", "SPECIAL"]
