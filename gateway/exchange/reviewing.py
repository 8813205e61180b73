"""What a person says to a scan: this is right, this is the value, this is no invoice, this account is really theirs.

Who decided and when is kept at each field and at the scan. Values are checked like printed ones: a person mistypes too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from gateway.errors import Conflict, InvalidDocument
from gateway.exchange.paper import fields_needed, without_rate
from gateway.exchange.scans import Scans, printable
from gateway.model.document import Finding
from gateway.model.scan import FIELDS, Candidate, Field, Scan, ScanState
from gateway.scanning import checks

_PERSON: Final = "person"
_MAX_REASON: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewing:
    """The decisions about one account's scans."""

    scans: Scans

    async def confirm(
        self,
        scan: Scan,
        actor: str,
        values: Mapping[str, str],
        *,
        reason: str = "",
        all_fields: bool = False,
        person: bool = False,
    ) -> Scan:
        """Take these values as right and deliver when nothing is open any more; ``all_fields``: as they are shown.

        An empty value says that the field is not on the page. Where the account wants four eyes, a changed bank account
        is released by two: the scan stays in review under the name of the first. ``person``: the actor has signed in,
        nobody else vouches for the name. Raises ``InvalidDocument`` with what is wrong or still open, ``Conflict`` when
        it waits for nobody, or when a changed bank account is released without a reason, or not by people.
        """
        if scan.state is not ScanState.REVIEW or scan.hold == "picture":  # that is no invoice: PictureReview's
            raise Conflict(f"The scan is {scan.state}: nobody is asked about it any more")
        now = self.scans.clock.now()
        findings: list[Finding] = []
        fields = dict(scan.fields)
        given = {**{n: f.value for n, f in scan.fields.items() if all_fields and f.value}, **values}
        for name, text in given.items():
            value, problem = read(name, text)
            if problem:
                findings.append(Finding(rule=name, location=f"/fields/{name}", message=problem, value=text[:80]))
                continue
            known = fields.get(name, Field(name=name))
            if known.accepted and known.value == value and not known.confirmed_by:
                continue
            candidates = tuple(one for one in known.candidates if one.value != value)
            best = next((one for one in known.candidates if one.value == value), Candidate(value=value, shown=text))
            best = replace(best, witnesses=tuple(dict.fromkeys((*best.witnesses, _PERSON))))
            fields[name] = replace(
                known,
                value=value,
                accepted=True,
                candidates=(best, *candidates) if value else (),
                confirmed_by=actor,
                confirmed_at=now,
            )
        octets = await self.scans.store.reviews.octets(scan.account, scan.id)
        structured = await self.scans.embedded(scan, fields, octets)
        findings += _sums(fields, rated=structured is None)
        findings += [
            Finding(rule=name, location=f"/fields/{name}", message="This field is not confirmed yet.")
            for name in fields_needed(fields, structured=structured is not None)
            if name not in {one.rule for one in findings}
        ]
        if findings:
            raise InvalidDocument("The scan cannot be delivered yet.", findings=findings)
        said = printable(reason)[:_MAX_REASON].strip()
        read_now = replace(scan, fields=fields, decided_by=actor, decided_at=now, hold="")
        warning = await self.scans.new_account(read_now)
        two = await self.scans.store.reviews.four_eyes(scan.account)
        if warning is not None and not said:
            if scan.hold != "bank_account":
                entered = actor if person else ""
                held = replace(
                    read_now, decided_by=entered, hold="bank_account", reason=warning[0], reason_sv=warning[1]
                )
                await self.scans.store.reviews.settle(scan, held)
            raise Conflict(warning[0], remedy="Ask the supplier; then confirm with a reason that says how you know.")
        if two and (warning is not None or _dodges(scan, read_now)):
            if not person:
                raise Conflict("In this account two people release a changed bank account, signed in to the web tool.")
            if not said:
                raise Conflict("Say how you know that the bank account is right: it is written down.")
            if not _seconds(scan, read_now, actor):
                return await self.scans.store.reviews.settle(scan, _first(read_now, actor, said))
            said = f"{scan.reason} / {actor}: {said}"[: 2 * _MAX_REASON]
        read_now = replace(read_now, reason=said or f"Confirmed by {actor}", reason_sv=said or f"Bekräftad av {actor}")
        delivered = await self.scans.paper.deliver(read_now, octets, structured=structured)
        return await self.scans.store.reviews.settle(scan, delivered)

    async def refuse(self, scan: Scan, actor: str, reason: str) -> Scan:
        """It is not taken. Raises ``Conflict`` when it waits for nobody or no reason is given."""
        if scan.state is not ScanState.REVIEW:
            raise Conflict(f"The scan is {scan.state}: nobody is asked about it any more")
        said = printable(reason)[:_MAX_REASON].strip()
        if not said:
            raise Conflict("Say why it is refused: it is written down.")
        after = replace(
            scan,
            state=ScanState.REFUSED,
            hold="",
            reason=said,
            reason_sv=said,
            decided_by=actor,
            decided_at=self.scans.clock.now(),
        )
        return await self.scans.store.reviews.settle(scan, after)


