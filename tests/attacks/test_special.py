"""Rows of tables D to F that need more than one request: repeats, forks, other interpreters, other entries of XML."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from gateway.app import read_trust
from gateway.as4.limits import LIMITS
from gateway.as4.mime import read_message
from gateway.config.reading import load
from gateway.errors import ConfigurationError, GatewayError, InvalidMessage, Untrusted
from gateway.exchange.inbound import Inbound
from gateway.exchange.retry import RetryPolicy
from gateway.model.identifiers import AccountId
from gateway.model.message import Participant, Received
from gateway.ports import Filter
from gateway.security.dsig import sign_enveloped, verify_enveloped
from gateway.security.safexml import UnsafeXml, parse
from gateway.security.trust import Role, Trust
from gateway.store import open_store
from gateway.ubl import invoice
from gateway.ubl.sbdh import unwrap, wrap
from tests.as4.as4_parts import DOCUMENT, ENVELOPE, NOW, StillClock, World, at
from tests.attacks.catalogue import ROWS
from tests.attacks.parts import Kit
from tests.attacks.rows_f import doctypes

pytestmark = pytest.mark.usefixtures("door")

ROOT = Path(__file__).resolve().parents[2]


# --- what is opened and connected -------------------------------------------------------------------------------------

_watched: list[str] = []
_armed = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _armed and event in (
        "open",
        "socket.connect",
        "socket.getaddrinfo",
        "urllib.Request",
        "subprocess.Popen",
        "os.system",
    ):
        if isinstance(arguments[0], int) or str(arguments[0]).startswith(f"{tempfile.gettempdir()}/tmp"):
            return  # the file that a message was put into
        _watched.append(f"{event} {arguments[:1]}")


@contextmanager
def nothing_reached() -> Iterator[str]:
    """Fail when a file is opened or a connection made; gives an address where a listener waits for libraries' own."""
    global _armed
    if not any(name == "hooked" for name in vars(sys.modules[__name__])):
        sys.addaudithook(_hook)
        globals()["hooked"] = True
    came: list[object] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.02)
    stop = threading.Event()

    def listen() -> None:
        while not stop.is_set():
            try:
                came.append(listener.accept())
            except TimeoutError:
                continue

    thread = threading.Thread(target=listen)
    thread.start()
    _watched.clear()
    _armed = True
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        _armed = False
        time.sleep(0.05)
        stop.set()
        thread.join()
        listener.close()
    assert not _watched
    assert not came


def test_D12_references_open_nothing(kit: Kit) -> None:
    cases = list(ROWS["D12"](kit))
    kit.judge(cases[0].content_type, cases[0].body)  # what is imported late is imported now
    with nothing_reached() as there:
        for case in cases:
            body = case.body.replace(b"127.0.0.1:1", there.encode())
            assert kit.judge(case.content_type, body).received is None


def test_F01_entities_open_nothing(kit: Kit) -> None:
    cases = list(ROWS["F01"](kit))
    kit.judge(cases[0].content_type, cases[0].body)
    with nothing_reached() as there:
        for case in cases:
            kit.judge(case.content_type, case.body.replace(b"127.0.0.1:1", there.encode()))
        for name, doctype in doctypes(f"http://{there}/x").items():
            for text in (f"{doctype}<x>&x;</x>", f"{doctype}<x/>"):
                for entry in (parse, invoice.read, unwrap):
                    with pytest.raises(GatewayError):
                        entry(text.encode())
            assert name


def test_F09_urls_of_a_document_are_never_fetched(kit: Kit) -> None:
    with nothing_reached() as there:
        url = f"http://{there}/invoice.pdf"
        document = DOCUMENT.replace(
            b"</Invoice>",
            f'<cbc:URI>{url}</cbc:URI><x xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            f'xsi:schemaLocation="urn:x {url}"/>'
            f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{url}"/></Invoice>'.encode(),
        )
        opened = unwrap(wrap(document, ENVELOPE)).document
        assert url.encode() in opened
        invoice.open_document(opened)


# --- repeats ----------------------------------------------------------------------------------------------------------


async def test_D28_a_repeat_in_other_words_is_one_message(kit: Kit, tmp_path: Path) -> None:
    account = AccountId("main")
    async with open_store("sqlite:var/gateway.db", Path("var/payloads"), StillClock(), base=tmp_path) as store:
        await store.add_account(account, "Exempel AB", "hash")
        services = ((str(ENVELOPE.document_type), str(ENVELOPE.process)),)
        await store.save_participant(Participant(id=ENVELOPE.receiver, account=account, document_types=services))
        hour = timedelta(hours=1)
        inbound = Inbound(
            store=store, deliveries={}, clock=StillClock(), retry=RetryPolicy(first=hour, longest=hour, window=hour)
        )
        receipts = set()
        for spaced in (
            lambda t: t,
            lambda t: t[:10] + "\n" + t[10:],
            lambda t: f"  {t} \t",
            lambda t: " ".join(t[n : n + 4] for n in range(0, len(t), 4)),
        ):

            def change(root: etree._Element, spaced: object = spaced) -> None:
                value = at(root, "Header", "Security", "Signature", "SignatureValue")
                value.text = spaced(value.text)  # type: ignore[operator]

            received, receipt = _read(kit.world, kit.spoil(change))
            receipts.add(await inbound.receive(received, receipt))
        for again in (kit.good, kit.message()):
            receipts.add(await inbound.receive(*_read(kit.world, again)))
        assert len(receipts) == 1
        documents, _ = await store.find(account, Filter())
        assert len(documents) == 1
        other = _read(kit.world, kit.sbdh(lambda s: s.replace(b"F-1001", b"F-1002")))
        with pytest.raises(InvalidMessage):
            await inbound.receive(*other)


