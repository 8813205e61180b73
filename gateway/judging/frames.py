"""Frames on a pipe between the gateway and its workers: four octets of length (big-endian), then the content."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Final

MAX_FRAME: Final = 128_000_000
"""Octets; the largest document of the gateway has 100 MB."""
LENGTH: Final = struct.Struct(">I")


def write_frame(pipe: BinaryIO, content: bytes) -> None:
    """Write one frame and flush it."""
    pipe.write(LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> bytes | None:
    """Read one frame; None when the other side has ended. Raises ``ValueError`` for a length that cannot be."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    if length > MAX_FRAME:
        raise ValueError(f"a frame of {length} octets")
    content = pipe.read(length)
    return content if len(content) == length else None


def write_value(pipe: BinaryIO, value: dict[str, Any]) -> None:
    """Write a value as a JSON frame."""
    write_frame(pipe, json.dumps(value).encode())


def read_value(pipe: BinaryIO) -> dict[str, Any] | None:
    """Read a JSON frame; None when the other side has ended."""
    content = read_frame(pipe)
    if content is None:
        return None
    value: dict[str, Any] = json.loads(content)
    return value
