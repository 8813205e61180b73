"""``/v1/counterparts``: the customers and suppliers of the account, one by one or as a whole register."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from gateway.exchange.registering import Entered, Registering
from gateway.model.counterpart import Counterpart, CounterpartFilter, CounterpartId, Identifier, Quality, Role
from gateway.model.document import Finding
from gateway.model.identifiers import AccountId
from gateway.model.numbers import normal
from gateway.model.view import moment
from gateway.routing.customer_file import LIMIT, report, write_file
from gateway.routing.fields import NAMES, Draft, Problem, read_fields
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.problem import Problem as Refusal
from gateway.web.problem import bad_request, wrong
from gateway.web.query import Query, no_query, paging

if TYPE_CHECKING:
    from gateway.app import Gateway

_PROBLEMS_MOST: Final = 1_000
_EXPORT_MOST: Final = 50_000
_PLAIN: Final = tuple(dict.fromkeys(name for name in NAMES.values() if name != "other_names"))
_FIELDS: Final = (*_PLAIN, "role", "names", "address", "identifiers", "email_quality", "address_quality")
_ADDRESS: Final = (
    "street",
    "additional",
    "extra_line",
    "attention",
    "postal_code",
    "city",
    "name",
    "country",
    "region",
)


@dataclass(frozen=True, slots=True)
class Counterparts:
    """The calls on counterparts of the caller's account."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/counterparts", self.find),
            web.post("/v1/counterparts", self.add),
            web.post("/v1/counterparts/import", self.read_in),
            web.get("/v1/counterparts/export", self.write_out),
            web.get("/v1/counterparts/{id}", self.show),
            web.put("/v1/counterparts/{id}", self.change),
            web.delete("/v1/counterparts/{id}", self.remove),
        ]

    @property
    def _registering(self) -> Registering:
        return Registering(store=self.gateway.store, clock=self.gateway.clock)

    async def find(self, request: web.Request) -> web.Response:
        """A page by name."""
        query = Query(request, "role", "q", "limit", "cursor")
        limit, cursor = paging(query)
        role = query.one_of("role", "all", ("all", *(one.value for one in Role)))
        which = CounterpartFilter(
            role=None if role == "all" else Role(role), query=query.text("q"), limit=limit, cursor=cursor
        )
        found, following = await self.gateway.store.relations.counterparts(account_of(request), which)
        return page_of([show(one) for one in found], following)

    async def show(self, request: web.Request) -> web.Response:
        """One, with how it is reached and what proves that."""
        no_query(request)
        account, rows = account_of(request), self.gateway.store.relations
        one = await rows.counterpart(account, CounterpartId(request.match_info["id"]))
        ways = await rows.relations(account, one.id)
        evidence = await rows.evidence(account, one.id, 20)
        capabilities = await rows.capabilities(account, one.id)
        from gateway.web.relations import show_capability, show_evidence, show_relation

        more = {
            "relations": [show_relation(way) for way in ways],
            "capabilities": [show_capability(row) for row in capabilities],
            "evidence": [show_evidence(row) for row in evidence],
        }
        return answer({**show(one), **more})

    async def add(self, request: web.Request) -> web.Response:
        """Add one (201), or change the one with its number (200)."""
        no_query(request)
        account = account_of(request)
        draft = _read(await read_json(self.intake, request))
        number = str(draft.values.get("number", ""))
        known = await self.gateway.store.relations.numbered(account, draft.values["role"], [number])
        return await self._saved(account, draft, known[0] if number and known else None)

    async def change(self, request: web.Request) -> web.Response:
        """Change one; what is left out stays."""
        no_query(request)
        account = account_of(request)
        before = await self.gateway.store.relations.counterpart(account, CounterpartId(request.match_info["id"]))
        table = await read_json(self.intake, request)
        table.setdefault("name", before.name)
        table.setdefault("role", str(before.role))
        return await self._saved(account, _read(table), before)

    async def _saved(self, account: AccountId, draft: Draft, before: Counterpart | None) -> web.Response:
        after, new = await self._registering.save(account, draft, before)
        headers = {"Location": f"/v1/counterparts/{after.id}"}
        return answer(show(after), status=201 if new else 200, headers=headers)

    async def remove(self, request: web.Request) -> web.Response:
        """Forget one with its relations and proposals."""
        no_query(request)
        account = account_of(request)
        await self.gateway.store.relations.remove(account, CounterpartId(request.match_info["id"]), f"api {account}")
        return web.Response(status=204)

    async def read_in(self, request: web.Request) -> web.Response:
        """Take a register as CSV; ``dry_run=true`` only checks it."""
        query = Query(request, "role", "dry_run")
        role = Role(query.one_of("role", Role.CUSTOMER, [one.value for one in Role]))
        dry_run = query.one_of("dry_run", "false", ("true", "false")) == "true"
        if request.content_type not in ("text/csv", "application/csv"):
            raise Refusal("unsupported-type", "This call takes text/csv.", close=True)
        async with self.intake.take(request, limit=LIMIT) as octets:
            register, entered = await self._registering.read_in(account_of(request), octets, role, dry_run=dry_run)
        counts = {word: sum(one.outcome == word for one in entered) for word in ("new", "changed", "same", "wrong")}
        told = [one for one in entered if one.problems]
        return answer(
            {
                **report(register),
                **counts,
                "dry_run": dry_run,
                "items": [_show_line(one) for one in told[:_PROBLEMS_MOST]],
                "left_out": max(0, len(told) - _PROBLEMS_MOST),
            }
        )

    async def write_out(self, request: web.Request) -> web.Response:
        """The register as CSV."""
        query = Query(request, "role")
        role = Role(query.one_of("role", Role.CUSTOMER, [one.value for one in Role]))
        rows: list[Counterpart] = []
        which = CounterpartFilter(role=role, limit=200)
        while len(rows) < _EXPORT_MOST:
            page, cursor = await self.gateway.store.relations.counterparts(account_of(request), which)
            rows += page
            if not cursor:
                break
            which = replace(which, cursor=cursor)
        octets = await asyncio.to_thread(write_file, rows)
        headers = {"Content-Disposition": f'attachment; filename="{role}s.csv"'}
        return web.Response(body=octets, content_type="text/csv", charset="utf-8", headers=headers)


