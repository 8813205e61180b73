"""A secret of a section: in a file of its owner's or from the environment, and what can be wrong with it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path


def problems(text: str, file: Path | None, key: str, read: Callable[[], object]) -> list[tuple[str, str]]:
    """What is wrong with ``key`` and ``key_file``, of which one is needed; ``read`` reads the one that is there."""
    if text and file:
        return [(key, f"and {key}_file are two sources for one thing")]
    if not text and not file:
        return [(f"{key}_file", "is missing")]
    where = f"{key}_file" if file else key
    try:
        read()
        if file and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return [(where, f"can be read by others; run: chmod 600 {file}")]
    except OSError as error:
        return [(where, f"cannot be read: {error.strerror or error}")]
    except ValueError as error:
        said = "is no text" if isinstance(error, UnicodeDecodeError) else str(error)
        return [(where, said)]
    return []
