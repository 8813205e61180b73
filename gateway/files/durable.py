"""Durable files: written beside their place, flushed to the disk, then renamed into it.

A reader therefore sees a whole file or none, also after ``kill -9`` or a power cut. Everything here blocks: call
it with ``asyncio.to_thread``. What cannot be done is an ``OSError``; the caller says what that means.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

UNFINISHED: Final = ".incoming-"
"""How the names of unfinished files and directories begin; readers pass over names with a leading dot."""

_SAFE: Final = re.compile(r"(?=.{1,100}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


def safe_name(text: str) -> str:
    """Give a file name for an identifier: itself where it is harmless, else a digest of it.

    Harmless is at most 100 letters, digits, hyphens and underscores, with single dots between them.
    """
    return text if _SAFE.fullmatch(text) else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def write_durably(path: Path, octets: bytes | Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a file so that it is there whole, or not at all; an older file of that name is replaced.

    ``octets`` may come in pieces. ``mode`` is for a new file and limited by the umask, as usual.
    """
    unfinished = path.with_name(f"{UNFINISHED}{path.name}-{secrets.token_hex(4)}")
    try:
        _write(unfinished, octets, mode)
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    _flush_directory(path.parent)


def make_directory(path: Path, *, mode: int = 0o777) -> None:
    """Make a directory with its parents, each of them durable. It may be there already."""
    missing = [path]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    for made in missing:
        _flush_directory(made.parent)


def unfinished_name(final: Path) -> Path:
    """Where :func:`publish_directory` writes before the directory appears."""
    return final.with_name(UNFINISHED + final.name)


def publish_directory(files: dict[str, bytes], final: Path, *, before: Callable[[], object] = lambda: None) -> bool:
    """Write files into a new directory that appears complete under its name, or not at all.

    The answer is False when there is a directory of that name already: it is left as it is. Only one writer at a
    time may publish under one name. ``before`` is called when all is written, right before the name appears.
    """
    if final.exists():
        return False
    unfinished = unfinished_name(final)
    shutil.rmtree(unfinished, ignore_errors=True)  # of an earlier writer that was killed
    try:
        make_directory(unfinished)
        for name, octets in files.items():
            _write(unfinished / name, octets)
        _flush_directory(unfinished)
        before()
        unfinished.rename(final)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and final.exists():
            return False
        raise
    _flush_directory(final.parent)
    return True


def remove_leftovers(directory: Path, *, older_than: float = 3600.0) -> None:
    """Remove what killed writers left unfinished, once it is ``older_than`` seconds old. Never fails."""
    limit = time.time() - older_than
    with contextlib.suppress(OSError):
        for left in directory.glob(UNFINISHED + "*"):
            if left.lstat().st_mtime > limit:
                continue
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _write(path: Path, octets: bytes | Iterable[bytes], mode: int = 0o666) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.writelines([octets] if isinstance(octets, bytes) else octets)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