def show(one: Counterpart) -> dict[str, object]:
    """The counterpart object: JSON values only."""
    address = {name: getattr(one.address, name) or None for name in _ADDRESS}
    return {
        "id": one.id,
        "role": str(one.role),
        "number": one.number or None,
        "name": one.name,
        "names": list(one.names),
        "country": one.country or None,
        "kind": str(one.kind),
        "identifiers": [
            {
                "scheme": number.scheme,
                "value": number.value,
                "origin": str(number.origin),
                "issuer": number.issuer or None,
                "verified": moment(number.verified),
                "trust": number.trust,
            }
            for number in one.identifiers
        ],
        "address": {**address, "quality": str(one.address_quality)},
        "email": one.email or None,
        "email_quality": str(one.email_quality),
        "language": one.language or None,
        "route": str(one.route),
        "preferred": one.preferred or None,
        "opt_out": list(one.opt_out),
        "acceptance": str(one.acceptance),
        "mandate": one.mandate or None,
        "note": one.note or None,
        "origin": str(one.origin),
        "created": moment(one.created),
        "updated": moment(one.updated),
    }


def _show_line(one: Entered) -> dict[str, object]:
    return {
        "line": one.line,
        "outcome": one.outcome,
        "name": one.name or None,
        "number": one.number or None,
        "problems": [
            {"column": p.column or None, "sv": p.sv, "en": p.en, "value": p.value or None, "fatal": p.fatal}
            for p in one.problems
        ],
    }


