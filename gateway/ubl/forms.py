"""Documents of a form that was read before: the same tags, with other values.

Between ``>`` and ``</cbc:`` stands a value, and what differs between invoices of one form is in their values. So a
document is cut at each ``</cbc:``, and each part must begin as that part of the known document does, up to its value;
what is left over are the values. They may hold plain text alone, no sign that XML knows; then it has the same tags in
the same order as the known one, with other text where that has text, and is well-formed as that is.

A short cut and no second opinion: None says nothing but that the document has to be read. Only one that was read and
found plain teaches a form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.ubl.skeleton import is_text

_END: Final = b"</cbc:"
_LONGEST: Final = 16 * 1024
"""Octets of a document that is looked at so: what is larger has so many lines that few others have as many."""
_KEYS: Final = 256
"""At most 6 MiB."""
_MISSES: Final = 16
"""So often documents of one key are studied without use; then they are not alike."""
_STRIDE: Final = 24
"""Every so many values one part of the document joins its key."""
_TEXT: Final = bytes(octet for octet in range(256) if octet in b"\t\n" or (octet >= 32 and octet not in b"<&]"))
"""What a value may hold; whether the octets above 127 are UTF-8 is looked at besides."""

_Key = tuple[int | bytes, ...]
_Find = Callable[[bytes], Sequence[bytes] | None]


@dataclass(frozen=True, slots=True)
class _Form:
    """What all documents of one form have in common."""

    before: tuple[bytes, ...]
    """The octets before each value, from the end of the one before; at last those after all values."""
    size: int
    """Octets of the document without its values."""
    places: tuple[int, ...]
    """Which values are asked for."""

    def read(self, piece: bytes, parts: list[bytes]) -> list[bytes] | None:
        """The values that are asked for, when the document is of this form. ``parts``: it, cut at ``</cbc:``."""
        if len(parts) != len(self.before):
            return None
        values = list(map(bytes.removeprefix, parts, self.before))
        said = b"\n".join(values)
        # Of a part that begins otherwise nothing is taken off, and the rest is too long. The last one has no value.
        if values[-1] or len(said) - len(values) + 1 != len(piece) - self.size:
            return None
        if said.translate(None, _TEXT) or not is_text(said):
            return None
        return [values[place] for place in self.places]


@dataclass(slots=True)
class _Known:
    form: _Form | None = None
    misses: int = 0


class Forms:
    """The forms that were seen, by some of their tags. A form is learnt when documents like it come again."""

    def __init__(self) -> None:
        self._known: dict[_Key, _Known] = {}

    def read(self, piece: bytes, find: _Find, is_plain: Callable[[], bool]) -> Sequence[bytes] | None:
        """The values that ``find`` finds in a document; None where it finds none, or where the document is not plain.

        ``find`` gives them all, empty where there is none; in which places it finds them must follow from the tags
        alone. ``is_plain`` reads the document: whether it is well-formed, tags and text alone.
        """
        if len(piece) > _LONGEST:
            return find(piece) if is_plain() else None
        parts = piece.split(_END)
        key = _key(parts)
        known = self._known.get(key)
        if known is not None and known.form is not None and (values := known.form.read(piece, parts)) is not None:
            known.misses = 0
            return values
        found = find(piece) if is_plain() else None
        if found is not None:
            self._study(key, parts, find)
        return found

    def _study(self, key: _Key, parts: list[bytes], find: _Find) -> None:
        """Count a document that was of no known form, and learn its form if it is not the first of its key."""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KEYS:
                self._known.clear()
            known = self._known[key] = _Known()
        known.misses += 1
        if 1 < known.misses <= _MISSES:
            known.form = _form(parts, find) or known.form


def _form(parts: list[bytes], find: _Find) -> _Form | None:
    """Find the places of the values in the same document with the number of each value in its stead."""
    before = (*map(_before_value, parts[:-1]), parts[-1])
    numbered = [b"%b%d" % (octets, place) for place, octets in enumerate(before[:-1])]
    found = find(_END.join((*numbered, parts[-1])))
    if found is None or not all(value.isdigit() for value in found if value):
        return None
    size = sum(map(len, before)) + len(_END) * (len(before) - 1)
    return _Form(before, size, tuple(int(value) if value else -1 for value in found))


def _before_value(part: bytes) -> bytes:
    return part[: part.rfind(b">") + 1]


def _key(parts: list[bytes]) -> _Key:
    """Documents of one form have one key. Of those that have it, few are of another form; none is taken on its word."""
    return len(parts), *map(_before_value, parts[:-1:_STRIDE])
