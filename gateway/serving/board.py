"""What the processes of one gateway tell each other: counters, in memory that they share.

A probe reaches one of them, whichever the kernel chooses, and is told about all. Each process writes its own place
only; a place that is being written while it is read shows by its checksum and is read again. A process that takes the
place of a dead one counts on from where that one was, so sums never go back.
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

Values = Mapping[str, float]

_PLACE: Final = 16 * 1024
_HEAD: Final = struct.Struct("<II")
_TRIES: Final = 5


class Board:
    """Shared memory with one place for each process; made before they are started."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._memory = mmap.mmap(-1, places * _PLACE)

    def write(self, place: int, values: Values) -> None:
        """Say how it is here. What does not fit is left out."""
        octets = json.dumps(dict(values), separators=(",", ":")).encode()
        if len(octets) > _PLACE - _HEAD.size:
            return
        begin = place * _PLACE
        self._memory[begin : begin + _HEAD.size + len(octets)] = _HEAD.pack(len(octets), zlib.crc32(octets)) + octets

    def read(self, place: int) -> dict[str, float]:
        """What stands in a place; empty when nothing does."""
        begin = place * _PLACE
        for _ in range(_TRIES):
            length, check = _HEAD.unpack(self._memory[begin : begin + _HEAD.size])
            octets = self._memory[begin + _HEAD.size : begin + _HEAD.size + min(length, _PLACE)]
            if length and zlib.crc32(octets) == check:
                return dict(json.loads(octets))
        return {}


@dataclass(slots=True)
class Siblings:
    """One process among several; place 0 of the board is the supervisor's, 1 and up are theirs."""

    board: Board
    place: int
    sources: list[Callable[[], Values]] = field(default_factory=list)
    """Where the counters of this process are."""
    alone: bool = field(default=False, init=False)
    """The supervisor is gone: the end is near and must be quick."""
    _before: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self._before = self.board.read(self.place)

    @property
    def processes(self) -> dict[str, int]:
        """How many are wanted, and how many run."""
        return {name: int(number) for name, number in self.board.read(0).items()}

    def publish(self) -> None:
        """Tell the others how it is here."""
        here: Counter[str] = Counter(self._before)
        for source in self.sources:
            here.update(source())
        self.board.write(self.place, here)

    def total(self) -> dict[str, float]:
        """The counters of all processes together, dead ones included."""
        self.publish()
        sums: Counter[str] = Counter()
        for place in range(1, self.board.places):
            sums.update(self.board.read(place))
        return dict(sums)
