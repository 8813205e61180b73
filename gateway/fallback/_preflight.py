"""Can a bureau print this? Read before a letter is handed over, since a bureau's answer comes hours later.

Not here yet: fonts, and whether the address lies in the window of the bureau's envelope.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

from gateway.errors import ChannelRefused

_A4: Final = (595.276, 841.890)
_TOLERANCE: Final = 3.0
"""Points, about a millimetre."""
_RENDER: Final = "This is a fault of the page's template: tell whoever made it."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one envelope takes."""

    pages: int
    octets: int


def count_pages(page: bytes, limits: Limits) -> int:
    """Check the PDF and give its number of pages; raises ``ChannelRefused`` with the first thing that is wrong."""
    import pypdf

    if len(page) > limits.octets:
        raise ChannelRefused(
            f"The letter has {len(page):,} bytes, more than the {limits.octets:,} of print.max_bytes",
            remedy="Leave out attachments of the invoice, or raise print.max_bytes if the bureau takes it.",
        )
    try:
        reader = pypdf.PdfReader(io.BytesIO(page), strict=False)
        if reader.is_encrypted:
            raise ChannelRefused("The letter's PDF is encrypted", remedy=_RENDER)
        count = len(reader.pages)
        if not 1 <= count <= limits.pages:
            raise ChannelRefused(
                f"The letter has {count} pages; between 1 and {limits.pages} (print.max_pages) can be printed",
                remedy="Send this invoice another way, or raise print.max_pages if the bureau takes it.",
            )
        for number, sheet in enumerate(reader.pages, 1):
            size = (float(sheet.mediabox.width), float(sheet.mediabox.height))
            if sheet.rotation % 180:
                size = size[::-1]
            if any(abs(is_ - wanted) > _TOLERANCE for is_, wanted in zip(size, _A4, strict=True)):
                raise ChannelRefused(
                    f"Page {number} of the letter is {size[0] / 72 * 25.4:.0f} × {size[1] / 72 * 25.4:.0f} mm, not A4",
                    remedy=_RENDER,
                )
    except ChannelRefused:
        raise
    except (
        pypdf.errors.PyPdfError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as e:
        # What pypdf raises for a broken file depends on where it is broken.
        raise ChannelRefused(
            f"The letter's PDF cannot be read: {str(e)[:200] or type(e).__name__}", remedy=_RENDER
        ) from e
    return count
