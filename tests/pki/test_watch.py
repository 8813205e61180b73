"""Lists and answers over real HTTP on loopback: fetched ahead, kept on disk, and every way in which that fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from gateway.connecting import Guard
from gateway.errors import RevocationUnknown, Untrusted
from gateway.pki.certificates import Certificates
from gateway.pki.watch import Watch, open_watch
from gateway.security.trust import Role, Trust
from gateway.security.weburl import WebRules
from tests.conftest import FakeClock
from tests.security.revocation_parts import DAY, HOUR, NOW, World, der, key, known, world

LOOSE = WebRules(allow_http=True, allow_loopback=True, plain_http=True)


@dataclass
class Server:
    """An authority's server: lists by name, OCSP answers, and faults on request."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    answer: bytes = b""
    fault: str = ""
    asked: Counter[str] = field(default_factory=Counter)

    async def get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked[name] += 1
        if self.fault == "500":
            return web.Response(status=500)
        if self.fault == "redirect":
            return web.Response(status=302, headers={"Location": f"{self.base}/elsewhere"})
        if self.fault == "packed":
            return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
        if self.fault in ("slow", "endless"):
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"." if self.fault == "slow" else b"." * 65_536)
                await asyncio.sleep(0.02 if self.fault == "slow" else 0)
        return web.Response(body=self.files[name]) if name in self.files else web.Response(status=404)

    async def post(self, request: web.Request) -> web.Response:
        self.asked["ocsp"] += 1
        if self.fault == "silent":
            await asyncio.sleep(60)
        assert request.content_type == "application/ocsp-request"
        ocsp.load_der_ocsp_request(await request.read())
        return web.Response(body=self.answer, status=200 if self.answer else 503)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_get("/{name}", made.get)
    app.router.add_post("/ocsp", made.post)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@dataclass
class Place:
    """One gateway's knowledge about one world, with the clock in hand."""

    world: World
    server: Server
    clock: FakeClock
    directory: Path
    trust: Trust = field(init=False)
    ticks: float = 1000.0
    """Monotonic seconds."""

    def __post_init__(self) -> None:
        self.trust = self.world.trust()
        self.publish()

    def publish(self, *revoked: x509.Certificate, **changes: Any) -> None:
        for authority, name in (
            (self.world.root, "root.crl"),
            (self.world.access_point, "ap.crl"),
            (self.world.smp, "smp.crl"),
        ):
            own = [c for c in revoked if c.issuer == authority.certificate.subject]
            times = {"made": self.clock.now(), "until": self.clock.now() + DAY}
            self.server.files[name] = authority.list(*own, **(times | changes))

    @asynccontextmanager
    async def watch(self, *own: x509.Certificate, rules: WebRules = LOOSE, **changes: Any) -> AsyncIterator[Watch]:
        async with open_watch(
            self.trust,
            guard=Guard(rules),
            rules=rules,
            directory=self.directory,
            addresses=changes.pop("addresses", ()),
            clock=self.clock,
            own=own,
        ) as watch:
            watch.monotonic = lambda: self.ticks
            for name, value in changes.items():
                object.__setattr__(watch.asking, name, value)
            yield watch

    def standing(self, certificate: x509.Certificate, role: Role = Role.ACCESS_POINT) -> str:
        try:
            return self.trust.believe(der(certificate), role, self.clock.now()).revocation
        except Untrusted as error:
            return "revoked" if "revoked" in str(error) else str(error)
        except RevocationUnknown:
            return "unknown"

    def forward(self, **span: float) -> None:
        self.clock.forward(**span)
        self.ticks += timedelta(**span).total_seconds()


@pytest.fixture
def place(server: Server, clock: FakeClock, tmp_path: Path) -> Place:
    return Place(world(server.base), server, clock, tmp_path / "crl")


