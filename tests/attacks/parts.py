"""What the attack tests share: two access points, a valid peer who misbehaves, and a judge that never sleeps.

A :class:`Case` is one hostile (or honest) request with the outcomes that are right for it. Outcomes are short texts:
``taken``, ``EBMS:0103``, ``HTTP 400``; an exception that is not ours is ``fault …`` and never right.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from lxml import etree

from gateway.as4.gzipped import compress
from gateway.as4.msh import Request
from gateway.as4.soap import canonical
from gateway.errors import InvalidMessage, UnreadableRequest
from gateway.model.message import Received
from gateway.security.authority import issue, new_pki
from gateway.security.keys import Identity, load_identity
from gateway.security.trust import Trust
from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import DOCUMENT, ENVELOPE, World, at, digest_of, outgoing, pack, unpack

Element = etree._Element
Change = Callable[[Element], object]

TAKEN = "taken"
SECONDS_PER_MB = 0.25
"""CPU that a refused octet may cost; a request below 1 MB may cost as much as one of 1 MB."""
SOAP_TYPE = "application/soap+xml"


@dataclass(frozen=True, slots=True)
class Case:
    """One request and what may come of it."""

    name: str
    content_type: str
    body: bytes
    expect: tuple[str, ...]
    check: Callable[[Received], bool] | None = None
    """What must hold of a message that is taken; by default the document is the honest one."""
    seconds: float | None = None
    """A tighter limit for CPU than the general one."""
    private: int = 1
    """How many private-key operations it may cost at most."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a request."""

    outcome: str
    received: Received | None
    seconds: float
    """CPU of the whole process."""
    private: int


@dataclass(slots=True)
class CountingKey:
    """A decryptor that counts how often the private key was asked."""

    key: Any
    count: int = 0

    def decrypt(self, wrapped: bytes) -> bytes:
        self.count += 1
        return bytes(self.key.decrypt(wrapped))


