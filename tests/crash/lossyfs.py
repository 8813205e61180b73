"""A file system that forgets at a power cut what was not fsynced: octets, sizes, and names in directories.

    python -m tests.crash.lossyfs MOUNTPOINT [USER]

It lives in memory and knows two states of everything: what programs see, and what is on the disk. ``fsync`` of a file
takes its octets, size and mode to the disk, and nothing else; its name is taken there by an fsync of its directory.
Stricter than most real disks, and allowed by POSIX. Commands on stdin, each answered by one line: ``settle`` (all that
is there is on the disk), ``cut`` (back to what is on the disk), ``cut SEED`` (some pages, and some of the changes of
each directory in their order, had reached the disk by themselves; the dice say which).
"""

from __future__ import annotations

import errno
import os
import pwd
import random
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import mfusepy

PAGE = 4096
_ROOM = 64 * 1024 * 1024 * 1024
_numbers = count(1)


@dataclass(slots=True, eq=False)
class Node:
    """What files and directories have in common."""

    mode: int
    number: int = field(default_factory=lambda: next(_numbers))
    changed: int = field(default_factory=time.time_ns)


@dataclass(slots=True, eq=False)
class File(Node):
    """Octets as programs see them, and as they are on the disk."""

    data: bytearray = field(default_factory=bytearray)
    disk: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)
    """Pages that differ, or may."""

    def write(self, octets: bytes, at: int) -> None:
        if at > len(self.data):
            self.resize(at)
        self.data[at : at + len(octets)] = octets
        self._soil(at, at + len(octets))

    def resize(self, size: int) -> None:
        self._soil(min(size, len(self.data)), max(size, len(self.data)))
        if size < len(self.data):
            del self.data[size:]
        else:
            self.data.extend(bytes(size - len(self.data)))

    def _soil(self, start: int, end: int) -> None:
        self.dirty.update(range(start // PAGE, (end + PAGE - 1) // PAGE))
        self.changed = time.time_ns()

    def sync(self) -> None:
        """All of it reaches the disk."""
        self._take_size()
        for page in self.dirty:
            self._take(page)
        self.dirty.clear()

    def cut(self, dice: random.Random | None) -> int:
        """Go back to what is on the disk; gives how many pages were lost."""
        lost = len(self.dirty)
        if dice is not None and self.dirty:
            if dice.random() < 0.5:
                self._take_size()
            luck = dice.random()
            for page in sorted(self.dirty):
                if dice.random() < luck:
                    self._take(page)
                    lost -= 1
        self.data = bytearray(self.disk)
        self.dirty.clear()
        return lost

    def _take_size(self) -> None:
        if len(self.disk) > len(self.data):
            del self.disk[len(self.data) :]
        else:
            self.disk.extend(bytes(len(self.data) - len(self.disk)))

    def _take(self, page: int) -> None:
        octets = self.data[page * PAGE : (page + 1) * PAGE]
        if octets:
            self.disk.extend(bytes(max(0, page * PAGE + len(octets) - len(self.disk))))
            self.disk[page * PAGE : page * PAGE + len(octets)] = octets


@dataclass(slots=True, eq=False)
class Directory(Node):
    """Names as programs see them, names on the disk, and the changes between in their order."""

    names: dict[str, Node] = field(default_factory=dict)
    disk: dict[str, Node] = field(default_factory=dict)
    changes: list[dict[str, Node | None]] = field(default_factory=list)

    def change(self, names: dict[str, Node | None]) -> None:
        """Names that get another node, or none: together, or not at all."""
        _apply(names, self.names)
        self.changes.append(names)
        self.changed = time.time_ns()

    def sync(self) -> None:
        """All names reach the disk."""
        self.disk = dict(self.names)
        self.changes.clear()

    def cut(self, dice: random.Random | None) -> int:
        """Go back to the names on the disk; gives how many changes were lost."""
        kept = dice.randint(0, len(self.changes)) if dice is not None else 0
        for names in self.changes[:kept]:
            _apply(names, self.disk)
        lost = len(self.changes) - kept
        self.names = dict(self.disk)
        self.changes.clear()
        return lost


def _apply(names: dict[str, Node | None], to: dict[str, Node]) -> None:
    for name, node in names.items():
        if node is None:
            to.pop(name, None)
        else:
            to[name] = node


class LossyDisk(mfusepy.Operations):
    """The operations of the kernel on it."""

    use_ns = True

    def __init__(self) -> None:
        self.root = Directory(stat.S_IFDIR | 0o755)
        self._open: dict[int, Node] = {}
        self._handles = count(1)

    def cut(self, dice: random.Random | None) -> tuple[int, int]:
        """The power cut: how many pages and how many changes of directories were lost."""
        pages = changes = 0
        for node in self._everything():
            lost = node.cut(dice)
            pages, changes = (pages + lost, changes) if isinstance(node, File) else (pages, changes + lost)
        return pages, changes

    def settle(self) -> None:
        """Everything reaches the disk."""
        for node in self._everything():
            node.sync()

    def _everything(self) -> Iterator[File | Directory]:
        # A directory is yielded before those in it, so that after its cut only what it still names is looked at.
        left: list[Node] = [self.root]
        seen = set[int]()
        while left:
            node = left.pop()
            if node.number in seen:
                continue
            seen.add(node.number)
            assert isinstance(node, File | Directory)
            yield node
            if isinstance(node, Directory):
                left.extend(node.names.values())

    def _find(self, path: str, handle: int | None = None) -> Any:
        if handle is not None and handle in self._open:
            return self._open[handle]
        node: Node = self.root
        for name in path.split("/"):
            if name:
                node = node.names.get(name) if isinstance(node, Directory) else None  # type: ignore[assignment]
                if node is None:
                    raise mfusepy.FuseOSError(errno.ENOENT)
        return node

    def _place(self, path: str) -> tuple[Directory, str]:
        above, _, name = path.rpartition("/")
        return self._find(above), name

    def _opened(self, node: Node) -> int:
        handle = next(self._handles)
        self._open[handle] = node
        return handle

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        node = self._find(path, fh)
        times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), node.changed)
        size = len(node.data) if isinstance(node, File) else PAGE
        owner = {"st_uid": os.getuid(), "st_gid": os.getgid()}
        return {"st_mode": node.mode, "st_ino": node.number, "st_nlink": 1, "st_size": size, **owner, **times}

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        node = self._find(path, fh)
        listed = {".": node, "..": node, **node.names}
        return [(name, {"st_ino": each.number, "st_mode": each.mode}, 0) for name, each in listed.items()]

    def mkdir(self, path: str, mode: int) -> int:
        above, name = self._place(path)
        above.change({name: Directory(stat.S_IFDIR | stat.S_IMODE(mode))})
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        above, name = self._place(path)
        node = File(stat.S_IFREG | stat.S_IMODE(mode))
        above.change({name: node})
        return self._opened(node)

    def open(self, path: str, flags: int) -> int:
        node = self._find(path)
        if flags & os.O_TRUNC:  # the kernel leaves it to us
            node.resize(0)
        return self._opened(node)

    def opendir(self, path: str) -> int:
        return self._opened(self._find(path))

    def release(self, path: str, fh: int) -> int:
        self._open.pop(fh, None)
        return 0

    releasedir = release

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._find(path, fh).data[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._find(path, fh).write(data, offset)
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._find(path, fh).resize(length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._find(path, fh).sync()
        return 0

    fsyncdir = fsync

    def chmod(self, path: str, mode: int) -> int:
        node = self._find(path)
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._find(path).changed = times[1] if times else time.time_ns()
        return 0

    def link(self, target: str, source: str) -> int:
        above, name = self._place(target)
        if name in above.names:
            raise mfusepy.FuseOSError(errno.EEXIST)
        above.change({name: self._find(source)})
        return 0

    def unlink(self, path: str) -> int:
        above, name = self._place(path)
        above.change({name: None})
        return 0

    def rmdir(self, path: str) -> int:
        if self._find(path).names:
            raise mfusepy.FuseOSError(errno.ENOTEMPTY)
        return self.unlink(path)

    def rename(self, old: str, new: str) -> int:
        node, (above, name), (new_above, new_name) = self._find(old), self._place(old), self._place(new)
        there = new_above.names.get(new_name)
        if there is node:
            return 0  # two names of one file: POSIX leaves both
        if isinstance(there, Directory) and there.names:
            raise mfusepy.FuseOSError(errno.ENOTEMPTY)
        if above is new_above:
            above.change({name: None, new_name: node})
        else:
            new_above.change({new_name: node})
            above.change({name: None})
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        blocks, files = _ROOM // PAGE, 1_000_000
        free = {"f_bfree": blocks, "f_bavail": blocks, "f_ffree": files, "f_favail": files}
        return {"f_bsize": PAGE, "f_frsize": PAGE, "f_blocks": blocks, "f_files": files, "f_namemax": 255, **free}


def _obey(disk: LossyDisk) -> None:
    for line in sys.stdin:  # in a thread of its own: everybody who used the disk is gone when it is cut
        command, *words = line.split()
        if command == "settle":
            disk.settle()
            print("settled", flush=True)
        elif command == "cut":
            pages, changes = disk.cut(random.Random(int(words[0])) if words else None)
            print(f"{pages} {changes}", flush=True)


def main() -> None:
    disk = LossyDisk()
    threading.Thread(target=_obey, args=(disk,), daemon=True).start()
    options: dict[str, Any] = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0}
    if len(sys.argv) > 2:
        user = pwd.getpwnam(sys.argv[2])
        options |= {"allow_other": True, "uid": user.pw_uid, "gid": user.pw_gid}
    mfusepy.FUSE(disk, sys.argv[1], foreground=True, nothreads=True, hard_remove=True, use_ino=True, **options)
    os._exit(0)  # the thread may wait for a command that does not come


if __name__ == "__main__":
    main()