def _read(world: World, request: object) -> tuple[Received, bytes]:
    receiving = world.receiving(request.content_type, request.body)  # type: ignore[attr-defined]
    return receiving.read(), receiving.receipt()


def test_D29_a_signed_answer_of_an_smp_has_one_form(kit: Kit) -> None:
    smp, ap = kit.identity("PSP000001"), kit.world.c2
    document = parse(
        b'<smp:SignedServiceMetadata xmlns:smp="urn:x"><smp:Redirect href="http://x/"/></smp:SignedServiceMetadata>'
    )
    signed = sign_enveloped(document, smp)
    assert verify_enveloped(signed, kit.world.trust, Role.SMP, NOW).signer.common_name == "PSP000001"
    wrapped = b'<evil xmlns="urn:x">' + signed.split(b"?>", 1)[1] + b"</evil>"
    evil = parse(signed)
    evil.insert(0, etree.Element("{urn:x}Redirect", href="http://evil/"))
    moved = parse(
        b"<smp:SignedServiceMetadata xmlns:smp='urn:x'><smp:Redirect href='http://evil/'/></smp:SignedServiceMetadata>"
    )
    moved.append(parse(signed))
    other = Trust(kit.world.trust.access_point, kit.world.trust.access_point)
    for octets, trust in (
        (etree.tostring(document), kit.world.trust),
        (wrapped, kit.world.trust),
        (etree.tostring(evil), kit.world.trust),
        (etree.tostring(moved), kit.world.trust),
        (sign_enveloped(document, ap), kit.world.trust),
        (signed, other),
        (signed, Trust((), ())),
        (signed.replace(b"http://x/", b"http://y/"), kit.world.trust),
    ):
        with pytest.raises((Untrusted, UnsafeXml)):
            verify_enveloped(octets, trust, Role.SMP, NOW)


def test_D32_the_checks_hold_without_asserts() -> None:
    run = subprocess.run(
        [sys.executable, "-O", "-m", "tests.attacks", "--cases", "600", "--rows", "C07,D01,D10,D19,D21,E05"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "wrapped Messaging" in run.stdout


def test_D33_a_trust_that_matches_nobody(kit: Kit, tmp_path: Path) -> None:
    none = replace(kit.world.trust, access_point=(), _cache={})
    smp_only = replace(kit.world.trust, access_point=kit.world.trust.smp, _cache={})
    for trust in (none, smp_only):
        verdict = kit.judge(kit.good.content_type, kit.good.body, trust=trust)
        assert (verdict.outcome, verdict.private) == ("EBMS:0101", 0)
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificates\n")
    (tmp_path / "config.toml").write_text(CONFIGURATION.format(trust='"empty.pem"'))
    with pytest.raises(ConfigurationError) as raised:
        read_trust(load(tmp_path / "config.toml", {}))
    assert {path for path, _ in raised.value.problems} == {"network.ap_trust", "network.smp_trust"}
    (tmp_path / "config.toml").write_text(CONFIGURATION.format(trust=""))
    with pytest.raises(ConfigurationError):
        read_trust(load(tmp_path / "config.toml", {}))


CONFIGURATION = """
[operator]
seat_id = "POP000101"
[network]
kind = "private"
ap_trust = [{trust}]
smp_trust = [{trust}]
sml_zone = "sml.test"
dns_servers = ["127.0.0.1:5353"]
allow_http = true
[as4]
listen = "127.0.0.1:8080"
certificate = "POP000101.pem"
key = "POP000101.key.pem"
"""


def _encrypt(world: World, count: int, queue: multiprocessing.Queue[list[tuple[bytes, str]]]) -> None:
    sending = world.sending()
    made = []
    for _ in range(count):
        request = sending.request()
        message = read_message(request.content_type, request.body, LIMITS)
        value = request.soap.partition(b"CipherValue>")[2].partition(b"<")[0]
        made.append((bytes(message.parts[0].content[:12]), value.decode()))
    queue.put(made)


def test_E10_no_iv_and_no_key_comes_twice_after_a_fork(kit: Kit, whole: bool) -> None:
    processes, count = (8, 2000) if whole else (4, 500)
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[list[tuple[bytes, str]]] = context.Queue()
    kit.world.sending().request()
    workers = [context.Process(target=_encrypt, args=(kit.world, count, queue)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    made = [pair for _ in workers for pair in queue.get(timeout=120)]
    for worker in workers:
        worker.join()
    assert len({iv for iv, _ in made}) == len({key for _, key in made}) == processes * count


def test_F13_a_document_of_many_lines(whole: bool) -> None:
    lines = 60_000 if whole else 6_000
    line = b"<cac:InvoiceLine><cbc:ID>1</cbc:ID>" + b"<cbc:Note>x</cbc:Note>" * 14 + b"</cac:InvoiceLine>"
    document = DOCUMENT.replace(
        b"<Invoice ",
        b'<Invoice xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" ',
        1,
    )
    document = document.replace(b"</Invoice>", line * lines + b"</Invoice>")
    started = time.process_time()
    opened = unwrap(wrap(document, ENVELOPE)).document
    assert opened == document
    invoice.open_document(opened)
    assert time.process_time() - started < 20 * lines / 60_000 + 1