@dataclass
class Kit:
    """A world with its authorities' keys, so that every kind of certificate can be made."""

    world: World
    directory: Path
    counter: CountingKey = field(init=False)
    c3: Identity = field(init=False)

    def __post_init__(self) -> None:
        self.counter = CountingKey(self.world.c3.decryptor)
        self.c3 = replace(self.world.c3, decryptor=self.counter)

    @cached_property
    def good(self) -> Request:
        """An honest message from C2 to C3."""
        return self.world.sending().request()

    @cached_property
    def baseline(self) -> Received:
        """What the honest message says."""
        return self.bare(self.world.read(self.good))

    @staticmethod
    def bare(received: Received) -> Received:
        """What it says, whichever door it came through."""
        return replace(received, soap=b"", document_at=None)

    def identity(self, seat: str) -> Identity:
        return load_identity(self.directory / f"{seat}.pem", self.directory / f"{seat}.key.pem", section="test")

    # --- making ---

    def message(self, part: bytes | None = None, **changes: Any) -> Request:
        """A message that is right in AS4, with any part in it."""
        return self.world.sending(outgoing(**({} if part is None else {"part": part}), **changes)).request()

    def sbdh(self, change: Callable[[bytes], bytes], document: bytes = DOCUMENT) -> Request:
        """A message with a spoiled business envelope."""
        return self.message(compress(change(wrap(document, ENVELOPE))))

    def spoil(self, *changes: Change) -> Request:
        """The honest message changed by somebody on the way."""
        root, part, content_id = unpack(self.good)
        for change in changes:
            change(root)
        return pack(root, part, content_id)

    def resign(self, *changes: Change, by: Identity | None = None, of: Request | None = None) -> Request:
        """A valid peer misbehaves: change the envelope, then make digests and signature right again."""
        root, part, content_id = unpack(of or self.good)
        for change in changes:
            change(root)
        info = at(root, "Header", "Security", "Signature", "SignedInfo")
        ids: dict[str, Element] = {}
        for element in root.iter():
            if isinstance(element.tag, str):
                ids.update({v: element for k, v in element.items() if k.rpartition("}")[2] == "Id"})
        for reference in info.iterfind("{*}Reference"):
            target, value = ids.get(reference.get("URI", "")[1:]), reference.find("{*}DigestValue")
            if target is not None and value is not None:
                value.text = digest_of(canonical(target))
        value = at(root, "Header", "Security", "Signature", "SignatureValue")
        value.text = base64.b64encode((by or self.world.c2).signer.sign(canonical(info))).decode()
        return pack(root, part, content_id)

    def resign_first(self, change: Change) -> Request:
        """Sign the honest message anew and only then change what stands around the signed elements."""
        root, part, content_id = unpack(self.resign())
        change(root)
        return pack(root, part, content_id)

    # --- judging ---

    def judge(self, content_type: str, body: bytes, **changes: Any) -> Verdict:
        """Read the request as the endpoint does and answer it; nothing that is not ours may come out."""
        before, started = self.counter.count, time.process_time()
        receiving = self.world.receiving(content_type, body, **{"identity": self.c3, **changes})
        received = None
        try:
            received = receiving.read()
            outcome = TAKEN
        except InvalidMessage as error:
            outcome = error.code
        except UnreadableRequest as error:
            outcome = f"HTTP {error.status}"
        except Exception as error:
            outcome = f"fault {type(error).__name__}: {error}"
        return Verdict(outcome, received, time.process_time() - started, self.counter.count - before)

    def problem(self, case: Case, verdict: Verdict) -> str:
        """What is wrong with the verdict; empty when it is right."""
        if verdict.outcome not in case.expect:
            return f"{case.name}: {verdict.outcome}, not {' or '.join(case.expect)}"
        if verdict.received is not None:
            check = case.check or (lambda received: received.document == DOCUMENT)
            if not check(verdict.received):
                return f"{case.name}: taken with other content"
        else:
            allowed = case.seconds or SECONDS_PER_MB * max(1.0, len(case.body) / 1e6)
            # What a busy machine adds is not the case's: of seven readings the cheapest counts.
            for pause in range(6):
                if verdict.seconds <= allowed:
                    break
                time.sleep(pause / 4)
                again = self.judge(case.content_type, case.body).seconds
                verdict = replace(verdict, seconds=min(verdict.seconds, again))
            if verdict.seconds > allowed:
                return f"{case.name}: {verdict.seconds * 1000:.0f} ms of CPU, {allowed * 1000:.0f} allowed"
        if verdict.private > case.private:
            return f"{case.name}: {verdict.private} private-key operations"
        return ""


@dataclass(slots=True)
class Tally:
    """One line of the table."""

    group: str
    cases: int = 0
    taken: int = 0
    """Read as signed: the honest content and nothing else."""
    refused: int = 0
    wrong: int = 0
    slowest: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict, problem: str) -> None:
        self.cases += 1
        self.slowest = max(self.slowest, verdict.seconds * 1000)
        self.codes[verdict.outcome[:40]] = self.codes.get(verdict.outcome[:40], 0) + 1
        if problem:
            self.wrong += 1
            self.problems.append(problem)
        elif verdict.received is not None:
            self.taken += 1
        else:
            self.refused += 1


def table(tallies: Iterable[Tally]) -> str:
    """The attack table: wrong is accepted evil, a wrong code, a fault or too much CPU."""
    head = f"{'group':<34}{'cases':>8}{'wrong':>7}{'as signed':>11}{'refused':>9}{'slowest':>10}  answers"
    lines = [head, "-" * len(head)]
    total = Tally("all")
    for tally in tallies:
        codes = ", ".join(f"{code} {count}" for code, count in sorted(tally.codes.items(), key=lambda c: -c[1])[:6])
        lines.append(_line(tally) + f"  {codes}")
        total.cases += tally.cases
        total.wrong += tally.wrong
        total.taken += tally.taken
        total.refused += tally.refused
        total.slowest = max(total.slowest, tally.slowest)
    return "\n".join([*lines, _line(total)])


