"""Checks switched off one at a time, to see that each of them carries: without it the suite's own evil case is taken.

A check is weakened in its source: one line is exchanged for one that lets everything pass, compiled anew and put in
place of the function's code while the block lasts. When the line is no longer there, that is an error: a proof about
code that has gone would prove nothing.
"""

from __future__ import annotations

import copy
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import CodeType, FunctionType
from typing import Any

from lxml import etree

from gateway.as4 import gzipped, rules, soap
from gateway.as4.limits import LIMITS
from gateway.as4.wss import encryption, references, signature, streamed
from gateway.security.trust import Trust
from tests.as4.as4_parts import at, pack, unpack
from tests.attacks.catalogue import ROWS
from tests.attacks.parts import TAKEN, Case, Kit, case, messaging, user


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of one function, and what stands there instead."""

    function: Callable[..., Any]
    line: str
    instead: str

    def code(self) -> CodeType:
        source = textwrap.dedent(inspect.getsource(self.function))
        if source.count(self.line) != 1:
            raise LookupError(f"{self.function.__qualname__} does not have the line once: {self.line}")
        text = "from __future__ import annotations\n" + source.replace(self.line, self.instead)
        compiled = compile(text, inspect.getsourcefile(self.function) or "", "exec")
        name = self.function.__name__
        return next(c for c in compiled.co_consts if isinstance(c, CodeType) and c.co_name == name)


@contextmanager
def weakened(*edits: Edit) -> Iterator[None]:
    """Do without these lines inside the block."""
    with ExitStack() as stack:
        for edit in edits:
            function = edit.function
            assert isinstance(function, FunctionType)
            stack.callback(setattr, function, "__code__", function.__code__)
            function.__code__ = edit.code()
        yield


@dataclass(frozen=True, slots=True)
class Weakening:
    """A check, the line that makes it, and the suite's case that is refused because of it and nothing else."""

    check: str
    edits: tuple[Edit, ...]
    evil: Callable[[Kit], Iterable[Case]]
    where: str
    """Row and name of the case."""
    changes: dict[str, Any] = field(default_factory=dict)
    """How the reader differs from the ordinary one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the evil case got with the check, and without."""

    weakening: Weakening
    before: str
    after: str
    noticed: str
    """What the suite says about the case without the check; empty: nothing."""

    @property
    def carries(self) -> bool:
        """Whether the case is refused by this check alone, and the suite would see it gone."""
        return self.before != TAKEN and self.after == TAKEN and bool(self.noticed)


def examine(kit: Kit, weakening: Weakening) -> Finding:
    """Judge the evil case with the check and without it."""
    (evil,) = weakening.evil(kit)

    def judge() -> tuple[str, str]:
        kit.world.trust._cache.clear()  # what was believed without the check must not be believed after
        verdict = kit.judge(evil.content_type, evil.body, **weakening.changes)
        kit.world.trust._cache.clear()
        return verdict.outcome, kit.problem(replace(evil, seconds=10.0), verdict)

    before, problem = judge()
    if problem:
        return Finding(weakening, before, "", "")
    with weakened(*weakening.edits):
        after, noticed = judge()
    return Finding(weakening, before, after, noticed)


def table(findings: Iterable[Finding]) -> str:
    """Check by check: what came of the case, with it and without."""
    head = f"{'check':<38}{'evil case':<58}{'with':<11}{'without':<11}"
    lines = [f"{head}the check", "-" * (len(head) + 9)]
    for found in findings:
        verdict = "carries" if found.carries else "DOES NOT CARRY"
        w = found.weakening
        lines.append(f"{w.check:<38}{w.where:<58}{found.before:<11}{found.after:<11}{verdict}")
    return "\n".join(lines)


def _of(row: str, name: str) -> tuple[Callable[[Kit], Iterable[Case]], str]:
    """The first case of a row of the catalogue whose name is this."""

    def find(kit: Kit) -> list[Case]:
        return [next(one for one in ROWS[row](kit) if one.name == name)]

    return find, f"{row} {name.rpartition('}')[2]}"


def _another_in_its_place(kit: Kit) -> list[Case]:
    """The signed Messaging, whole and with its id, stands in a block; where it is read stands another."""
    root, part, content_id = unpack(kit.good)
    signed = messaging(root)
    evil = copy.deepcopy(signed)
    for name in [name for name in evil.attrib if str(name).endswith("Id")]:
        del evil.attrib[name]
    parent = signed.getparent()
    assert parent is not None
    parent.replace(signed, evil)
    user(root, "MessageInfo", "MessageId").text = "evil@pop000001.as4"
    block = etree.SubElement(at(root, "Header"), "{urn:example:x}Block")
    block.append(signed)
    return [case("the signed Messaging in a block", pack(root, part, content_id), "EBMS:0103")]


def _too_large(kit: Kit) -> list[Case]:
    return [case("larger than may be", kit.good, "EBMS:0303", private=1)]


