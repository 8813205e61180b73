"""The loop behind every target: mutate, run, keep what is new in kind, save what breaks.

With atheris (coverage-guided) where it is installed, else with our own mutations of the seed corpus, driven by the
same random source, so that a run can be repeated by its seed.
"""

from __future__ import annotations

import hashlib
import importlib
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

TARGETS = ("mime", "envelope", "verifier", "decryptor", "gzip", "sbdh", "receipt")
FOUND = Path(__file__).resolve().parent / "found"
SLOW = 1.0
"""Seconds of CPU for one input that count as a find."""

WORDS = (
    b"\r\n",
    b"\n",
    b"--",
    b"--b",
    b"\x00",
    b"\xff",
    b"<",
    b">",
    b"/>",
    b'"',
    b"'",
    b"&",
    b"&#0;",
    b"&x;",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<?x?>",
    b"<!DOCTYPE x>",
    b"xmlns",
    b' xmlns=""',
    b' xmlns:x="u"',
    b' Id="messaging"',
    b' wsu:Id="body"',
    b"#",
    b"#body",
    b"#messaging",
    b"cid:",
    b"http://127.0.0.1:1/",
    b"\xef\xbb\xbf",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"=",
    b"==",
    b"AAAA",
    b"%40",
    b"%",
    b"999999999999999999999999999999",
    b"-1",
    b"\x1f\x8b\x08",
    b"EBMS:0004",
    b"sha1",
    b"base64",
    b"quoted-printable",
    b"<x/>",
    b"</x>",
    b"<ds:Reference>",
    b"</ds:Signature>",
    b"</soap:Header>",
)


@dataclass
class Report:
    """What a run did."""

    target: str
    runs: int = 0
    seconds: float = 0.0
    kinds: set[str] = field(default_factory=set)
    found: list[Path] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def rate(self) -> float:
        return self.runs / self.seconds if self.seconds else 0.0


def load(target: str) -> ModuleType:
    """The module of a target: ``seeds()`` and ``fuzz(data)``."""
    return importlib.import_module(f"tests.fuzz.fuzz_{target}")


def mutate(data: bytes, pool: Sequence[bytes], chance: random.Random) -> bytes:
    """A few changes: bits, octets, words, cuts, copies, splices of two inputs."""
    octets = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at = chance.randrange(len(octets) + 1)
        kind = chance.randrange(9)
        if kind == 0 and at < len(octets):
            octets[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(octets):
            octets[at] = chance.randrange(256)
        elif kind == 2:
            octets[at:at] = chance.choice(WORDS)
        elif kind == 3:
            del octets[at : at + chance.choice((1, 2, 8, 64, 512))]
        elif kind == 4:
            length = chance.choice((1, 4, 32, 256, 2048))
            octets[at:at] = octets[(start := chance.randrange(len(octets) + 1)) : start + length]
        elif kind == 5:
            other = chance.choice(pool)
            start = chance.randrange(len(other) + 1)
            octets[at:] = other[start:]
        elif kind == 6:
            word = chance.choice(WORDS)
            octets[at : at + len(word)] = word
        elif kind == 7:
            _swap_elements(octets, chance)
        else:
            octets[at:at] = chance.randbytes(chance.choice((1, 2, 8)))
    return bytes(octets[: 1 << 19])


def _swap_elements(octets: bytearray, chance: random.Random) -> None:
    """Move what stands between two ends of tags elsewhere: keeps XML well-formed now and then."""
    ends = [n for n, octet in enumerate(octets) if octet == 0x3E]
    if len(ends) < 3:
        return
    first, second, third = sorted(chance.sample(ends, 3))
    piece = octets[first + 1 : second + 1]
    if chance.random() < 0.5:
        octets[third + 1 : third + 1] = piece
    else:
        octets[first + 1 : third + 1] = octets[second + 1 : third + 1] + piece


def attempt(fuzz: Callable[[bytes], None], data: bytes) -> tuple[str, float]:
    """Run once: what broke (empty when nothing did) and the CPU in seconds."""
    started = time.process_time()
    try:
        fuzz(data)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}", time.process_time() - started
    seconds = time.process_time() - started
    return (f"slow: {seconds:.1f} s" if seconds > SLOW else ""), seconds


def save(target: str, data: bytes) -> Path:
    """Keep an input that breaks its target."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{target}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def run(target: str, seconds: float, seed: int, *, show: Callable[[Report], None] | None = None) -> Report:
    """Mutate the seeds for so long; each kind of break is saved once."""
    module, chance, report = load(target), random.Random(seed), Report(target)
    pool = [data for data in module.seeds() if len(data) < 1 << 19]
    for data in pool:
        _note(report, module, data)
    started = shown = time.monotonic()
    while (now := time.monotonic()) - started < seconds:
        for _ in range(32):
            data = mutate(chance.choice(pool), pool, chance)
            _note(report, module, data)
            if chance.random() < 0.002:
                pool.append(data)  # lets changes pile up
                if len(pool) > 200:
                    pool.pop(chance.randrange(len(pool) // 2, len(pool)))
        report.seconds = time.monotonic() - started
        if show and now - shown > 10:
            shown = now
            show(report)
    return report


def _note(report: Report, module: ModuleType, data: bytes) -> None:
    broken, seconds = attempt(module.fuzz, data)
    report.runs += 1
    report.slowest = max(report.slowest, seconds)
    if broken and broken not in report.kinds:
        report.kinds.add(broken)
        report.found.append(save(report.target, data))


def run_atheris(target: str, seconds: float) -> None:
    """Coverage-guided, where atheris is installed; ends the process when the time is over."""
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["gateway"]):
        module = load(target)
    corpus = FOUND.parent / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for data in module.seeds():
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    FOUND.mkdir(exist_ok=True)
    flags = [
        f"-max_total_time={int(seconds)}",
        f"-artifact_prefix={FOUND}/{target}-",
        "-timeout=10",
        "-rss_limit_mb=2048",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *flags], module.fuzz)
    atheris.Fuzz()
