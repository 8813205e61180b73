"""TLS on both sides: what is agreed, what is refused, and that a refusal means nothing was sent."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509

from gateway.as4.client import As4Client
from gateway.as4.limits import Limits
from gateway.config.values import Address
from gateway.connecting.calls import Calls
from gateway.errors import ConfigurationError, PeerUnavailable
from gateway.model.document import Envelope
from gateway.model.identifiers import TRANSPORT_PROFILE, DocumentTypeId, MessageId, ParticipantId, ProcessId
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.network.market import free_ports
from gateway.security.authority import issue_tls, new_pki
from gateway.security.tls import Pair, client_context, server_context
from gateway.security.trust import Trust
from gateway.serving.certificates import Certificates
from gateway.serving.site import Site, listen, low_level, open_site
from tests.conftest import FakeClock, Pki

NOW = datetime.now(UTC)
HOSTS = ["localhost", "127.0.0.1"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    new_pki(directory, now=NOW)
    issue_tls(directory, HOSTS, now=NOW)
    issue_tls(directory, HOSTS, now=NOW, kind="rsa")
    issue_tls(directory, ["ap.example.org"], now=NOW)
    issue_tls(directory, ["127.0.0.2", "127.0.0.1"], now=NOW - timedelta(days=800))
    return directory


def pair(directory: Path, name: str) -> Pair:
    return Pair(certificate=directory / f"{name}.pem", key=directory / f"{name}.key.pem")


ECDSA, RSA, WRONG_NAME, EXPIRED = "localhost.tls", "localhost.tls-rsa", "ap.example.org.tls", "127.0.0.2.tls"


class Asked:
    """What reached the handler."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(await request.read())
        return web.Response(text="heard")


@asynccontextmanager
async def serving(asked: Asked, directory: Path, *names: str, **limits: float) -> AsyncIterator[Site]:
    certificates = Certificates("as4", [pair(directory, name) for name in names])
    sockets = listen(Address("127.0.0.1", 0))
    bounds = Limits(**limits)  # type: ignore[arg-type]
    async with open_site(low_level(asked.answer), sockets, context=certificates.context, limits=bounds) as site:
        yield site