async def test_the_lists_of_our_own_authorities_are_here_before_the_first_message(place: Place) -> None:
    own, peer, gone = place.world.leaf(), place.world.leaf("POP000002"), place.world.leaf("POP000003")
    place.publish(gone)
    async with place.watch(own, place.world.smp_leaf()) as watch:
        await watch.settle()
        assert place.server.asked == {"root.crl": 1, "ap.crl": 1, "smp.crl": 1}
        assert [place.standing(c) for c in (own, peer, gone)] == ["good", "good", "revoked"]
        assert place.standing(place.world.smp_leaf("PSP000009"), Role.SMP) == "good"
        assert not any(state.problem for state in watch.states())


async def test_many_who_miss_a_list_at_once_cause_one_fetch(place: Place) -> None:
    peer = place.world.smp_leaf()
    async with place.watch(place.world.leaf()) as watch:
        await watch.settle()
        assert place.standing(peer, Role.SMP) == "unknown"
        await asyncio.gather(*(watch.settle() for _ in range(20)))
        assert place.standing(peer, Role.SMP) == "good"
    assert place.server.asked["smp.crl"] == 1


async def test_what_runs_fetches_at_first_sight_again_each_hour_and_stops(place: Place) -> None:
    leaf, smp = place.world.leaf(), place.world.smp_leaf()
    async with place.watch(leaf) as watch, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watch.run())
        await _until(lambda: place.standing(leaf) == "good")
        await asyncio.to_thread(place.standing, smp, Role.SMP)  # noted from another thread
        await _until(lambda: place.standing(smp, Role.SMP) == "good")
        place.publish(leaf)
        place.forward(minutes=67)
        watch.revocations.wake()
        await _until(lambda: place.standing(leaf) == "revoked")
        watch.stop()
        await asyncio.wait_for(running, 5)


async def test_a_list_is_not_asked_for_again_before_it_is_time(place: Place) -> None:
    async with place.watch(place.world.leaf()) as watch:
        await watch.settle()
        place.forward(minutes=50)
        await watch.settle()
        assert place.server.asked["ap.crl"] == 1
        place.forward(minutes=17)
        await watch.settle()
        assert place.server.asked["ap.crl"] == 2


async def test_a_list_that_ends_soon_is_asked_for_sooner(place: Place) -> None:
    place.publish(until=place.clock.now() + timedelta(minutes=20))
    async with place.watch(place.world.leaf()) as watch:
        await watch.settle()
        place.forward(minutes=11.5)
        await watch.settle()
        assert place.server.asked["ap.crl"] == 2


async def test_a_restart_while_the_server_is_down_changes_nothing(place: Place) -> None:
    leaf, gone = place.world.leaf(), place.world.leaf("POP000003")
    place.publish(gone)
    async with place.watch(leaf) as watch:
        await watch.settle()
    place.trust, place.server.fault = place.world.trust(), "500"
    async with place.watch(leaf) as watch:
        await watch.settle()
        assert (place.standing(leaf), place.standing(gone)) == ("good", "revoked")
        assert all("HTTP status 500" in state.problem for state in watch.states())


async def test_a_list_on_disk_is_trusted_with_nothing(place: Place) -> None:
    leaf = place.world.leaf()
    async with place.watch(leaf) as watch:
        await watch.settle()
    for file in place.directory.glob("*.crl"):
        file.write_bytes(place.world.access_point.list(signer="SMP CA"))
    (place.directory / "lonely.crl").write_bytes(b"x")
    place.trust, place.server.fault = place.world.trust(), "500"
    async with place.watch(leaf):
        assert place.standing(leaf) == "unknown"


