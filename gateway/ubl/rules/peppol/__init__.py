"""Peppol BIS Billing 3.0."""

from __future__ import annotations

from gateway.ubl.rules.pack import Pack


def complete(table: Pack) -> Pack:
    """Add the functions of this family to a release."""
    return table
