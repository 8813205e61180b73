"""A private key that never leaves its module: signs and decrypts over PKCS#11 (extra ``hsm``).

Source: PKCS#11 2.40, RFC 7512 (how a key is named), RFC 8017 (EMSA-PKCS1-v1_5, EME-OAEP). The digest is made here and
the module only signs it; content keys are opened with the module's own OAEP where it can do SHA-256, and otherwise with
its bare RSA operation and the padding looked at here. A session serves one caller at a time, so several are kept; one
that breaks off (the module was restarted, the card pulled) is opened again once.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import os
import queue
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.errors import KeyUnavailable

SESSIONS: Final = 4
"""Operations at once with one key, in a module that may be called by several threads."""
_WAIT: Final = 10.0
"""Seconds to wait for a free session; a module that is slower than that is not available."""
_DIGEST_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
"""What stands before a SHA-256 in a PKCS#1 v1.5 signature (RFC 8017 section 9.2)."""
_HASH: Final = hashlib.sha256().digest_size
_NO_LABEL: Final = hashlib.sha256(b"").digest()
_PROBE: Final = b"gateway: is this the key of its certificate?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A ``pkcs11:`` URI: which module, which token in it, which key on that."""

    module: str
    token: str
    serial: str = ""
    label: str = ""
    id: bytes = b""
    pin_source: str = ""


def read_address(text: str) -> Address:
    """Read an RFC 7512 URI; raises ``ValueError`` with what is missing in it."""
    path, _, query = text.removeprefix("pkcs11:").partition("?")
    parts: dict[str, str] = {}
    for each in filter(None, path.split(";")):
        name, given, value = each.partition("=")
        if not given or name not in ("token", "serial", "object", "id", "type", "manufacturer", "model"):
            raise ValueError(f"“{name[:40]}” is nothing that the address of a key may have: token, serial, object, id")
        parts[name] = value
    asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    if "pin-value" in asked:
        raise ValueError(
            "a PIN does not belong into an address: write it into a file, and name that in key_password_file"
        )
    for name in asked:
        if name not in ("module-path", "pin-source", "module-name"):
            raise ValueError(f"“{name[:40]}” is no part of the address of a key")
    if not asked.get("module-path"):
        raise ValueError("does not name its module; end it with ?module-path=/usr/lib/softhsm/libsofthsm2.so")
    if not parts.get("object") and not parts.get("id"):
        raise ValueError("does not name its key; write pkcs11:token=NAME;object=NAME?module-path=…")
    if not parts.get("token") and not parts.get("serial"):
        raise ValueError("does not name its token; write pkcs11:token=NAME;object=NAME?module-path=…")
    return Address(
        module=asked["module-path"],
        token=unquote(parts.get("token", "")),
        serial=unquote(parts.get("serial", "")),
        label=unquote(parts.get("object", "")),
        id=_octets(parts.get("id", "")),
        pin_source=asked.get("pin-source", ""),
    )


def _octets(text: str) -> bytes:
    return os.fsencode(unquote(text, encoding="utf-8", errors="surrogateescape")) if text else b""


def open_key(text: str, pin: bytes | None, public: rsa.RSAPublicKey) -> ModuleKey:
    """Open the session and try the key once each way; raises ``ValueError`` when it is not that of ``public``."""
    address = read_address(text)
    if not pin and address.pin_source:
        pin = _read_pin(address.pin_source)
    if not pin:
        raise ValueError("needs a PIN: key_password_file, or ?pin-source=file:/… in the address")
    try:
        import pkcs11
    except ImportError:
        raise ValueError('needs PKCS#11: pip install "access-point-gateway[hsm]"') from None
    try:
        places = _module(address.module)[1] or threading.BoundedSemaphore(SESSIONS)
        key = ModuleKey(token=_token(address, pin.decode()), address=address, public=public, places=places)
        key.try_out()
    except (pkcs11.PKCS11Error, RuntimeError, KeyUnavailable, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be used: {_shown(error)}") from None
    return key


def _read_pin(source: str) -> bytes:
    file = Path(unquote(source.removeprefix("file://").removeprefix("file:")))
    try:
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError(f"{file} can be read by others; run: chmod 600 {file}")
        return file.read_bytes().strip()
    except OSError as error:
        raise ValueError(f"its PIN cannot be read: {error}") from None


class _InitialiseArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("create", "destroy", "lock", "unlock")),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


