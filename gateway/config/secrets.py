"""What of a setting may be shown."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """An address with its passwords hidden."""
    hidden = re.sub(r"(//[^/@:]*):[^@]*@", r"\1:…@", url)
    return re.sub(r"([?&](?:password|sslpassword)=)[^&]*", r"\1…", hidden)
