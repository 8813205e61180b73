"""Counterparts as the account enters them: one by one, or a whole register at once with a check report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from gateway.errors import Conflict, LostLease
from gateway.exchange.addresses import Addresses
from gateway.exchange.ids import new_document_id
from gateway.model.counterpart import (
    Acceptance,
    Counterpart,
    CounterpartId,
    Identifier,
    Origin,
    PartyKind,
    Quality,
    Role,
)
from gateway.model.document import Company, PostalAddress
from gateway.model.identifiers import AccountId
from gateway.model.message import Route
from gateway.ports import Changes, Clock, Store
from gateway.routing.customer_file import Line, Register, read_file
from gateway.routing.fields import ADDRESS_PARTS, Draft, Problem
from gateway.routing.matching import match

_AT_ONCE: Final = 200
"""Lines of one commit."""

Outcome = Literal["new", "changed", "same", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What became of one line."""

    line: int
    outcome: Outcome
    id: str = ""
    name: str = ""
    number: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registering:
    """Enters counterparts."""

    store: Store
    clock: Clock

    async def save(self, account: AccountId, draft: Draft, before: Counterpart | None) -> tuple[Counterpart, bool]:
        """Add or change one; tells whether it is new. Raises ``Conflict``, ``LostLease``, ``StoreUnavailable``.

        One that invoices have brought, and whose number and name fit, is the one that is meant.
        """
        before = before or await self._meant(account, draft)
        after = self._made(account, draft, before)
        await self.store.relations.commit(Changes(counterparts=((after, before.updated if before else None),)))
        addresses = Addresses(store=self.store, clock=self.clock)
        await addresses.settle(after, draft.values.keys(), f"account {account}")
        return after, before is None

    async def read_in(
        self, account: AccountId, octets: bytes, role: Role, *, dry_run: bool
    ) -> tuple[Register, Sequence[Entered]]:
        """Take a whole register; with ``dry_run`` only say what would become of each line.

        What the file does not say of a known counterpart stays. Raises ``InvalidDocument``, ``StoreUnavailable``.
        """
        register = await asyncio.to_thread(read_file, octets, role)
        entered: list[Entered] = []
        for start in range(0, len(register.lines), _AT_ONCE):
            entered += await self._some(account, role, register.lines[start : start + _AT_ONCE], dry_run=dry_run)
        return register, entered

    async def _some(self, account: AccountId, role: Role, lines: Sequence[Line], *, dry_run: bool) -> list[Entered]:
        drafts = [line.draft for line in lines if line.draft is not None]
        numbers = [str(draft.values.get("number", "")) for draft in drafts]
        known = {one.number: one for one in await self.store.relations.numbered(account, role, numbers)}
        entered: list[Entered] = []
        rows: list[tuple[Counterpart, Any]] = []
        taken: set[str] = set()
        for line in lines:
            if line.draft is None:
                entered.append(Entered(line=line.line, outcome="wrong", problems=line.problems))
                continue
            before = known.get(str(line.draft.values.get("number", "")) or "\n")
            before = before or await self._meant(account, line.draft)
            if before is not None and before.id in taken:
                before = None  # (an earlier line of this file has it)
            after = self._made(account, line.draft, before)
            taken.add(after.id)
            same = before is not None and replace(after, updated=before.updated) == before
            outcome: Outcome = "same" if same else "new" if before is None else "changed"
            if not same:
                rows.append((after, before.updated if before else None))
            entered.append(
                Entered(
                    line=line.line,
                    outcome=outcome,
                    id=after.id,
                    name=after.name,
                    number=after.number,
                    problems=line.problems,
                )
            )
        if rows and not dry_run:
            try:
                await self.store.relations.commit(Changes(counterparts=tuple(rows)))
            except LostLease as error:
                raise Conflict(
                    "Somebody else changed the register meanwhile", remedy="Import the file again; nothing is doubled."
                ) from error
        return entered

    async def _meant(self, account: AccountId, draft: Draft) -> Counterpart | None:
        """One that is there without a number of the account's own, and is surely the same party."""
        role = draft.values["role"]
        keys = [one.key for one in draft.identifiers]
        name = str(draft.values.get("name", ""))
        address = draft.values.get("address", PostalAddress(country=str(draft.values.get("country", ""))))
        known: Sequence[Counterpart] = ()
        if keys:
            known = await self.store.relations.known_by(account, role, keys)
        if not known and name:
            known = await self.store.relations.named(account, role, name)
        free = [one for one in known if one.origin is Origin.INVOICE and not one.number]
        return match(Company(name=name, address=address), keys, free).counterpart if free else None

    def _made(self, account: AccountId, draft: Draft, before: Counterpart | None) -> Counterpart:
        now = self.clock.now()
        values = dict(draft.values)
        if before is None:
            values.setdefault("kind", PartyKind.UNKNOWN)
            values.setdefault("route", Route.AUTO)
            values.setdefault("acceptance", Acceptance.INHERIT)
            id_ = CounterpartId(new_document_id(now))
            return Counterpart(
                id=id_, account=account, identifiers=draft.identifiers, created=now, updated=now, **values
            )
        if not values.get("country"):
            values.pop("country", None)
        if "address" in values:
            kept = {part: getattr(before.address, part) for part in ADDRESS_PARTS if part not in draft.given}
            values["address"] = replace(values["address"], **kept)
        for name, quality in (("email", "email_quality"), ("address", "address_quality")):
            if name in values and values[name] != getattr(before, name):
                values.setdefault(quality, Quality.UNKNOWN)  # what is known is about another address
        identifiers = before.identifiers
        if draft.numbers_given:
            identifiers = _joined(draft.identifiers, before.identifiers)
        return replace(before, identifiers=identifiers, origin=Origin.MASTER_DATA, updated=now, **values)


def _joined(new: Sequence[Identifier], old: Sequence[Identifier]) -> tuple[Identifier, ...]:
    """The account's own numbers, and those that others have said; a number of a kind that is not said now stays."""
    keys, schemes = {one.key for one in new}, {one.scheme for one in new}
    proven = {one.key: one.verified for one in old if one.verified is not None}
    new = [replace(one, verified=one.verified or proven.get(one.key)) for one in new]
    kept = [
        one
        for one in old
        if one.key not in keys and (one.origin is not Origin.MASTER_DATA or one.scheme not in schemes)
    ]
    both = (*new, *kept)
    return tuple(sorted(both, key=lambda one: (list(Origin).index(one.origin), one.key)))
