"""What DNS can do to a look-up, and what a registration can say."""

from __future__ import annotations

from collections.abc import Callable

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset

from gateway.model.relation import Reason
from tests.smp.situation_parts import NAME, UNKNOWN, YES, Situation
from tests.smp.smp_parts import DnsAnswer, Network

GONE = Reason.NOT_REGISTERED
Fill = Callable[[dns.message.Message], object]
Make = Callable[[Network], DnsAnswer]
SOA = "ns. hostmaster. 1 3600 600 86400 10"


def say(*fills: Fill, flags: int = dns.flags.AA) -> Make:
    """A server that answers with this."""

    def answer(query: dns.message.Message, tcp: bool) -> list[bytes]:
        response = dns.message.make_response(query)
        response.flags |= flags
        for fill in fills:
            fill(response)
        return [response.to_wire(max_size=65_535)]

    return lambda n: answer


def code(name: str) -> Fill:
    return lambda response: response.set_rcode(dns.rcode.from_text(name))


def add(kind: str, *texts: str, name: str = NAME, ttl: int = 60) -> Fill:
    return lambda response: response.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *texts))


def authority(owner: str, kind: str = "SOA", text: str = SOA) -> Fill:
    return lambda response: response.authority.append(dns.rrset.from_text(owner, 60, "IN", kind, text))


soa = authority("sml.test.")


def naptr(record: str = '100 10 "U" "Meta:SMP" "!.*!{url}!" .', *more: str, ttl: int = 60, name: str = NAME) -> Make:
    """A server that knows these records; ``{url}`` is the SMP's address."""

    def make(n: Network) -> DnsAnswer:
        texts = [each.replace("{url}", n.smp.url) for each in (record, *more)]
        return say(add("NAPTR", *texts, ttl=ttl, name=name))(n)

    return make


good = naptr()


def silence(n: Network) -> DnsAnswer:
    return lambda query, tcp: []


def garbage(n: Network) -> DnsAnswer:
    return lambda query, tcp: [b"\x00", b"garbage" * 40, query.to_wire()[:2] + b"\xff" * 10]


def forged(change: Callable[[dns.message.Message], object], *fills: Fill) -> Make:
    """An answer that is not to our question."""

    def answer(query: dns.message.Message, tcp: bool) -> list[bytes]:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        for fill in fills:
            fill(response)
        change(response)
        return [response.to_wire()]

    return lambda n: answer


def _other_id(response: dns.message.Message) -> None:
    response.id = (response.id + 1) % 65_536


def _other_question(response: dns.message.Message) -> None:
    response.question = dns.message.make_query("other.sml.test.", "NAPTR").question


def _no_answer_bit(response: dns.message.Message) -> None:
    response.flags &= ~dns.flags.QR


wrong_id = forged(_other_id, code("NXDOMAIN"), soa)
wrong_question = forged(_other_question, code("NXDOMAIN"), soa)


def before(first: Make, then: Make) -> Make:
    """A bad datagram, and the real one after it."""

    def make(n: Network) -> DnsAnswer:
        one, two = first(n), then(n)
        return lambda query, tcp: [*one(query, tcp), *two(query, tcp)]

    return make


def cut(over_tcp: Make) -> Make:
    """Truncated over UDP; this over TCP."""

    def make(n: Network) -> DnsAnswer:
        real = over_tcp(n)

        def answer(query: dns.message.Message, tcp: bool) -> list[bytes]:
            if tcp:
                return real(query, tcp)
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC | dns.flags.AA
            return [response.to_wire()]

        return answer

    return make


def after(number: int, first: Make, then: Make) -> Make:
    """The first so many questions get the one answer, later ones the other."""

    def make(n: Network) -> DnsAnswer:
        one, two, asked = first(n), then(n), [0]

        def answer(query: dns.message.Message, tcp: bool) -> list[bytes]:
            asked[0] += 1
            return (one if asked[0] <= number else two)(query, tcp)

        return answer

    return make


def aliases(*steps: tuple[str, str, str], end: bool = True) -> Make:
    """CNAME and DNAME records, and the NAPTR at the end of them."""

    def make(n: Network) -> DnsAnswer:
        fills = [add(kind, target, name=owner) for owner, kind, target in steps]
        if end:
            record = f'100 10 "U" "Meta:SMP" "!.*!{n.smp.url}!" .'
            fills.append(add("NAPTR", record, name=steps[-1][2].rstrip(".")))
        return say(*fills)(n)

    return make


