"""Gives up, for this process, everything that reading a file does not need: network, files, other processes, memory.

Run inside the child before the first octet of the file is looked at. Layers, each alone enough against most of what a
broken decoder could do: limits of the kernel (memory, processor time, file size 0), an empty network namespace, a
Landlock rule set (programs may be read, nothing may be written, nothing else may be opened), a seccomp filter (no
sockets, no new processes or programs, no ptrace). A layer that the kernel does not offer is left out, and ``confine``
says which ones hold.

Sources: prctl(2), seccomp(2), landlock(7), unshare(2), setrlimit(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_NO_NEW_PRIVS, _SET_SECCOMP, _SET_DUMPABLE, _FILTER = 38, 22, 4, 2
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38, 0x80000000
_THREAD: Final = 0x00010000

# System calls by machine: (audit architecture, numbers of what is denied, clone, clone3, what starts programs).
_DENIED_X86: Final = (
    *range(41, 56),  # socket … getsockopt
    *(57, 58, 62, 101, 109, 112, 155, 157 + 8, 166, 175, 176, 246, 248, 249, 250, 272, 288, 298, 299, 303, 304, 307),
    *(308, 310, 311, 313, 320, 321, 323, 424, 425, 426, 427, 434, 438),
    *(82, 83, 84, 86, 87, 88, 90, 92, 94, 161, 258, 259, 260, 263, 264, 265, 266, 268, 316),
)
_DENIED_ARM: Final = (
    *range(198, 213),  # socket … recvmsg
    *(117, 129, 154, 157, 39, 40, 41, 51, 97, 104, 105, 106, 217, 218, 219, 241, 242, 243, 265, 268, 269),
    *(270, 271, 273, 280, 282, 294, 424, 425, 426, 427, 434, 438),
    *(33, 34, 35, 36, 37, 38, 52, 53, 54, 55, 276),
)
_MACHINES: Final = {
    "x86_64": (0xC000003E, _DENIED_X86, 56, 435, (59, 322)),
    "aarch64": (0xC00000B7, _DENIED_ARM, 220, 435, (221, 281)),
}

LAYERS: Final = ("network namespace", "landlock", "seccomp")
"""What :func:`confine` gives where everything holds."""
_EXECUTE, _READ_FILE, _READ_DIR = 1, 4, 8
_EVERY_FILE_RIGHT: Final = (1 << 13) - 1
"""The thirteen rights of the first Landlock version: execute, write, read, list, remove and make anything."""


def readable() -> tuple[str, ...]:
    """What a process of ours may read: programs; of a checkout the package alone: settings and keys lie beside it."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  the child is bare
    root = os.path.dirname(package)  # noqa: PTH120
    libraries = (path for path in sys.path[:8] if path != root or path.endswith("-packages"))
    return (sys.prefix, sys.base_prefix, package, *libraries, "/usr/lib", "/lib", "/usr/share/zoneinfo")


def limit(*, memory: int, seconds: int) -> None:
    """Cap memory and processor time; no file can be written, no core is dumped."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with suppress(ValueError, OSError):  # a lower limit holds already
            resource.setrlimit(what, (most, most))


def confine(readable: Iterable[str], *, programs: bool = False) -> tuple[str, ...]:
    """Give up network, files and processes; tells which layers hold. ``programs``: one program may still be started."""
    if _libc is None:
        return ()
    held = []
    user, group = os.getuid(), os.getgid()
    if _libc.unshare(_NEW_USER | _NEW_NET) == 0:
        held.append("network namespace")
        _map(user, group)
    _libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return tuple(held)
    if _landlock(readable, programs=programs):
        held.append("landlock")
    if _seccomp(programs=programs):
        held.append("seccomp")
    return tuple(held)


def _map(user: int, group: int) -> None:
    """The same ids inside, so that files stay readable."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with suppress(OSError):
            place = os.open(f"/proc/self/{name}", os.O_WRONLY)
            try:
                os.write(place, text.encode())
            finally:
                os.close(place)


def _landlock(readable: Iterable[str], *, programs: bool) -> bool:
    assert _libc is not None
    create, add, restrict = 444, 445, 446  # the same numbers on every machine
    handled = ctypes.create_string_buffer(struct.pack("=Q", _EVERY_FILE_RIGHT))
    rules = _libc.syscall(create, handled, ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    try:
        rights = _READ_FILE | _READ_DIR | (_EXECUTE if programs else 0)
        for path in readable:
            with suppress(OSError):
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
                allowed = rights if os.path.isdir(path) else rights & ~_READ_DIR  # noqa: PTH112  the child is bare
                try:
                    rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, place))
                    _libc.syscall(add, rules, 1, rule, 0)
                finally:
                    os.close(place)
        return bool(_libc.syscall(restrict, rules, 0) == 0)
    finally:
        os.close(rules)


def _statement(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _seccomp(*, programs: bool) -> bool:
    """A filter of denied calls: they fail with EPERM; a foreign architecture is killed."""
    assert _libc is not None
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    architecture, denied, clone, clone3, starting = machine
    load, equal, at_least, masked, give = 0x20, 0x15, 0x35, 0x45, 0x06
    lines = [
        _statement(load, 4),
        _statement(equal, architecture, 1, 0),
        _statement(give, _KILL),
        _statement(load, 0),
        _statement(at_least, 0x40000000, 0, 1),
        _statement(give, _KILL),
    ]
    for number in (*denied, *(() if programs else starting)):
        lines += [_statement(equal, number, 0, 1), _statement(give, _EPERM)]
    # glibc falls back from clone3, whose flags a filter cannot see, to clone, where only threads are let through.
    lines += [_statement(equal, clone3, 0, 1), _statement(give, _ENOSYS)]
    lines += [_statement(equal, clone, 0, 3), _statement(load, 16), _statement(masked, _THREAD, 1, 0)]
    lines += [_statement(give, _EPERM), _statement(give, _ALLOW)]
    octets = ctypes.create_string_buffer(b"".join(lines))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(octets)))
    return bool(_libc.prctl(_SET_SECCOMP, _FILTER, program, 0, 0) == 0)


def main() -> None:
    """``confine.py MEMORY SECONDS PROGRAM…``: confine this process, then become the program."""
    memory, seconds, *program = sys.argv[1:]
    limit(memory=int(memory), seconds=int(seconds))
    confine(("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom"), programs=True)
    os.execv(program[0], program)  # noqa: S606  our own choice of program


if __name__ == "__main__":
    main()