def _dodges(before: Scan, after: Scan) -> bool:
    """Whether the hold would end because somebody has made the invoice another supplier's, now or as the first."""
    if before.hold != "bank_account":
        return False
    return bool(before.decided_by) or _said(before, "supplier") != _said(after, "supplier")


def _seconds(before: Scan, after: Scan, actor: str) -> bool:
    """Whether somebody else has entered or released this very account before."""
    same = all(_said(before, name) == _said(after, name) for name in ("supplier", "account"))
    return before.hold == "bank_account" and before.decided_by not in ("", actor) and same


def _first(scan: Scan, actor: str, said: str) -> Scan:
    """The first of two has released it."""
    text = f"{actor}: {said}"[:_MAX_REASON]
    return replace(scan, hold="bank_account", reason=text, reason_sv=text)


def _said(scan: Scan, name: str) -> str:
    return scan.fields[name].value if name in scan.fields else ""


def read(name: str, text: str) -> tuple[str, str]:
    """A value that a person wrote, as we write it; and what is wrong with it, empty when nothing is."""
    plain = printable(text).strip()
    if name not in FIELDS:
        return "", f"There is no field {name[:40]}; known are {', '.join(FIELDS)}."
    if not plain:
        wanted = name not in ("reference", "buyer_reference", "due_date")
        return "", "This field cannot be empty." if wanted else ""
    reader, problem = _READERS.get(name, (_words, "This is a text of at most 100 characters."))
    value = reader(plain)
    return (value, "") if value else ("", problem)


def _words(text: str) -> str | None:
    return text if len(text) <= 100 else None


def _kind(text: str) -> str | None:
    return text if text in ("invoice", "credit") else None


def _day(text: str) -> str | None:
    found = checks.day(text)
    return found.isoformat() if found else None


def _amount(text: str) -> str | None:
    found = checks.amount(text)
    return None if found is None or found < 0 else f"{found:.2f}"


def _currency(text: str) -> str | None:
    return text.upper() if len(text) == 3 and text.isascii() and text.isalpha() else None


def _account(text: str) -> str | None:
    kind, _, rest = text.partition(":")
    readers = {"BG": checks.bankgiro, "PG": checks.plusgiro, "IBAN": checks.iban}
    if kind.upper() in readers:
        number = readers[kind.upper()](rest)
        return f"{kind.upper()}:{number}" if number else None
    number = checks.iban(text)
    if number:
        return f"IBAN:{number}"
    number = checks.bankgiro(text) if "-" in text else None
    return f"BG:{number}" if number else None


_READERS: Final[dict[str, tuple[Callable[[str], str | None], str]]] = {
    "kind": (_kind, "This is “invoice” or “credit”."),
    "issue_date": (_day, "This is a day such as 2026-11-28."),
    "due_date": (_day, "This is a day such as 2026-11-28."),
    "net": (_amount, "This is an amount such as 1250.00."),
    "vat": (_amount, "This is an amount such as 250.00."),
    "total": (_amount, "This is an amount such as 1500.00."),
    "currency": (_currency, "This is a currency of three letters such as SEK."),
    "supplier": (
        checks.supplier,
        "The number has a wrong check digit or length: organisation or VAT number with country.",
    ),
    "account": (_account, "The number has a wrong check digit: BG:160-9908, PG:…, IBAN:SE…"),
}


def _sums(fields: Mapping[str, Field], *, rated: bool) -> list[Finding]:
    """``rated``: a VAT rate has to be written."""
    values = [fields[name].value if name in fields else "" for name in ("net", "vat", "total")]
    if not all(values):
        return []
    net, vat, total = map(Decimal, values)
    if rated and without_rate(fields):
        message = f"VAT {vat} of net {net} has no rate: correct one of them, or refuse the file."
        return [Finding(rule="net", location="/fields/net", message=message, value=str(net))]
    if abs(net + vat - total) < 1:
        return []
    message = f"Net {net} and VAT {vat} are {net + vat}, not {total}."
    return [Finding(rule="total", location="/fields/total", message=message, value=str(total))]