refused, nx = say(code("REFUSED")), say(code("NXDOMAIN"), soa)
servfail = say(code("SERVFAIL"))
OTHER = "x.other.test."
BIG = [f'{200 + number} 10 "U" "Meta:SMP" "!.*!https://no{number}.example!" .' for number in range(999)]


def row(name: str, verdict: str | Reason, *dns: Make, says: str = "", silent: bool = False) -> Situation:
    gives_up = any(word in name for word in ("silen", "garbage", "wrong", "question")) and "then" not in name
    return Situation(
        group="DNS",
        name=name,
        verdict=verdict,
        dns=dns,
        says=says,
        silent=silent or verdict != YES,
        try_seconds=0.3 if gives_up or name.startswith("silence") else 2.0,
    )


DNS = [
    row("a record", YES, good),
    row("NXDOMAIN with SOA", GONE, nx, says="NXDOMAIN"),
    row("NXDOMAIN of the zone's server without SOA", GONE, say(code("NXDOMAIN"))),
    row("NXDOMAIN of a resolver", GONE, say(code("NXDOMAIN"), flags=dns.flags.RA)),
    row("NXDOMAIN of somebody who knows nothing", UNKNOWN, say(code("NXDOMAIN"), flags=0)),
    row("NXDOMAIN because the zone does not exist", UNKNOWN, say(code("NXDOMAIN"), authority("."))),
    row("NXDOMAIN of the top-level domain", UNKNOWN, say(code("NXDOMAIN"), authority("test."))),
    row("no record, SOA", GONE, say(soa), says="no NAPTR record"),
    row("no record, zone's own server", GONE, say()),
    row("no record, not the zone's server", UNKNOWN, say(flags=0)),
    row("a referral", UNKNOWN, say(authority("sml.test.", "NS", "ns.test."), flags=0)),
    row("SERVFAIL", UNKNOWN, servfail, says="SERVFAIL"),
    row("REFUSED", UNKNOWN, refused),
    row("FORMERR", UNKNOWN, say(code("FORMERR"))),
    row("NOTIMP", UNKNOWN, say(code("NOTIMP"))),
    row("NOTAUTH", UNKNOWN, say(code("NOTAUTH"))),
    row("YXDOMAIN", UNKNOWN, say(code("YXDOMAIN"))),
    row("SERVFAIL with records", UNKNOWN, say(code("SERVFAIL"), add("NAPTR", '1 1 "U" "Meta:SMP" "!.*!https://x!" .'))),
    row("silence", UNKNOWN, silence, says="no answer within"),
    row("garbage", UNKNOWN, garbage),
    row("wrong id", UNKNOWN, wrong_id),
    row("wrong question", UNKNOWN, wrong_question),
    row("an answer that is a question", UNKNOWN, forged(_no_answer_bit, code("NXDOMAIN"), soa)),
    row("garbage, then a record", YES, before(garbage, good)),
    row("wrong id, then a record", YES, before(wrong_id, good)),
    row("wrong question, then a record", YES, before(wrong_question, good)),
    row("wrong id, then NXDOMAIN", GONE, before(wrong_id, nx)),
    row("truncated, a record over TCP", YES, cut(good)),
    row("truncated, NXDOMAIN over TCP", GONE, cut(nx)),
    row("truncated, silence over TCP", UNKNOWN, cut(silence)),
    row("truncated, garbage over TCP", UNKNOWN, cut(garbage)),
    row("SERVFAIL twice, then a record", YES, after(2, servfail, good)),
    row("silence once, then a record", YES, after(1, silence, good)),
    row("SERVFAIL once, then NXDOMAIN", GONE, after(1, servfail, nx)),
    row("first server SERVFAIL, second has it", YES, servfail, good),
    row("first server silent, second has it", YES, silence, good),
    row("first server REFUSED, second NXDOMAIN", GONE, refused, nx),
    row("first server SERVFAIL, second silent", UNKNOWN, servfail, silence),
    row("an alias", YES, aliases((NAME, "CNAME", OTHER))),
    row("two aliases", YES, aliases((NAME, "CNAME", "y.test."), ("y.test", "CNAME", OTHER))),
    row("DNAME with its alias", YES, aliases(("sml.test", "DNAME", "new.test."), (NAME, "CNAME", "l.new.test."))),
    row("an alias loop", UNKNOWN, aliases((NAME, "CNAME", OTHER), ("x.other.test", "CNAME", f"{NAME}."), end=False)),
    row("an alias to nowhere", UNKNOWN, aliases((NAME, "CNAME", OTHER), end=False)),
    row(
        "an alias whose end does not exist", GONE, say(code("NXDOMAIN"), add("CNAME", OTHER), authority("other.test."))
    ),
    row("only a TXT record", UNKNOWN, say(add("TXT", '"x"'))),
    row("a record of another name", UNKNOWN, naptr(name="other.sml.test")),
    row("TTL 0", YES, naptr(ttl=0)),
    row("TTL 2^31-1", YES, naptr(ttl=2**31 - 1)),
    row("1,000 records, the first counts", YES, cut(naptr('1 1 "U" "Meta:SMP" "!.*!{url}!" .', *BIG))),
]


