"""gateway.smp.zone_server: the private network's DNS, asked by dnspython's own client."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from gateway.errors import ConfigurationError
from gateway.smp import zone
from gateway.smp.locator import query_name
from gateway.smp.zone_server import Answerer, serve_zone, to_wire
from tests.smp.smp_parts import BUYER, OTHER, ZONE

URL = "http://127.0.0.1:8082/smp"
NAME = query_name(BUYER, ZONE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    zone.register(tmp_path / "zone.json", BUYER, URL)
    return tmp_path / "zone.json"


@pytest.fixture
async def address(file: Path) -> AsyncIterator[tuple[str, int]]:
    async with serve_zone(file) as bound:
        yield bound


async def ask(address: tuple[str, int], name: str, kind: str = "NAPTR", tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    way = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await way(query, address[0], port=address[1], timeout=2)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("name", [NAME, NAME.upper(), NAME + "."])
async def test_who_is_registered_gets_the_record(address: tuple[str, int], name: str, tcp: bool) -> None:
    response = await ask(address, name, tcp=tcp)
    (answer,) = response.answer
    assert answer[0].to_text() == f'100 10 "U" "Meta:SMP" "!.*!{URL}!" .'
    assert response.flags & dns.flags.AA
    assert not response.flags & dns.flags.RA


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        (query_name(OTHER, ZONE), "NAPTR", "NXDOMAIN"),
        (f"x.{NAME}", "NAPTR", "NXDOMAIN"),
        (NAME.replace("iso6523", "other"), "NAPTR", "NXDOMAIN"),
        (NAME, "A", "NOERROR"),
        (NAME, "CNAME", "NOERROR"),
        (ZONE, "NAPTR", "NOERROR"),
        (f"iso6523-actorid-upis.{ZONE}", "NAPTR", "NOERROR"),
        (f"elsewhere.{ZONE}", "A", "NXDOMAIN"),
    ],
)
async def test_every_no_carries_the_soa(address: tuple[str, int], name: str, kind: str, code: str) -> None:
    response = await ask(address, name, kind)
    assert dns.rcode.to_text(response.rcode()) == code
    assert response.answer == []
    assert [rrset.rdtype for rrset in response.authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize("name", ["example.org", NAME.replace(ZONE, "sml.example"), ".", "test"])
async def test_names_outside_the_zone_are_refused(address: tuple[str, int], name: str) -> None:
    assert (await ask(address, name)).rcode() == dns.rcode.REFUSED


async def test_the_zones_own_record_is_known(address: tuple[str, int]) -> None:
    assert (await ask(address, ZONE, "SOA")).answer[0].rdtype == dns.rdatatype.SOA


async def test_a_change_of_the_register_counts_at_once(address: tuple[str, int], file: Path) -> None:
    name = query_name(OTHER, ZONE)
    assert (await ask(address, name)).rcode() == dns.rcode.NXDOMAIN
    zone.register(file, OTHER, URL)
    assert (await ask(address, name)).answer
    zone.unregister(file, OTHER)
    assert (await ask(address, name)).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.unlink(),
        lambda f: f.write_text("{"),
        lambda f: f.write_text("[]"),
        lambda f: f.write_text('{"zone": "sml..test"}'),
    ],
)
async def test_a_register_that_cannot_be_read_is_never_a_no(
    address: tuple[str, int], file: Path, spoil: object
) -> None:
    assert (await ask(address, NAME)).answer
    spoil(file)  # type: ignore[operator]
    for name in (NAME, query_name(OTHER, ZONE)):
        assert (await ask(address, name)).rcode() == dns.rcode.SERVFAIL


async def test_several_questions_fit_in_one_connection(address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(3):
        wire = dns.message.make_query(NAME, "NAPTR").to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        assert dns.message.from_wire(await reader.readexactly(length)).answer
    writer.close()


async def test_an_open_connection_does_not_keep_it_from_ending(file: Path) -> None:
    async with asyncio.timeout(2):
        async with serve_zone(file) as address:
            _, writer = await asyncio.open_connection(*address)
            await asyncio.sleep(0.05)
        writer.close()


def test_nonsense_gets_silence_or_a_refusal_and_no_answer_is_answered(file: Path) -> None:
    answerer = Answerer(file)
    query = dns.message.make_query(NAME, "NAPTR")
    for wire in (b"", b"\x00" * 5, b"\xff" * 40, query.to_wire()[:-3], dns.message.make_response(query).to_wire()):
        assert answerer.answer(wire, tcp=False) is None
    update = dns.message.make_query(NAME, "NAPTR")
    update.set_opcode(dns.opcode.NOTIFY)
    refused = answerer.answer(update.to_wire(), tcp=False)
    assert refused is not None and dns.message.from_wire(refused).rcode() == dns.rcode.NOTIMP


@pytest.mark.parametrize(("edns", "most"), [(None, 512), (400, 512), (1000, 1000), (4096, 1232)])
def test_an_answer_that_does_not_fit_is_cut_over_udp_and_whole_over_tcp(edns: int | None, most: int) -> None:
    query = dns.message.make_query(NAME, "NAPTR", use_edns=0 if edns else False, payload=edns)
    response = dns.message.make_response(query)
    records = [f'{i} 10 "U" "Meta:SMP" "!.*!{URL}{"a" * 200}!" .' for i in range(9)]
    response.answer.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "NAPTR", *records))
    udp, tcp = to_wire(query, response, tcp=False), to_wire(query, response, tcp=True)
    assert len(udp) <= most < len(tcp)
    assert dns.message.from_wire(udp, raise_on_truncation=False).flags & dns.flags.TC
    assert len(dns.message.from_wire(tcp).answer[0]) == 9


async def test_a_port_that_is_taken_is_a_configuration_error(address: tuple[str, int], file: Path) -> None:
    with pytest.raises(ConfigurationError, match="DNS cannot listen on"):
        async with serve_zone(file, address):
            pass
