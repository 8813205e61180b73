"""Comparing distinguished names that different programs wrote down differently.

``smp:CertificateUID`` of a redirect is the subject of the other SMP's certificate as text: the order of the parts,
the blanks between them and the escaping differ from server to server. Source: RFC 4514, RFC 2253, RFC 1779. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

MAX_NAME: Final = 2_000
_TYPES: Final = {
    NameOID.COMMON_NAME.dotted_string: "CN",
    NameOID.COUNTRY_NAME.dotted_string: "C",
    NameOID.ORGANIZATION_NAME.dotted_string: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME.dotted_string: "OU",
    NameOID.LOCALITY_NAME.dotted_string: "L",
    NameOID.STATE_OR_PROVINCE_NAME.dotted_string: "ST",
    NameOID.EMAIL_ADDRESS.dotted_string: "EMAILADDRESS",
    NameOID.SERIAL_NUMBER.dotted_string: "SERIALNUMBER",
}
_ALIASES: Final = {"S": "ST", "E": "EMAILADDRESS", "1.2.840.113549.1.9.1": "EMAILADDRESS"}
_HEX: Final = frozenset("0123456789abcdefABCDEF")


def same_name(text: str, name: x509.Name) -> bool:
    """Tell whether the text names the same subject: the same parts, in any order and spelling."""
    try:
        written = sorted(_read(text))
    except ValueError:
        return False
    held = sorted((_type(part.oid.dotted_string), _plain(str(part.value))) for part in name)
    return bool(written) and written == held


def _read(text: str) -> Iterator[tuple[str, str]]:
    if len(text) > MAX_NAME:
        raise ValueError("too long")
    for part in _split(text.strip()):
        kind, equals, value = part.partition("=")
        if not equals:
            raise ValueError("a part without =")
        yield _type(kind.strip()), _plain(_unescape(value.strip()))


def _split(text: str) -> Iterator[str]:
    """Cut at commas, semicolons and plus signs that are neither escaped nor quoted."""
    start = 0
    quoted = escaped = False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character in ",;+" and not quoted:
            yield text[start:index]
            start = index + 1
    if quoted or escaped:
        raise ValueError("an open quote or escape")
    yield text[start:]


def _unescape(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    octets = bytearray()
    index = 0
    while index < len(value):
        if value[index] != "\\":
            octets += value[index].encode()
            index += 1
        elif len(pair := value[index + 1 : index + 3]) == 2 and _HEX.issuperset(pair):
            octets.append(int(pair, 16))
            index += 3
        else:
            octets += value[index + 1 : index + 2].encode()
            index += 2
    return octets.decode()  # UnicodeDecodeError is a ValueError


def _type(text: str) -> str:
    bare = text.upper().removeprefix("OID.")
    return _TYPES.get(bare) or _ALIASES.get(bare) or bare


def _plain(value: str) -> str:
    return " ".join(value.split()).casefold()
