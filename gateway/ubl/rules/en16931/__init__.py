"""EN 16931 for UBL 2.1: the core rules (BR), the VAT categories, what UBL may hold (UBL-SR, UBL-DT), the code lists.

Each pattern is an ordered list of contexts; a rule is found by searching for its id.
Source: EN 16931-1 clause 6.4 and CEN/TS 16931-3-2, as read by the CEN validation artefacts for UBL.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.ubl.rules.en16931 import codes, core, syntax
from gateway.ubl.rules.en16931.vat_categories import usual_categories
from gateway.ubl.rules.pack import Pack


def complete(table: Pack) -> Pack:
    """Add the functions of this family to a release."""
    return replace(
        table, facts=(usual_categories,), patterns=(core.pattern(table), syntax.PATTERN, codes.pattern(table))
    )
