"""Which rows of tables C to F and P there are, and where each is tested."""

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
    + [f"P{n:02}" for n in range(1, 11)]
)

ELSEWHERE = {
    "C22": ("tests/trips/test_large.py", "test_a_large_document_goes_over_the_network_octet_for_octet"),
    "E08": ("tests/trips/test_own_keys.py", "test_after_a_restart_the_old_key_still_opens_what_was_encrypted_for_it"),
    "E11": ("tests/security/test_keys.py", "test_what_is_wrong_with_a_key_is_said_at_its_path"),
    "E12": ("tests/security/test_hsm.py", "test_a_module_that_fails_twice_is_unavailable_and_no_answer_about_the_data"),
    "F07": ("tests/ubl/test_schema.py", "test_a_document_full_of_faults_is_refused_at_once"),
    "F08": ("tests/judging/test_reach.py", "test_a_function_that_reaches_out_is_refused_in_both_kinds"),
    "F11": ("tests/judging/test_workers.py", "test_a_pack_that_takes_all_memory_is_stopped_and_gives_no_verdict"),
    "F12": ("tests/sml/test_client.py", "test_F12_the_services_description_imports_nothing_from_elsewhere"),
    "P03": ("tests/serving/test_parser.py", "test_serve_does_not_start_with_it"),
}
"""Rows that stand in another test: its file and name."""

PARTLY = {
    "C22": "250 MB and their curve of memory are measured (benchmarks.memory); the test sends less",
    "D12": "files and connections are seen by the interpreter's audit hook and a listener, not by a network namespace",
    "D33": "the trust set; wrong paths are refused by the configuration's own tests",
    "E10": "4 workers of 500 messages; 8 of 2,000 when whole",
    "E11": "a PKCS#12 file with a thousand million iterations is not tried: it would be the operator's own",
    "F03": "markup of a business document is counted before it is parsed; no process has a memory limit of its own",
    "F10": "served during every attack; how long it takes then is for make flood to say, which needs a quiet machine",
    "P01": "straight at the site; no proxy stands in front in the test",
    "P07": "each place in a message once, not 100,000 callers; make flood has some thousands",
}
"""Rows of which a part waits."""

_SPECIAL = "C24 C25 D28 D29 D32 D33 E10 F09 F10 F13 P01 P02 P04 P05 P06 P07 P08 P09 P10"
SPECIAL = frozenset(_SPECIAL.split())
"""Rows with a test of their own name."""

BESIDE = {
    "TLS": "handshakes, versions and silence before the first octet have their tests in tests/serving",
    "250 MB": "the spool is watched by tests/files; its curve of memory is measured by benchmarks.memory",
    "slow headers": "heads have the site's deadlines (tests/serving), bodies have theirs (test_wire)",
}
"""What the gate of reliability.md 2.1 asks for and other tests than these prove."""

__all__ = ["ALL", "BESIDE", "ELSEWHERE", "PARTLY", "ROWS", "SPECIAL"]