_SMALL = {"limits": replace(LIMITS, inflated=1000)}
_LENIENT_DECRYPT = (
    "from cryptography.hazmat.primitives.ciphers import Cipher, modes; "
    "from cryptography.hazmat.primitives.ciphers.algorithms import AES; "
    "octets = Cipher(AES(unwrap_key(encryption, identity, algorithms)), "
    r"modes.CTR(bytes(part.content[:IV]) + b'\0\0\0\2')).decryptor().update(bytes(part.content[IV:-TAG]))"
)


def _made(check: str, evil: tuple[Callable[[Kit], Iterable[Case]], str], *edits: Edit, **changes: Any) -> Weakening:
    return Weakening(check, edits, *evil, changes)


WEAKENINGS: tuple[Weakening, ...] = (
    _made(
        "reference set",
        _of("D03", "reference 2 in its place"),
        Edit(references.read_references, "if missing or set(parts) != set(content_ids):", "if False:"),
    ),
    _made(
        "reference set: no more than wanted",
        _of("D13", "the part's reference twice"),
        Edit(references.read_references, "if len(elements) != 2 + len(content_ids):", "if False:"),
    ),
    _made(
        "what was verified is what is read",
        (_another_in_its_place, "D01 the signed Messaging in a block"),
        Edit(references.read_references, "wanted is target)", "wanted.tag == target.tag)"),
    ),
    _made(
        "reference set, short cut",
        _of("D13", "the part's reference twice"),
        Edit(references.covered, "if len(references) != 2 + len(content_ids):", "if False:"),
    ),
    _made(
        "what was verified is read, short cut",
        (_another_in_its_place, "D01 the signed Messaging in a block"),
        Edit(
            references.covered, "any(target is one for one in wanted)", "any(target.tag == one.tag for one in wanted)"
        ),
    ),
    _made(
        "id map: an id occurs once",
        _of("D08", f"{{{soap.ns.WSU}}}Id = messaging at 0"),
        Edit(soap._id_map, "ambiguous = ambiguous or value in ids", "pass"),
    ),
    _made(
        "id map: every name of an id",
        _of("D09", "{http://www.w3.org/XML/1998/namespace}id = messaging at 0"),
        Edit(soap._id_map, "name[-2:] in _ID_NAMES", 'name[-2:] == "Id"'),
    ),
    _made(
        "issuer by role",
        _of("D25", "an SMP's certificate and name"),
        Edit(
            Trust._path,
            "anchors = self.access_point if role is Role.ACCESS_POINT else self.smp",
            "anchors = [*self.access_point, *self.smp]",
        ),
    ),
    _made(
        "signature value",
        _of("D21", f"value {'A' * 12!r}"),
        Edit(
            signature.verify,
            'raise InvalidMessage(EbmsCode.FAILED_AUTHENTICATION, "The signature is not valid") from None',
            "pass",
        ),
    ),
    _made(
        "digests of Messaging and Body",
        _of("D10", "text in CDATA in MessageId"),
        Edit(
            signature.verify,
            "if not hmac.compare_digest(hashlib.sha256(octets).digest(), reference.digest):",
            "if False:",
        ),
    ),
    _made(
        "GCM tag",
        _of("E03", "bit 0 from the end"),
        Edit(
            encryption.open_parts,
            "octets = cipher.decrypt(bytes(part.content[:IV]), part.content[IV:], None)",
            _LENIENT_DECRYPT,
        ),
        Edit(streamed._decrypt, "decryptor.finalize()  # raises InvalidTag", "pass"),
    ),
    _made(
        "signed digest of the part",
        _of("E03", "another invoice, rightly encrypted"),
        Edit(
            encryption.open_parts,
            "if not _is_signed(octets, digests[part.content_id], encryption.media_types[part.content_id], limits):",
            "if False:",
        ),
        Edit(
            streamed.open_files,
            "if not _is_signed(octets, digests[part.content_id], encryption.media_types[part.content_id], limits):",
            "if False:",
        ),
    ),
    _made(
        "size cap of the envelope",
        _of("F03", "SOAP: one octet too many"),
        Edit(soap._gate, "if len(octets) > limits.soap:", "if False:"),
    ),
    _made(
        "size cap of the payload",
        (_too_large, "larger than Limits.inflated"),
        Edit(gzipped.allowed_size, "min(limits.inflated, ", "max(0, "),
        **_SMALL,
    ),
    _made(
        "ratio cap",
        _of("C16", "1,000:1, 2 MB in an envelope"),
        Edit(gzipped.allowed_size, "max(limits.ratio_free, limits.ratio * packed)", "limits.inflated"),
    ),
    _made(
        "To is our seat",
        _of("D30", "To another"),
        Edit(rules.check_profile, "if user.to_parties[0].value != seat:", "if False:"),
    ),
)
