"""Whether the disks have room for something new, before any of it is taken.

A reserve is kept free for what was accepted: its receipts, its timeline, its way out. What is new is refused below it,
so that nothing that we have answered for ever stands before a full disk.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

RESERVE: Final = 2 * 1024**3
PERCENT: Final = 5
_REMEMBERED_SECONDS: Final = 0.5
_INODES: Final = 100
"""Names that must be free at least, or a hundredth of all, where a disk counts them."""


@dataclass(slots=True)
class Room:
    """The folders whose disks must have room; ``reserve`` octets or ``percent`` of a disk stay free, the larger."""

    folders: tuple[Path, ...]
    reserve: int = RESERVE
    percent: int = PERCENT
    _looked: float = field(default=-1.0, init=False)
    _said: str = field(default="", init=False)

    def shortage(self) -> str:
        """Empty while there is room, else which disk has too little, for the operator."""
        now = time.monotonic()
        if self._looked < 0 or now - self._looked >= _REMEMBERED_SECONDS:
            self._said = next((text for folder in self.folders if (text := self._shortage_of(folder))), "")
            self._looked = now
        return self._said

    def free(self) -> int:
        """Octets that are free on the fullest of the disks. Raises ``OSError``."""
        return min((_free(os.statvfs(folder)) for folder in self.folders), default=0)

    def kept(self) -> int:
        """Octets that are kept free, the most of any disk. Raises ``OSError``."""
        return max((self._kept_of(os.statvfs(folder)) for folder in self.folders), default=0)

    def _kept_of(self, disk: os.statvfs_result) -> int:
        return max(self.reserve, disk.f_blocks * disk.f_frsize * self.percent // 100)

    def _shortage_of(self, folder: Path) -> str:
        try:
            disk = os.statvfs(folder)
        except OSError as error:
            return f"The disk of {folder} cannot be looked at: {error.strerror}"
        if disk.f_flag & os.ST_RDONLY:
            return f"The disk of {folder} is mounted read-only"
        kept, free = self._kept_of(disk), _free(disk)
        if free < kept:
            return (
                f"The disk of {folder} has {free // 10**6} MB free; {kept // 10**6} MB are kept for what was accepted"
            )
        if disk.f_files and disk.f_favail < max(_INODES, disk.f_files // 100):
            return f"The disk of {folder} has room for {disk.f_favail} more files only"
        return ""


def _free(disk: os.statvfs_result) -> int:
    return disk.f_bavail * disk.f_frsize
