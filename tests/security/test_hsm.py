"""A key in a module (SoftHSM over PKCS#11) signs and opens as the same key in a file does."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.errors import ConfigurationError, KeyUnavailable
from gateway.security.hsm import ModuleKey, read_address, unpad
from gateway.security.keys import _OAEP as OAEP
from gateway.security.keys import Identity, load_identity
from tests import softhsm
from tests.conftest import Pki

pytestmark = pytest.mark.skipif(bool(softhsm.MISSING), reason=softhsm.MISSING)


@pytest.fixture(scope="module")
def places(pki: Pki) -> dict[str, str]:
    pytest.importorskip("pkcs11")
    return {seat: softhsm.put(pki.directory / f"{seat}.key.pem", seat) for seat in ("POP000001", "POP000002")}


@pytest.fixture(scope="module")
def inside(pki: Pki, places: dict[str, str]) -> Identity:
    certificate, pin = pki.pem("POP000001"), softhsm.PIN.encode()
    return load_identity(certificate, places["POP000001"], section="as4", password=pin)


def wrap(identity: Identity, content_key: bytes) -> bytes:
    public = identity.certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return public.encrypt(content_key, OAEP)


def test_it_signs_and_opens_what_the_file_does(inside: Identity, pki: Pki) -> None:
    outside = pki.identity("POP000001")
    assert inside.elsewhere and inside.der == outside.der
    for octets in (b"", b"octets", os.urandom(100_000)):
        assert inside.signer.sign(octets) == outside.signer.sign(octets)
    for content_key in (b"", b"k" * 16, os.urandom(190)):
        assert inside.decryptor.decrypt(wrap(outside, content_key)) == content_key


def test_what_was_not_wrapped_for_us_is_a_value_error(inside: Identity, pki: Pki) -> None:
    wrapped = wrap(inside, b"k" * 16)
    damaged = [wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :] for place in (0, 1, 100, 255)]
    for octets in (
        *damaged,
        wrap(pki.identity("POP000002"), b"k" * 16),
        b"",
        wrapped[:-1],
        wrapped + b"x",
        b"\xff" * 256,
    ):
        with pytest.raises(ValueError, match="wrapped"):
            inside.decryptor.decrypt(octets)


def test_many_threads_use_it_at_once(inside: Identity, pki: Pki) -> None:
    expected, wrong = pki.identity("POP000001").signer.sign(b"octets"), []

    def use() -> None:
        for _ in range(10):
            if inside.signer.sign(b"octets") != expected or inside.decryptor.decrypt(wrap(inside, b"k")) != b"k":
                wrong.append(threading.current_thread().name)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_session_that_breaks_off_is_opened_again(inside: Identity, pki: Pki) -> None:
    key = inside.signer
    assert isinstance(key, ModuleKey)
    for _ in range(4):
        key.sign(b"octets")
    while not key._idle.empty():  # as when the module forgets its sessions
        session, handle = key._idle.get()
        session.close()
        key._idle.put((session, handle))
        break
    assert key.sign(b"octets") == pki.identity("POP000001").signer.sign(b"octets")


def test_a_session_that_fails_is_closed(inside: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module has only so many sessions: whatever goes wrong again and again must not use them up."""
    import pkcs11

    key = inside.signer
    assert isinstance(key, ModuleKey)
    take, closed = ModuleKey._take, []

    class Broken:
        def __init__(self, session: object) -> None:
            self.session = session

        def sign(self, *_: object, **__: object) -> bytes:
            raise pkcs11.FunctionFailed

        def close(self) -> None:
            closed.append(self.session)
            self.session.close()  # type: ignore[attr-defined]

    def broken(self: ModuleKey, *, anew: bool) -> object:
        session = Broken(take(self, anew=anew)[0])
        return session, session

    monkeypatch.setattr(ModuleKey, "_take", broken)
    with pytest.raises(KeyUnavailable, match="FunctionFailed"):
        key.sign(b"octets")
    assert len(closed) == 2
    monkeypatch.undo()
    assert key.sign(b"octets")


