"""Messages and answers of those whose certificate was revoked, and of those about whom nobody can tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
from cryptography import x509

from gateway.as4.client import As4Client
from gateway.as4.http import As4Endpoint
from gateway.as4.msh import Sending
from gateway.config.values import Address
from gateway.errors import InvalidAnswer, InvalidMessage, PeerRefused, PeerUnavailable, RevocationUnknown
from gateway.model.message import Received
from gateway.security.keys import Identity
from gateway.security.trust import Trust
from gateway.serving.site import direct, listen, open_site
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import NOW, StillClock, outgoing
from tests.as4.as4_parts import World as Pair
from tests.security.revocation_parts import World, world

GATE_OF_C3 = "the private key of C3 was used"


class Market:
    """Two access points with a trust each, so that one may know what the other does not."""

    def __init__(self) -> None:
        self.world: World = world()
        self.c2_certificate, self.c3_certificate = self.world.leaf("POP000001"), self.world.leaf("POP000002")
        self.c2, self.c3 = self.world.identity(self.c2_certificate), self.world.identity(self.c3_certificate)
        self.trust_of_c2, self.trust_of_c3 = self.world.trust(), self.world.trust()
        self.received: list[Received] = []

    def know(self, *revoked: x509.Certificate, trust: Trust | None = None) -> None:
        for each in [trust] if trust else [self.trust_of_c2, self.trust_of_c3]:
            self.world.give_all(each, *revoked, at=NOW)

    def pair(self, trust: Trust) -> Pair:
        return Pair(self.c2, self.c3, trust)

    def sending(self) -> Sending:
        return self.pair(self.trust_of_c2).sending()

    async def accept(self, received: Received, receipt: bytes) -> bytes:
        self.received.append(received)
        return receipt


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
async def url(market: Market) -> AsyncIterator[str]:
    endpoint = As4Endpoint(
        identity=market.c3, trust=market.trust_of_c3, clock=StillClock(), unwrap=unwrap, accept=market.accept
    )
    runner = direct(partial(endpoint.answer, "/as4"))
    async with open_site(runner, listen(Address("127.0.0.1", 0))) as site:
        yield f"http://{site.address}/as4"


async def send(market: Market, url: str) -> None:
    async with As4Client(identity=market.c2, trust=market.trust_of_c2, clock=StillClock()) as client:
        await client.send(outgoing(), market.pair(market.trust_of_c2).endpoint(url=url))


def without_decryption(identity: Identity) -> Identity:
    class Never:
        def decrypt(self, wrapped: bytes) -> bytes:
            raise AssertionError(GATE_OF_C3)

    return Identity(
        certificate=identity.certificate,
        der=identity.der,
        token=identity.token,
        common_name=identity.common_name,
        signer=identity.signer,
        decryptor=Never(),
    )


async def test_the_proof_of_a_message_says_which_lists_its_signer_is_not_in(market: Market, url: str) -> None:
    market.know()
    await send(market, url)
    proof = market.received[0].verification
    assert proof.revocation == "good"
    assert [text.partition(",")[0] for text in proof.revocation_proof] == ["CN=POP000001", "CN=Access point CA"]
    assert "list 1 of 2026-11-25 11:00 UTC" in proof.revocation_proof[0]


async def test_a_revoked_signer_is_refused_before_anything_is_decrypted(market: Market) -> None:
    market.know(trust=market.trust_of_c2)
    request = market.sending().request()
    market.know(market.c2_certificate, trust=market.trust_of_c3)
    receiving = market.pair(market.trust_of_c3).receiving(
        request.content_type, request.body, identity=without_decryption(market.c3)
    )
    with pytest.raises(InvalidMessage, match="revoked since") as caught:
        receiving.read()
    assert (caught.value.code, caught.value.detail) == (
        "EBMS:0101",
        "The signing certificate is not trusted in this network",
    )


async def test_over_http_a_revoked_signer_gets_a_signed_error_and_nothing_is_stored(market: Market, url: str) -> None:
    market.know(trust=market.trust_of_c2)
    market.know(market.c2_certificate, trust=market.trust_of_c3)
    with pytest.raises(PeerRefused, match="EBMS:0101") as caught:
        await send(market, url)
    assert caught.value.signed and not market.received


async def test_a_signer_about_whom_nobody_can_tell_is_asked_to_come_again(market: Market, url: str) -> None:
    market.know(trust=market.trust_of_c2)
    request = market.sending().request()
    with pytest.raises(RevocationUnknown):
        market.pair(market.trust_of_c3).read(request, identity=without_decryption(market.c3))
    with pytest.raises(PeerUnavailable, match="HTTP 503"):
        await send(market, url)
    assert not market.received
    market.know(trust=market.trust_of_c3)
    await send(market, url)
    assert len(market.received) == 1


@pytest.mark.parametrize("revoked", [True, False])
async def test_nothing_is_sent_to_a_receiver_who_is_revoked_or_not_known_about(
    market: Market, url: str, revoked: bool
) -> None:
    market.know(trust=market.trust_of_c3)
    if revoked:
        market.know(market.c3_certificate, trust=market.trust_of_c2)
    says = "revoked since" if revoked else "no usable revocation list"
    with pytest.raises(PeerUnavailable, match=f"POP000002 cannot be used: .*{says}") as caught:
        await send(market, url)
    assert not caught.value.sent and not market.received


def test_a_receipt_of_a_revoked_signer_proves_nothing(market: Market) -> None:
    market.know()
    sending = market.sending()
    request = sending.request()
    receiving = market.pair(market.trust_of_c3).receiving(request.content_type, request.body)
    receiving.read()
    receipt = receiving.receipt()
    market.world.give(market.trust_of_c2, market.world.access_point.list(market.c3_certificate, made=NOW, number=2))
    with pytest.raises(InvalidAnswer, match="not acceptable"):
        sending.close(200, "application/soap+xml", receipt)


def test_a_receipt_that_nobody_can_judge_now_is_asked_for_again(market: Market) -> None:
    market.know()
    sending, stranger = market.sending(), market.pair(market.world.trust()).sending()
    request = sending.request()
    receiving = market.pair(market.trust_of_c3).receiving(request.content_type, request.body)
    receiving.read()
    with pytest.raises(PeerUnavailable, match="cannot be judged now") as caught:
        stranger.close(200, "application/soap+xml", receiving.receipt())
    assert caught.value.sent
