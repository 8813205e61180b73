"""Certificates and revocation lists as Prometheus sees them: when they end, how old they are, which fetches fail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.pki.certificates import Certificates


def certificate_metrics(certificates: Certificates) -> list[str]:
    """Lines of the text format 0.0.4."""
    lines = _gauge(
        "gateway_certificate_end_seconds",
        "When the certificate ends, in seconds since 1970.",
        "subject",
        ((one.subject, one.ends.timestamp()) for one in certificates.expiries()),
    )
    lists = certificates.lists()
    held = [(one.url, one.held) for one in lists if one.held]
    lines += _gauge(
        "gateway_revocation_list_made_seconds",
        "When the list was made, in seconds since 1970.",
        "url",
        ((url, one.this_update.timestamp()) for url, one in held),
    )
    lines += _gauge(
        "gateway_revocation_list_next_seconds",
        "When the next list is due, in seconds since 1970.",
        "url",
        ((url, one.next_update.timestamp()) for url, one in held),
    )
    return lines + _gauge(
        "gateway_revocation_list_failing",
        "Whether the last fetch of the list failed.",
        "url",
        ((one.url, float(bool(one.problem))) for one in lists),
    )


def _gauge(name: str, what: str, label: str, values: Iterable[tuple[str, float]]) -> list[str]:
    rows = [f'{name}{{{label}="{_escaped(text)}"}} {value:.0f}' for text, value in values]
    return [f"# HELP {name} {what}", f"# TYPE {name} gauge", *rows] if rows else []


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
