"""Peppol BIS Billing 3.0 and its self-billing sister: rules for everyone, and those of eight countries.

Source: Peppol BIS Billing 3.0, rules; the national rules are those that OpenPeppol publishes with it.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.ubl.rules.pack import Pack
from gateway.ubl.rules.peppol import billing, codes
from gateway.ubl.rules.peppol.national import patterns

EMPTY = "PEPPOL-EN16931-R008"
"""No element is without content."""


def complete(table: Pack) -> Pack:
    """Add the functions of this family to a release."""
    everyone = (billing.projects(), billing.pattern(table))
    return replace(
        table,
        facts=(billing.short_currencies,),
        patterns=(*everyone, *patterns(table), codes.pattern(table)),
        empty_rule=EMPTY if EMPTY in table.rules else "",
    )
