"""National rules: each file is the rules of one country, and says for whom they hold."""

from __future__ import annotations

from gateway.ubl.rules.pack import Pack, Pattern
from gateway.ubl.rules.peppol.national import (
    denmark,
    germany,
    greece,
    iceland,
    italy,
    netherlands,
    norway,
    sweden,
)


def patterns(pack: Pack) -> tuple[Pattern, ...]:
    """The patterns of all countries; a release without their rules leaves them empty."""
    return (
        norway.PATTERN,
        *denmark.patterns(pack),
        italy.PATTERN,
        sweden.PATTERN,
        *greece.patterns(pack),
        iceland.PATTERN,
        netherlands.PATTERN,
        germany.PATTERN,
    )