FAULTS = {
    "500": "HTTP status 500",
    "redirect": "HTTP status 302",
    "packed": "not asked for",
    "slow": "not all of it came within",
    "endless": "larger than",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_that_fails_costs_little_and_proves_nothing(place: Place, fault: str) -> None:
    leaf = place.world.leaf()
    place.server.fault = fault
    async with place.watch(leaf, total=0.5, largest=1_000_000) as watch:
        await asyncio.wait_for(watch.settle(), 5)
        assert place.standing(leaf) == "unknown"
        assert {state.held for state in watch.states()} == {None}
        assert all(FAULTS[fault] in state.problem for state in watch.states())
        before = Counter(place.server.asked)
        await watch.settle()
        assert place.server.asked == before, "it waits before it tries again"
        place.server.fault = ""
        place.forward(seconds=12)
        await watch.settle()
        assert place.standing(leaf) == "good"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda w: w.access_point.list(signer="SMP CA"), "did not sign it"),
        (lambda w: w.smp.list(), None),
        (lambda w: world("http://x", "other").access_point.list(), "did not sign it"),
        (lambda w: b"<html>maintenance</html>", "damaged or no list"),
        (lambda w: w.access_point.list(until=None), "does not say when the next one comes"),
        (lambda w: w.access_point.list(made=NOW - 3 * DAY, until=NOW - 2 * DAY), "has been overdue since"),
    ],
)
async def test_a_bad_list_in_the_place_of_a_good_one_makes_nobody_good(
    place: Place, make: Any, reason: str | None
) -> None:
    leaf = place.world.leaf()
    place.server.files["ap.crl"] = make(place.world)
    async with place.watch(leaf) as watch:
        await watch.settle()
        assert place.standing(leaf) == "unknown"
        (state,) = [state for state in watch.states() if state.url.endswith("ap.crl")]
        assert (reason or "") in state.problem and bool(state.problem) is bool(reason)


async def test_a_list_that_is_played_back_changes_nothing_and_is_told(place: Place) -> None:
    leaf = place.world.leaf()
    old = place.server.files["ap.crl"]
    place.forward(minutes=5)
    place.publish(leaf)
    async with place.watch(leaf) as watch:
        await watch.settle()
        place.server.files["ap.crl"] = old
        place.forward(hours=2)
        await watch.settle()
        assert place.standing(leaf) == "revoked"
        assert any("older than the one held" in state.problem for state in watch.states())


async def test_while_the_server_is_down_the_list_serves_through_its_grace(place: Place) -> None:
    leaf = place.world.leaf()
    async with place.watch(leaf) as watch:
        await watch.settle()
        place.server.fault = "500"
        seen = []
        for hours in (23, 2, 22, 2):
            place.forward(hours=hours)
            await watch.settle()
            seen.append(place.standing(leaf))
        assert seen == ["good", "good, in grace", "good, in grace", "unknown"]
        place.server.fault = ""
        place.publish()
        place.forward(minutes=20)
        await watch.settle()
        assert place.standing(leaf) == "good"


async def test_a_clock_that_jumps_over_the_end_of_a_list_has_it_fetched_at_once(place: Place) -> None:
    leaf = place.world.leaf()
    async with place.watch(leaf) as watch:
        await watch.settle()
        place.clock.forward(days=30)
        place.ticks += 15
        place.publish()
        assert place.standing(leaf) == "unknown"
        await watch.settle()
        assert place.standing(leaf) == "good"


async def test_where_no_list_comes_the_responder_is_asked_once_a_minute(place: Place) -> None:
    leaf = place.world.leaf(responder=f"{place.server.base}/ocsp")
    del place.server.files["ap.crl"]
    async with place.watch(leaf) as watch:
        await watch.settle()
        assert place.standing(leaf) == "unknown"
        for _ in range(3):
            await watch.settle()
            assert place.standing(leaf) == "unknown"
        assert place.server.asked["ocsp"] == 1
        place.server.answer = place.world.access_point.answer(leaf, until=NOW + 8 * HOUR)
        place.forward(seconds=61)
        place.standing(leaf)
        await watch.settle()
        assert place.standing(leaf) == "good"
        gone = place.world.leaf("POP000003", responder=f"{place.server.base}/ocsp")
        place.server.answer = place.world.access_point.answer(gone, status=ocsp.OCSPCertStatus.REVOKED)
        assert place.standing(gone) == "unknown"
        await watch.settle()
        assert (place.standing(gone), place.standing(leaf)) == ("revoked", "good")