_OS_LOCKING_OK: Final = 2


@lru_cache(maxsize=8)
def _module(path: str) -> tuple[Any, threading.BoundedSemaphore | None]:
    """The module, and what all its keys share when it can do only one thing at a time.

    python-pkcs11 initialises a module for one thread (its C_Initialize gets NULL), and SoftHSM then fails under
    several. So it is initialised once more, for many; one that refuses does one thing at a time.
    """
    import pkcs11

    module = pkcs11.lib(path)
    again = _InitialiseArguments(flags=_OS_LOCKING_OK)
    try:
        library = ctypes.CDLL(path)
        library.C_Finalize(None)
        if library.C_Initialize(ctypes.byref(again)) == 0:
            return module, None
        library.C_Initialize(None)
    except (OSError, AttributeError):  # not every module shows its functions by name
        pass
    return module, threading.BoundedSemaphore(1)


@dataclass(slots=True)
class _Token:
    """One token of one module. Who is logged in counts for the whole process, and ends with the session that did it."""

    module: str
    name: str
    serial: str
    pin: str
    _first: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def session(self, *, anew: bool = False) -> Any:
        """A session for one caller, logged in. Raises ``PKCS11Error`` or ``RuntimeError``."""
        import pkcs11

        named = {"token_label": self.name} if self.name else {"token_serial": self.serial.encode()}
        with self._lock:
            token = _module(self.module)[0].get_token(**named)
            if self._first is None or anew:
                with suppress(pkcs11.UserAlreadyLoggedIn):
                    self._first = token.open(user_pin=self.pin)
            return token.open()


_tokens: dict[tuple[str, str, str], _Token] = {}
_tokens_lock = threading.Lock()


def _token(address: Address, pin: str) -> _Token:
    place = (address.module, address.token, address.serial)
    with _tokens_lock:
        known = _tokens.get(place)
        if known is None or known.pin != pin:
            known = _tokens[place] = _Token(*place, pin)
        return known