@pytest.mark.parametrize(("said", "own"), [("EncryptedDataInvalid", True), ("FunctionFailed", False)])
def test_a_module_opens_keys_itself_only_if_it_tells_what_was_not_meant_for_it(
    inside: Identity, pki: Pki, monkeypatch: pytest.MonkeyPatch, said: str, own: bool
) -> None:
    import pkcs11

    key, file, take = inside.decryptor, pki.identity("POP000001").decryptor, ModuleKey._take
    assert isinstance(key, ModuleKey)

    class Capable:
        """The same module, which can also open OAEP with SHA-256."""

        def __init__(self, handle: Any) -> None:
            self.sign, self.bare = handle.sign, handle.decrypt

        def decrypt(self, wrapped: bytes, *, mechanism: object, mechanism_param: object = None) -> bytes:
            if mechanism is not pkcs11.Mechanism.RSA_PKCS_OAEP:
                return bytes(self.bare(wrapped, mechanism=mechanism))
            try:
                return file.decrypt(wrapped)
            except ValueError:
                raise getattr(pkcs11, said) from None

    def capable(self: ModuleKey, *, anew: bool) -> object:
        session, handle = take(self, anew=anew)
        return session, handle if isinstance(handle, Capable) else Capable(handle)

    fresh = replace(key, _idle=queue.LifoQueue())
    monkeypatch.setattr(ModuleKey, "_take", capable)
    fresh.try_out()
    assert fresh.own_oaep is own
    with pytest.raises(ValueError, match="not wrapped for us"):
        fresh.decrypt(b"\x01" * 256)


def test_a_module_that_fails_twice_is_unavailable_and_no_answer_about_the_data(
    inside: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pkcs11

    def fail(*_: object, **__: object) -> object:
        raise pkcs11.DeviceRemoved

    key = inside.decryptor
    assert isinstance(key, ModuleKey)
    monkeypatch.setattr(ModuleKey, "_take", fail)
    with pytest.raises(KeyUnavailable, match="DeviceRemoved"):
        key.decrypt(wrap(inside, b"k" * 16))
    monkeypatch.undo()
    assert key.decrypt(wrap(inside, b"k" * 16)) == b"k" * 16


@pytest.mark.parametrize(
    ("address", "pin", "text"),
    [
        ("pkcs11:token=market;object=POP000001", "987654", "module-path"),
        ("pkcs11:token=market?module-path=/x.so", "987654", "does not name its key"),
        ("pkcs11:object=a?module-path=/x.so", "987654", "does not name its token"),
        ("pkcs11:token=a;object=b?module-path=/x.so&pin-value=1", "", "PIN does not belong"),
        ("pkcs11:token=a;object=b;slot=1?module-path=/x.so", "987654", "“slot” is nothing"),
        ("pkcs11:token=a;object=b?module-path=/nothing.so", "987654", "cannot be used"),
        ("pkcs11:token=a;object=b?module-path=/nothing.so", "", "needs a PIN"),
        ("pkcs11:token=a;object=b?module-path=/nothing.so&pin-source=file:/nothing.pin", "", "PIN cannot be read"),
        (softhsm.address("object=nobody"), "987654", "NoSuchKey"),
        (softhsm.address("object=POP000002"), "987654", "does not belong to the certificate"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(
    address: str, pin: str, text: str, pki: Pki, places: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_identity(pki.pem("POP000001"), address, section="smp", password=pin.encode())
    ((path, said),) = raised.value.problems
    assert path == "smp.key" and text in said
    assert softhsm.PIN not in said


def test_the_pin_may_come_from_the_address(pki: Pki, places: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text(softhsm.PIN + "\n")
    place = f"{places['POP000002']}&pin-source=file:{file}"
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_identity(pki.pem("POP000002"), place, section="as4")
    file.chmod(0o600)
    assert load_identity(pki.pem("POP000002"), place, section="as4").elsewhere


def test_a_key_is_named_by_its_id_as_well(pki: Pki) -> None:
    found = read_address("pkcs11:serial=01;id=%A1%b2%00;type=private?module-path=/x.so")
    assert (found.serial, found.id, found.label) == ("01", b"\xa1\xb2\x00", "")


def test_the_padding_is_read_as_the_library_reads_it() -> None:
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    n, d = numbers.public_numbers.n, numbers.d
    for length in (0, 1, 16, 32, 189, 190):
        content = os.urandom(length)
        block = pow(int.from_bytes(key.public_key().encrypt(content, OAEP)), d, n).to_bytes(256)
        assert unpad(block, 256) == content
        assert unpad(block.lstrip(b"\0"), 256) == content
        for place in (0, 1, 40, 255):
            with pytest.raises(ValueError, match="wrapped for us"):
                unpad(block[:place] + bytes([block[place] ^ 1]) + block[place + 1 :], 256)