def form(name: str, verdict: str | Reason, *records: str, says: str = "", strict: bool = False) -> Situation:
    return Situation(
        group="NAPTR",
        name=name,
        verdict=verdict,
        dns=(naptr(*records),),
        says=says or ("" if verdict == YES else "is registered, but its record is unusable"),
        strict=strict,
        silent=verdict != YES,
    )


def regexp(text: str) -> str:
    return f'100 10 "U" "Meta:SMP" "{text}" .'


NAPTR = [
    form("lower-case flag", YES, '100 10 "u" "Meta:SMP" "!.*!{url}!" .'),
    form("lower-case service", YES, '100 10 "U" "meta:smp" "!.*!{url}!" .'),
    form("anchored regexp", YES, regexp("!^.*$!{url}!")),
    form("a slash at the end", YES, regexp("!.*!{url}/!")),
    form("another service before", YES, '1 1 "U" "Meta:CSP" "!.*!https://csp.example!" .', regexp("!.*!{url}!")),
    form("lower preference unusable", YES, '100 1 "U" "Meta:SMP" "!.*!ftp://x.example!" .', regexp("!.*!{url}!")),
    form("lower order wins", YES, '200 1 "U" "Meta:SMP" "!.*!http://127.0.0.1:1!" .', regexp("!.*!{url}!")),
    form("the address in the service field", UNKNOWN, '100 10 "U" "{url}" "!.*!{url}!" .'),
    form("flag S", UNKNOWN, '100 10 "S" "Meta:SMP" "" smp.example.'),
    form("no flag", UNKNOWN, '100 10 "" "Meta:SMP" "!.*!{url}!" .'),
    form("only another service", UNKNOWN, '100 10 "U" "Meta:CSP" "!.*!{url}!" .'),
    form("another delimiter", UNKNOWN, regexp("#.*#{url}#")),
    form("a back-reference", UNKNOWN, regexp("!(.*)!http://x.example/\\\\1!")),
    form("a regexp that matches only some", UNKNOWN, regexp("!^abc!{url}!")),
    form("no delimiter at the end", UNKNOWN, regexp("!.*!{url}")),
    form("with a flag i", UNKNOWN, regexp("!.*!{url}!i")),
    form("an empty regexp", UNKNOWN, '100 10 "U" "Meta:SMP" "" smp.example.'),
    form("an empty address", UNKNOWN, regexp("!.*!!")),
    form("ftp", UNKNOWN, regexp("!.*!ftp://smp.example.org!")),
    form("javascript", UNKNOWN, regexp("!.*!javascript:alert(1)!")),
    form("file", UNKNOWN, regexp("!.*!file:///etc/passwd!")),
    form("no scheme", UNKNOWN, regexp("!.*!smp.example.org!")),
    form("a user name", UNKNOWN, regexp("!.*!https://user:pw@smp.example.org!")),
    form("a query", UNKNOWN, regexp("!.*!{url}/?a=b!")),
    form("a fragment", UNKNOWN, regexp("!.*!{url}/#a!")),
    form("a blank", UNKNOWN, regexp("!.*!{url}/a b!")),
    form("port 99999", UNKNOWN, regexp("!.*!https://smp.example.org:99999!")),
    form("no host", UNKNOWN, regexp("!.*!https:///x!")),
]
INSIDE = [
    "http://smp.example.org",
    "https://smp.example.org:8443",
    "https://smp.example.org:22",
    "https://127.0.0.1",
    "https://[::1]",
    "https://2130706433",
    "https://0x7f.1",
    "https://127.1",
    "https://localhost",
    "https://smp.localhost",
    "https://169.254.169.254",
    "https://10.0.0.1",
    "https://[::ffff:127.0.0.1]",
    "https://[fe80::1]",
    "https://100.64.0.1",
    "https://0.0.0.0",
    "https://intranet",
]
NAPTR += [form(f"Peppol, {url}", UNKNOWN, regexp(f"!.*!{url}!"), strict=True) for url in INSIDE]