def _read(table: dict[str, object]) -> Draft:
    """Read the counterpart object; raises ``invalid-value`` with everything that is wrong with it."""
    errors = [wrong(f"/{name[:40]}", f"There is no field “{name[:40]}”.") for name in table if name not in _FIELDS]
    role = table.get("role", Role.CUSTOMER.value)
    if role not in [one.value for one in Role]:
        raise bad_request("/role", "role is customer or supplier.", str(role)[:40])
    fields: dict[str, str] = {}
    for name in _PLAIN:
        value = table.get(name)
        if name in ("street", "additional", "extra_line", "attention", "postal_code", "city"):
            continue
        if isinstance(value, list) and name == "opt_out" and all(isinstance(word, str) for word in value):
            fields[name] = "|".join(value)
        elif isinstance(value, str):
            fields[name] = value
        elif value is None and name in table:
            fields[name] = ""
        elif name in table:
            errors.append(wrong(f"/{name}", f"{name} is a text."))
    fields |= _texts(table, "address", _ADDRESS, errors)
    names = table.get("names")
    if isinstance(names, list) and all(isinstance(one, str) for one in names):
        fields["other_names"] = "|".join(names)
    elif names is not None:
        errors.append(wrong("/names", "names is a list of texts."))
    draft, problems = read_fields({k: v for k, v in fields.items() if k != "region"}, Role(role))
    values = dict(draft.values)
    for name in ("email_quality", "address_quality"):
        if name in table:
            if table[name] not in [one.value for one in Quality]:
                errors.append(wrong(f"/{name}", "It is unknown, good or bad."))
            else:
                values[name] = Quality(str(table[name]))
    numbers, given = list(draft.identifiers), draft.numbers_given
    if table.get("identifiers") is not None:
        numbers, given = [*numbers, *_identifiers(table["identifiers"], errors)], True
    errors += [_finding(one) for one in problems if one.fatal]
    if errors:
        raise Refusal("invalid-value", "The counterpart cannot be saved as it is.", errors=errors)
    unique = {one.key: one for one in reversed(numbers)}
    return replace(draft, values=values, identifiers=tuple(reversed(unique.values())), numbers_given=given)


def _texts(table: dict[str, object], name: str, known: tuple[str, ...], errors: list[Finding]) -> dict[str, str]:
    value = table.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        errors.append(wrong(f"/{name}", f"{name} is an object."))
        return {}
    found: dict[str, str] = {}
    for part, text in value.items():
        if part == "quality" or text is None:
            continue
        if part not in known or not isinstance(text, str):
            errors.append(wrong(f"/{name}/{str(part)[:40]}", f"Its parts are texts: {', '.join(known)}."))
        elif part not in ("name", "country"):
            found[part] = text
    return found


def _identifiers(value: object, errors: list[Finding]) -> list[Identifier]:
    from gateway.model.counterpart import MAX_IDENTIFIERS, Origin

    if not isinstance(value, list) or len(value) > MAX_IDENTIFIERS:
        errors.append(wrong("/identifiers", f"identifiers is a list of at most {MAX_IDENTIFIERS} objects."))
        return []
    found: list[Identifier] = []
    for place, item in enumerate(value):
        where = f"/identifiers/{place}"
        entry: dict[str, Any] = item if isinstance(item, dict) else {}
        scheme, number = entry.get("scheme"), entry.get("value")
        origin = entry.get("origin", Origin.MASTER_DATA.value)
        issuer = entry.get("issuer") or ""
        texts = all(isinstance(one, str) and one.isprintable() for one in (scheme, number, issuer))
        if not texts or origin not in [one.value for one in Origin]:
            errors.append(wrong(where, "Each entry has scheme and value, and may have origin and issuer."))
            continue
        usual = normal(str(scheme), str(number)) if origin != Origin.OPERATOR_EID else str(number).strip()
        if not usual or len(usual) > 130 or len(str(scheme)) > 20 or len(issuer) > 100:
            errors.append(wrong(where, f"This is no number of the scheme {str(scheme)[:20]}.", str(number)[:60]))
            continue
        found.append(Identifier(scheme=str(scheme), value=usual.lower(), origin=Origin(origin), issuer=issuer))
    return found


def _finding(one: Problem) -> Finding:
    return wrong(f"/{one.column}", f"{one.en}.", one.value)