@dataclass(slots=True, kw_only=True)
class ModuleKey:
    """A key in a module, both :class:`~gateway.security.keys.Signer` and :class:`~gateway.security.keys.Decryptor`.

    Every operation may take its time: call it in a thread. Raises ``KeyUnavailable`` when the module does not answer.
    """

    token: _Token
    address: Address
    public: rsa.RSAPublicKey
    places: threading.BoundedSemaphore
    own_oaep: bool = False
    """Whether the module opens OAEP with SHA-256 by itself."""
    _idle: queue.LifoQueue[Any] = field(default_factory=queue.LifoQueue, repr=False)

    def sign(self, data: bytes) -> bytes:
        from pkcs11 import Mechanism

        signed = _DIGEST_INFO + hashlib.sha256(data).digest()
        return bytes(self._with_key(lambda key: key.sign(signed, mechanism=Mechanism.RSA_PKCS)))

    def decrypt(self, wrapped: bytes) -> bytes:
        from pkcs11 import Mechanism

        size = (self.public.key_size + 7) // 8
        if len(wrapped) != size or int.from_bytes(wrapped) >= self.public.public_numbers().n:
            raise ValueError("the wrapped key has another length than ours")
        if self.own_oaep:
            return self._open_by_module(wrapped)
        return unpad(bytes(self._with_key(lambda key: key.decrypt(wrapped, mechanism=Mechanism.RSA_X_509))), size)

    def try_out(self) -> None:
        """Sign and decrypt something of our own. Raises ``ValueError``, ``PKCS11Error`` or ``KeyUnavailable``."""
        import pkcs11

        try:
            self.public.verify(self.sign(_PROBE), _PROBE, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise ValueError("does not belong to the certificate") from None
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
        wrapped = self.public.encrypt(_PROBE[:16], oaep)
        for own in (True, False):
            self.own_oaep = own
            try:
                if self.decrypt(wrapped) == _PROBE[:16] and (not own or self._says_no(wrapped)):
                    return
            except (ValueError, KeyUnavailable, pkcs11.PKCS11Error):
                if not own:
                    raise
        raise ValueError("opens what is encrypted for the certificate to something else")

    def _says_no(self, wrapped: bytes) -> bool:
        """Whether the module tells what was not encrypted for it from a fault of its own.

        One that does not would be opened anew for everything that somebody encrypts badly.
        """
        try:
            self.decrypt(bytes((*wrapped[:-1], wrapped[-1] ^ 1)))
        except ValueError:
            return True
        except KeyUnavailable:
            pass
        return False

    def _open_by_module(self, wrapped: bytes) -> bytes:
        import pkcs11
        from pkcs11 import MGF, Mechanism

        parameters = (Mechanism.SHA256, MGF.SHA256, None)
        wrong = (pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange, pkcs11.DataInvalid)
        try:
            return bytes(
                self._with_key(
                    lambda key: key.decrypt(wrapped, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=parameters),
                    wrong,
                )
            )
        except wrong:
            raise ValueError("the key was not wrapped for us") from None

    def _with_key(self, operation: Callable[[Any], Any], answers: tuple[type[Exception], ...] = ()) -> Any:
        """Do it in a session that nobody else uses; ``answers`` are errors that say something about the data."""
        import pkcs11

        if not self.places.acquire(timeout=_WAIT):
            raise KeyUnavailable(f"the key module has been busy for {_WAIT:g} s")
        try:
            for anew in (False, True):
                session = None
                try:
                    session, key = self._take(anew=anew)
                    result = operation(key)
                except answers:
                    self._idle.put((session, key))
                    raise
                except (pkcs11.PKCS11Error, RuntimeError) as error:
                    with suppress(pkcs11.PKCS11Error, RuntimeError):  # a module has only so many sessions
                        if session is not None:
                            session.close()
                    if anew:
                        raise KeyUnavailable(f"the key module does not do it: {_shown(error)}") from None
                    continue
                self._idle.put((session, key))
                return result
        finally:
            self.places.release()

    def _take(self, *, anew: bool) -> tuple[Any, Any]:
        import pkcs11

        if not anew:
            try:
                session, key = self._idle.get_nowait()
            except queue.Empty:
                pass
            else:
                return session, key
        session = self.token.session(anew=anew)
        named = {"label": self.address.label} if self.address.label else {}
        if self.address.id:
            named["id"] = self.address.id  # type: ignore[assignment]
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, key_type=pkcs11.KeyType.RSA, **named)
        return session, key


def unpad(block: bytes, size: int) -> bytes:
    """What an OAEP block with SHA-256 holds (RFC 8017 section 7.1.2, step 3); one ``ValueError`` for all faults.

    Every octet is looked at whatever the first says, so that the time tells as little as Python can.
    """
    block = block.rjust(size, b"\0")
    first, masked_seed, masked = block[0], block[1 : 1 + _HASH], block[1 + _HASH :]
    seed = _xor(masked_seed, _mask(masked, _HASH))
    data = _xor(masked, _mask(seed, len(masked)))
    wrong = first | (not hmac.compare_digest(data[:_HASH], _NO_LABEL))
    end, other = 0, 0
    for place in range(_HASH, len(data)):
        octet = data[place]
        searching = end == 0
        end |= place * (searching & (octet == 1))
        other |= searching & (octet > 1)
    if wrong | other | (end == 0):
        raise ValueError("the key was not wrapped for us")
    return data[end + 1 :]


def _mask(seed: bytes, length: int) -> bytes:
    """MGF1 with SHA-256 (RFC 8017 appendix B.2.1)."""
    blocks = range((length + _HASH - 1) // _HASH)
    return b"".join(hashlib.sha256(seed + number.to_bytes(4)).digest() for number in blocks)[:length]


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def _shown(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
