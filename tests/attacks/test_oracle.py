"""Nobody can use us to try keys: whatever goes wrong once the private key is used, the answer is one and the same."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.as4.msh import Request
from gateway.as4.namespaces import XENC
from gateway.errors import InvalidMessage
from tests.attacks.catalogue import ROWS
from tests.attacks.parts import Kit, key, set_text
from tests.attacks.rows_e import gcm, sealed
from tests.attacks.wire import Wire, open_site
from tests.attacks.wrapping import EVIL_PART

pytestmark = pytest.mark.usefixtures("door")

ONE_ANSWER = "The payload cannot be decrypted and verified"
_FRESH = re.compile(rb"(<eb:MessageId>)[^<]*|(SignatureValue>)[^<]*|(DigestValue>)[^<]*")
"""What differs between any two signals: the id of the signal, and so its digest and signature."""


def failures(kit: Kit) -> Iterator[tuple[str, Request]]:
    """Every way to fail behind the private key, one of each kind."""
    good = gcm()
    noise = base64.b64encode(random.Random(1).randbytes(256)).decode()
    label = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"label")
    sha1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    yield "key wrapped for another", sealed(kit, to=kit.world.c2)
    yield "noise for a wrapped key", kit.spoil(set_text(lambda r: key(r, "CipherData", "CipherValue"), noise))
    yield "PKCS#1 v1.5 padding", sealed(kit, scheme=padding.PKCS1v15())
    yield "OAEP with SHA-1", sealed(kit, scheme=sha1)
    yield "OAEP with a label", sealed(kit, scheme=label)
    yield "content key of 24 octets", sealed(kit, gcm(content_key=b"k" * 24), content_key=b"k" * 24)
    yield "no content key", sealed(kit, content_key=b"")
    yield "another content key", sealed(kit, good, content_key=b"K" * 16)
    yield "bad tag", sealed(kit, good[:-1] + bytes([good[-1] ^ 1]))
    yield "bad ciphertext", sealed(kit, good[:40] + bytes([good[40] ^ 1]) + good[41:])
    yield "bad IV", sealed(kit, b"j" + good[1:])
    yield "ciphertext cut", sealed(kit, good[:-20])
    yield "nothing but IV and tag", sealed(kit, gcm(b""))
    yield "no ciphertext at all", sealed(kit, b"")
    yield "another plain text, rightly encrypted", sealed(kit, gcm(EVIL_PART))


async def test_every_failure_behind_the_private_key_is_one_answer(kit: Kit) -> None:
    """Status, headers, length and every octet, but for what is fresh in each signal."""
    answers: dict[tuple[object, ...], list[str]] = {}
    async with open_site(kit) as site, Wire(site) as wire:
        for name, request in failures(kit):
            before = kit.counter.count
            answer = await wire.post(request.content_type, request.body)
            assert (answer.outcome, kit.counter.count - before) == ("EBMS:0102", 1), name
            headers = tuple(sorted((k, v) for k, v in answer.headers.items() if k != "date"))
            same = _FRESH.sub(rb"\1\2\3", answer.body)
            assert ONE_ANSWER.encode() in same
            answers.setdefault((answer.status, headers, len(answer.body), same), []).append(name)
        assert not site.stored
    assert len(answers) == 1, list(answers.values())
    ((status, *_),) = answers
    assert status == 200


def test_of_all_cases_of_the_catalogue_none_has_another_answer(kit: Kit) -> None:
    """Once the key was used, a refusal has the one code and the one text."""
    behind = 0
    for row in ("E01", "E03", "E04", "E05", "E06", "E07", "D06"):
        for case in ROWS[row](kit):
            before = kit.counter.count
            receiving = kit.world.receiving(case.content_type, case.body, identity=kit.c3)
            try:
                receiving.read()
            except InvalidMessage as error:
                if kit.counter.count > before:
                    behind += 1
                    assert (error.code, error.detail) == ("EBMS:0102", ONE_ANSWER), case.name
            except Exception:
                assert kit.counter.count == before, case.name
    assert behind > 300


def test_not_for_us_is_said_from_what_everybody_can_read(kit: Kit) -> None:
    """This answer differs, and may: it compares the certificate named in the open header with ours, which is public.

    No private key is touched for it, so it tells nobody anything about a key or about what is encrypted.
    """
    request = kit.world.sending(endpoint=kit.world.endpoint(kit.world.c2)).request()
    before = kit.counter.count
    with pytest.raises(InvalidMessage) as raised:
        kit.world.receiving(request.content_type, request.body, identity=kit.c3).read()
    assert (raised.value.code, raised.value.detail) == (
        "EBMS:0102",
        "The message is not encrypted for this access point's certificate",
    )
    assert kit.counter.count == before
    assert XENC.encode() in request.soap and b'URI="#receiver"' in request.soap