def ours(directory: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = client_context([directory / "tls-ca.pem"])
    if version:
        context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("names", [(ECDSA,), (RSA,), (ECDSA, RSA)], ids=["ECDSA", "RSA", "both"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", HOSTS)
async def test_our_client_and_our_server_agree(
    authority: Path, names: tuple[str, ...], version: ssl.TLSVersion, host: str
) -> None:
    asked = Asked()
    async with serving(asked, authority, *names) as site:
        connector = aiohttp.TCPConnector(ssl=ours(authority, version), family=2)
        async with aiohttp.ClientSession(connector=connector) as http:
            for _ in range(2):
                address = f"https://{site.address}/"
                async with http.post(address, data=b"x" * 20_000, server_hostname=host) as answer:
                    assert await answer.text() == "heard"
            (kept,) = [c for pool in connector._conns.values() for c in pool]
            agreed = kept[0].transport.get_extra_info("ssl_object")  # type: ignore[union-attr]
            assert agreed.version() == version.name.replace("_", ".")
            assert agreed.compression() is None
            assert "GCM" in agreed.cipher()[0] or "CHACHA20" in agreed.cipher()[0]
    assert [len(body) for body in asked.requests] == [20_000, 20_000]


async def openssl(site: Site, *words: str, say: bytes = b"") -> tuple[int, str]:
    command = ["openssl", "s_client", "-connect", str(site.address), "-servername", "localhost", *words]
    run = partial(subprocess.run, command, input=say, capture_output=True, timeout=20, check=False)
    done = await asyncio.to_thread(run)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")


@needs_openssl
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
async def test_old_versions_are_refused(authority: Path, version: str) -> None:
    async with serving(Asked(), authority, ECDSA, RSA) as site:
        code, said = await openssl(site, version, "-cipher", "ALL:@SECLEVEL=0")
        assert code != 0 and "Cipher is (NONE)" in said
        assert "unexpected eof" in said or "protocol version" in said  # it was our side that refused


@needs_openssl
@pytest.mark.parametrize(
    "cipher",
    ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
     "DHE-RSA-AES128-GCM-SHA256", "DES-CBC3-SHA", "RC4-SHA", "PSK-AES128-GCM-SHA256", "aNULL", "eNULL"],
)  # fmt: skip
async def test_weak_ciphers_are_refused(authority: Path, cipher: str) -> None:
    listed = subprocess.run(
        ["openssl", "ciphers", f"{cipher}:@SECLEVEL=0"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip(f"this openssl does not know {cipher}")
    async with serving(Asked(), authority, ECDSA, RSA) as site:
        code, said = await openssl(site, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
        if "no ciphers available" in said:
            pytest.skip(f"this openssl cannot offer {cipher}")
        assert code != 0 and "Cipher is (NONE)" in said
        assert "unexpected eof" in said or "handshake failure" in said  # it was our side that refused


@needs_openssl
@pytest.mark.parametrize(("algorithm", "kind"), [("ECDSA+SHA256", "ECDSA"), ("RSA-PSS+SHA256", "RSA-PSS")])
async def test_a_caller_gets_the_certificate_that_it_can_check(authority: Path, algorithm: str, kind: str) -> None:
    async with serving(Asked(), authority, ECDSA, RSA) as site:
        checks = ["-CAfile", str(authority / "tls-ca.pem"), "-partial_chain", "-verify_hostname", "localhost"]
        code, said = await openssl(site, "-sigalgs", algorithm, *checks, "-verify_return_error")
        assert code == 0 and "Verify return code: 0 (ok)" in said
        assert f"Peer signature type: {kind}" in said
        assert said.count("BEGIN CERTIFICATE") == 1 and " 1 s:" in said  # the issuer is sent along


@needs_openssl
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_no_renegotiation_and_no_compression_but_sessions_go_on(
    authority: Path, tmp_path: Path, version: str
) -> None:
    asked = Asked()
    get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    async with serving(asked, authority, ECDSA) as site:
        if version == "-tls1_2":
            code, said = await openssl(site, version, say=b"R\n")
            assert "no renegotiation" in said or code != 0
        kept = tmp_path / "session"
        code, said = await openssl(site, version, "-sess_out", str(kept), "-ign_eof", say=get)
        assert "Compression: NONE" in said and "New, TLS" in said
        code, said = await openssl(site, version, "-sess_in", str(kept), "-ign_eof", say=get)
        assert "Reused, TLS" in said


async def test_a_caller_that_does_not_agree_in_time_is_let_go(authority: Path) -> None:
    async with serving(Asked(), authority, ECDSA, handshake=0.3) as site:
        reader, writer = await asyncio.open_connection(site.address.host, site.address.port)
        await asyncio.sleep(0.1)
        assert site.connections == 1
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert site.connections == 0
        writer.close()


async def test_what_is_no_tls_at_all_is_let_go(authority: Path) -> None:
    async with serving(Asked(), authority, ECDSA) as site:
        reader, writer = await asyncio.open_connection(site.address.host, site.address.port)
        writer.write(b"POST /as4 HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(5):
            await reader.read()
        await asyncio.sleep(0.05)
        assert site.connections == 0
        writer.close()


def message() -> Outgoing:
    document_type = DocumentTypeId.parse(
        "busdox-docid-qns::urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##a::2.1"
    )
    envelope = Envelope(
        sender=ParticipantId.parse("0007:5567212047"),
        receiver=ParticipantId.parse("0088:7300010000001"),
        document_type=document_type,
        process=ProcessId.parse("urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
        country_c1="SE",
        instance_id="7f6f2c2e-6a58-4b57-9f1c-2d7c7c6f7a10",
        created="2026-11-25T10:15:30Z",
        standard="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
        type_version="2.1",
        type="Invoice",
    )
    return Outgoing(
        message_id=MessageId("1@test"), conversation_id="1", timestamp=NOW, envelope=envelope, part=b"\x1f\x8b"
    )


async def refusal(pki: Pki, port: int, context: ssl.SSLContext, host: str = "127.0.0.1") -> PeerUnavailable:
    identity = pki.identity("POP000001")
    endpoint = Endpoint(
        url=f"https://{host}:{port}/as4",
        certificate=pki.identity("POP000002").der,
        seat="POP000002",
        transport_profile=TRANSPORT_PROFILE,
    )
    anchors = x509.load_pem_x509_certificates(pki.pem("ap-ca").read_bytes() + pki.pem("root").read_bytes())
    calls = Calls(tls=context, family=socket.AF_INET)
    client = As4Client(identity=identity, trust=Trust(anchors, []), clock=FakeClock(), calls=calls)
    with pytest.raises(PeerUnavailable) as raised:
        await client.send(message(), endpoint)
    await calls.close()
    return raised.value


@pytest.mark.parametrize(
    ("name", "says", "remedy"),
    [
        (WRONG_NAME, "is for another host", "must name the host"),
        (EXPIRED, "has expired", "renew"),
    ],
)
async def test_a_certificate_that_is_not_good_gets_nothing(
    authority: Path, pki: Pki, name: str, says: str, remedy: str
) -> None:
    asked = Asked()
    async with serving(asked, authority, name) as site:
        error = await refusal(pki, site.address.port, ours(authority))
    assert says in str(error) and remedy in error.remedy
    assert not error.sent and asked.requests == []


async def test_an_authority_that_nobody_knows_gets_nothing(authority: Path, pki: Pki, tmp_path: Path) -> None:
    new_pki(tmp_path / "other", now=NOW)
    issue_tls(tmp_path / "other", ["elsewhere"], now=NOW)
    asked = Asked()
    async with serving(asked, authority, ECDSA) as site:
        for context in (ours(tmp_path / "other"), client_context()):
            error = await refusal(pki, site.address.port, context)
            assert "authority that is not known here" in str(error) and "network.tls_trust" in error.remedy
            assert not error.sent
    assert asked.requests == []


@needs_openssl
async def test_a_certificate_of_its_own_gets_nothing(authority: Path, pki: Pki, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 2 -addext"
    files = ["-keyout", str(tmp_path / "own.key.pem"), "-out", str(tmp_path / "own.pem")]
    subprocess.run([*command.split(), "subjectAltName=IP:127.0.0.1", *files], check=True, capture_output=True)
    asked = Asked()
    async with serving(asked, tmp_path, "own") as site:
        error = await refusal(pki, site.address.port, ours(authority))
    assert "signed by itself" in str(error) and not error.sent and asked.requests == []


@asynccontextmanager
async def peer_of(authority: Path, name: str, *words: str) -> AsyncIterator[int]:
    """Another's TLS server, which tells callers why it refuses them."""
    files = ["-cert", f"{authority / name}.pem", "-key", f"{authority / name}.key.pem"]
    for port in islice(free_ports(random.randrange(20_000, 31_000)), 5):  # another program may be quicker
        command = ["openssl", "s_server", "-accept", str(port), *files, "-quiet", *words]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        if await _answers(process, port):
            break
    try:
        yield port
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        assert process.stdout is not None
        assert await process.stdout.read() == b""  # nothing was sent
        await process.wait()


async def _answers(process: asyncio.subprocess.Process, port: int) -> bool:
    """Wait until the server takes connections; False when it has ended instead."""
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return True
    return False


@needs_openssl
@pytest.mark.parametrize(
    ("name", "words", "says"),
    [
        (ECDSA, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "no TLS 1.2 or newer"),
        (RSA, ["-tls1_2", "-cipher", "AES128-SHA"], "no safe cipher"),
    ],
)
async def test_a_peer_of_yesterday_gets_nothing(
    authority: Path, pki: Pki, name: str, words: list[str], says: str
) -> None:
    async with peer_of(authority, name, *words) as port:
        error = await refusal(pki, port, ours(authority))
        assert says in str(error) and error.remedy.startswith("Tell the other operator") and not error.sent


async def test_a_peer_without_tls_gets_nothing(authority: Path, pki: Pki) -> None:
    asked = Asked()
    async with open_site(low_level(asked.answer), listen(Address("127.0.0.1", 0))) as site:
        error = await refusal(pki, site.address.port, ours(authority))
    assert "plain http" in str(error) and not error.sent and asked.requests == []


async def test_a_peer_that_hangs_up_gets_nothing(authority: Path, pki: Pki) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    error = await refusal(pki, server.sockets[0].getsockname()[1], ours(authority))
    assert "hung up while TLS was being agreed" in str(error) and not error.sent
    server.close()


async def test_a_new_certificate_is_used_at_once_and_open_connections_go_on(authority: Path, tmp_path: Path) -> None:
    for suffix in (".pem", ".key.pem"):
        shutil.copy(authority / f"{ECDSA}{suffix}", tmp_path / f"tls{suffix}")
    certificates = Certificates("as4", [pair(tmp_path, "tls")])
    asked = Asked()
    sockets = listen(Address("127.0.0.1", 0))

    async with open_site(low_level(asked.answer), sockets, context=certificates.context) as site:
        port = site.address.port

        def session() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ours(authority), family=2, limit=1))

        async with session() as kept, session() as fresh, session() as later:
            async with kept.get(f"https://127.0.0.1:{port}/") as answer:
                assert answer.status == 200
            (tmp_path / "tls.pem").write_text("half a file")
            assert not certificates.look()
            async with fresh.get(f"https://127.0.0.1:{port}/") as answer:
                assert answer.status == 200  # the old one stays in use
            before = certificates.shown
            for suffix in (".pem", ".key.pem"):
                (tmp_path / f"new{suffix}").write_bytes((authority / f"{RSA}{suffix}").read_bytes())
                (tmp_path / f"new{suffix}").chmod(0o600)
                (tmp_path / f"new{suffix}").replace(tmp_path / f"tls{suffix}")
            assert certificates.look() and not certificates.look()
            assert (before[0].kind, certificates.shown[0].kind) == ("ECDSA", "RSA")
            assert site.connections == 2
            async with kept.get(f"https://127.0.0.1:{port}/") as answer:
                assert answer.status == 200
            assert site.connections == 2  # it was the same connection
            async with later.get(f"https://127.0.0.1:{port}/") as answer:
                assert answer.status == 200
    assert len(asked.requests) == 4


def test_every_problem_of_the_files_is_said_at_once(authority: Path, tmp_path: Path) -> None:
    for suffix in (".pem", ".key.pem"):
        shutil.copy(authority / f"{ECDSA}{suffix}", tmp_path / f"open{suffix}")
    (tmp_path / "open.key.pem").chmod(0o644)
    mixed = Pair(certificate=authority / f"{RSA}.pem", key=authority / f"{ECDSA}.key.pem")
    absent = Pair(certificate=tmp_path / "absent.pem", key=tmp_path / "absent.key.pem")
    client_only = pair(authority, "tls-ca")
    with pytest.raises(ConfigurationError) as caught:
        server_context([pair(tmp_path, "open"), mixed, absent, client_only], section="smp")
    said = "\n".join(f"{path}: {text}" for path, text in caught.value.problems)
    for text in ("can be read by others", "does not belong to", "absent.pem cannot be read", "names no host"):
        assert text in said
    assert {path for path, _ in caught.value.problems} == {"smp.tls_certificate", "smp.tls_key"}


def test_what_a_certificate_is_for(authority: Path) -> None:
    _, (shown,) = server_context([pair(authority, ECDSA)], section="as4")
    assert shown.covers("localhost") and shown.covers("127.0.0.1") and not shown.covers("ap.example.org")
    assert not shown.issued_by_itself


def test_warnings_begin_a_month_before_the_end(authority: Path) -> None:
    certificates = Certificates("as4", [pair(authority, ECDSA)])
    (shown,) = certificates.shown
    assert certificates.warnings(shown.expires - timedelta(days=31)) == []
    assert "in 10 days" in certificates.warnings(shown.expires - timedelta(days=10, hours=1))[0]
    assert "has expired" in certificates.warnings(shown.expires + timedelta(seconds=1))[0]
