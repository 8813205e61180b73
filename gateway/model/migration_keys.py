"""Migration keys: what the losing SMP gives to the gaining one, out of band.

Source: SML interface 1.3 (ICD): 8 to 24 characters, two each of upper case, lower case, digits and specials. Pure.
"""

from __future__ import annotations

import secrets
import string
from typing import Final

from gateway.errors import InvalidAddress

SPECIALS: Final = "@#$%()[]{}*^-!~|+=_"
_WRITTEN: Final = "@#*-!+="
"""Specials in keys of ours: those that survive mail, quotes of shells and XML."""
_SETS: Final = (string.ascii_uppercase, string.ascii_lowercase, string.digits)
_LEAST, _LONGEST, _OURS = 8, 24, 20


def new_key() -> str:
    """Make a key that everybody accepts; it begins with a letter, so that no command takes it for an option."""
    sets = (*_SETS, _WRITTEN)
    drawn = [secrets.choice(each) for each in sets for _ in range(2)]
    drawn += [secrets.choice("".join(_SETS)) for _ in range(_OURS - 1 - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return secrets.choice(string.ascii_letters) + "".join(drawn)


def check_key(key: str) -> str:
    """Give the key when an SML would take it. Raises :class:`InvalidAddress`, which says what is wrong."""
    problems = []
    if not _LEAST <= len(key) <= _LONGEST:
        problems.append(f"it has {len(key)} characters, not {_LEAST} to {_LONGEST}")
    for name, characters in (
        *zip(("upper case letters", "lower case letters", "digits"), _SETS, strict=True),
        ("specials", SPECIALS),
    ):
        if sum(c in characters for c in key) < 2:
            problems.append(f"it has fewer than two {name}")
    if odd := [c for c in key if c not in "".join(_SETS) + SPECIALS]:
        problems.append(f"“{odd[0]}” is not allowed in it")
    if problems:
        raise InvalidAddress(
            f"This is no migration key: {'; '.join(problems)}", remedy="Copy the key as the other operator gave it."
        )
    return key