async def test_a_responder_is_not_asked_while_a_list_is_current(place: Place) -> None:
    leaf = place.world.leaf(responder=f"{place.server.base}/ocsp")
    async with place.watch(leaf) as watch:
        await watch.settle()
        assert place.standing(leaf) == "good"
        await watch.settle()
    assert place.server.asked["ocsp"] == 0


async def test_lists_of_the_configuration_serve_certificates_that_name_none(place: Place) -> None:
    leaf = place.world.leaf(lists=[])
    async with place.watch(addresses=[f"{place.server.base}/ap.crl"]) as watch:
        await watch.settle()
        assert place.standing(leaf) == "good"


async def test_a_list_is_fetched_from_no_address_inside(place: Place) -> None:
    """The certificates of a Peppol network cannot send us to loopback, whatever they say."""
    leaf = place.world.leaf(lists=["http://localhost.test:8080/x", f"{place.server.base}/ap.crl", "http://127.0.0.1/x"])
    async with place.watch(leaf, rules=WebRules(plain_http=True)) as watch:
        await watch.settle()
        assert {state.held for state in watch.states()} == {None}
        assert all("is not an address that we go to" in state.problem for state in watch.states())
    assert not place.server.asked


async def test_a_list_of_200_000_entries_is_read_beside_the_loop_and_kept_small(place: Place) -> None:
    leaf = place.world.leaf()
    now = place.clock.now()
    serials = [leaf.serial_number, *(2**150 + n * 7919 for n in range(200_000))]
    entries = [x509.RevokedCertificateBuilder().serial_number(n).revocation_date(now).build() for n in serials]
    builder = x509.CertificateRevocationListBuilder(
        place.world.access_point.certificate.subject, now, now + DAY, [], entries
    )
    signed = builder.sign(key("Access point CA"), hashes.SHA256())
    place.server.files["ap.crl"] = signed.public_bytes(serialization.Encoding.DER)
    assert len(place.server.files["ap.crl"]) > 7_000_000
    async with place.watch(leaf) as watch:
        await watch.settle(60)
        (held,) = [state.held for state in watch.states() if state.url.endswith("ap.crl")]
        assert held is not None and held.count == 200_001
        assert len(held.entries) == 200_001 * 26
        assert place.standing(leaf) == "revoked"
        assert place.standing(place.world.leaf("POP000002")) == "good"
        assert all(held.find(serial) for serial in serials[::20_000])


async def test_health_says_ok_only_when_we_would_be_believed(place: Place) -> None:
    own = place.world.leaf()
    async with place.watch(own) as watch:
        certificates = Certificates(own=[own], trust=place.trust, clock=place.clock, watch=watch)
        assert certificates.standing() == "no current revocation list of the access point authority"
        await watch.settle()
        assert certificates.standing() == "ok"
        assert {state.url.rpartition("/")[2] for state in certificates.lists()} == {"root.crl", "ap.crl"}
        place.publish(own)
        place.forward(hours=2)
        await watch.settle()
        assert certificates.standing() == "our access point certificate is not believed"
    assert len(certificates.expiries()) == 4
    assert known(place.trust).generation > 0


async def _until(wanted: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not wanted():
            await asyncio.sleep(0.02)


async def test_silent_responders_do_not_keep_lists_from_being_fetched(place: Place) -> None:
    place.server.fault = "silent"
    del place.server.files["ap.crl"]
    leaves = [place.world.leaf(f"POP00001{n}", responder=f"{place.server.base}/ocsp") for n in range(8)]
    async with place.watch() as watch:
        watch.asking_seconds = 0.3
        assert {place.standing(leaf) for leaf in leaves} == {"unknown"}
        async with asyncio.timeout(5):  # each question alone would wait ten seconds
            await watch.settle(60)
        assert place.server.asked["ocsp"] == 4
        assert {place.standing(leaf) for leaf in leaves} == {"unknown"}
        place.publish()
        place.forward(seconds=60)
        async with asyncio.timeout(5):
            await watch.settle(60)
        assert {place.standing(leaf) for leaf in leaves} == {"good"}