def _line(tally: Tally) -> str:
    return (
        f"{tally.group:<34}{tally.cases:>8}{tally.wrong:>7}{tally.taken:>11}{tally.refused:>9}{tally.slowest:>7.1f} ms"
    )


# --- rows of the catalogue ----------------------------------------------------------------------------------------

Cases = Callable[[Kit], Iterable[Case]]
ROWS: dict[str, Cases] = {}


def row(id: str) -> Callable[[Cases], Cases]:
    """Enter the cases of one row of the catalogue."""

    def enter(cases: Cases) -> Cases:
        assert id not in ROWS
        ROWS[id] = cases
        return cases

    return enter


def case(name: object, request: Request, *expect: str, **more: Any) -> Case:
    return Case(str(name), request.content_type, request.body, expect, **more)


def run(kit: Kit, group: str, cases: Iterable[Case]) -> Tally:
    """Judge every case."""
    tally = Tally(group)
    for one in cases:
        verdict = kit.judge(one.content_type, one.body)
        tally.add(verdict, kit.problem(one, verdict))
    return tally


# --- places in the envelope ---------------------------------------------------------------------------------------


def security(root: Element) -> Element:
    return at(root, "Header", "Security")


def signature(root: Element) -> Element:
    return at(root, "Header", "Security", "Signature")


def info(root: Element) -> Element:
    return at(root, "Header", "Security", "Signature", "SignedInfo")


def references(root: Element) -> list[Element]:
    return info(root).findall("{*}Reference")


def messaging(root: Element) -> Element:
    return at(root, "Header", "Messaging")


def user(root: Element, *path: str) -> Element:
    return at(root, "Header", "Messaging", "UserMessage", *path)


def key(root: Element, *path: str) -> Element:
    return at(root, "Header", "Security", "EncryptedKey", *path)


def data(root: Element, *path: str) -> Element:
    return at(root, "Header", "Security", "EncryptedData", *path)


def token(root: Element, id: str = "signer") -> Element:
    found = root.xpath(f"//*[@*[local-name()='Id']='{id}']")
    assert len(found) == 1
    return found[0]


def set_text(path: Callable[[Element], Element], text: str) -> Change:
    def change(root: Element) -> None:
        path(root).text = text

    return change


def set_attribute(path: Callable[[Element], Element], name: str, value: str | None) -> Change:
    def change(root: Element) -> None:
        if value is None:
            del path(root).attrib[name]
        else:
            path(root).set(name, value)

    return change


def drop(path: Callable[[Element], Element]) -> Change:
    def change(root: Element) -> None:
        element = path(root)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return change


# --- a world without pytest ---------------------------------------------------------------------------------------


def make_kit(directory: Path) -> Kit:
    """Make authorities, two access points and an SMP in the directory."""
    now = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)
    new_pki(directory, now=now)
    for role, seat in (("ap", "POP000001"), ("ap", "POP000002"), ("smp", "PSP000001")):
        issue(directory, role, seat, now=now)  # type: ignore[arg-type]
    return kit_of(directory)


def kit_of(directory: Path) -> Kit:
    def load(name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())

    def identity(seat: str) -> Identity:
        return load_identity(directory / f"{seat}.pem", directory / f"{seat}.key.pem", section="test")

    trust = Trust(access_point=[load("ap-ca"), load("root")], smp=[load("smp-ca"), load("root")])
    return Kit(World(identity("POP000001"), identity("POP000002"), trust), directory)


def every(
    items: Iterable[tuple[object, Change]], make: Callable[..., Request], *expect: str, **more: Any
) -> Iterator[Case]:
    """One case for each named change."""
    for name, change in items:
        yield case(name, make(change), *expect, **more)
