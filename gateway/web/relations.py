"""``/v1/relations``: how a party can be reached, best way first; and what the account lets the gateway decide."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.exchange.reaching import Reach, Reaching
from gateway.exchange.step import describe_steps
from gateway.model.counterpart import AutoAccept, PartyKind, RelationPolicy
from gateway.model.document import Finding
from gateway.model.relating import Capability, LookupEvidence, Relation
from gateway.model.view import moment
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.problem import Problem, bad_request, wrong
from gateway.web.query import Query, no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

_LISTED_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class RelationCalls:
    """The calls on relations of the caller's account."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/relations", self.reach),
            web.get("/v1/relations/policy", self.policy),
            web.put("/v1/relations/policy", self.save_policy),
        ]

    async def reach(self, request: web.Request) -> web.Response:
        """Every way to the party that is named, best first, each with what proves it."""
        query = Query(request, "party", "country", "name")
        party, country = query.text("party"), query.text("country", longest=2).upper()
        if not party:
            raise bad_request("query:party", "party is an organisation number, VAT number, GLN, participant or name.")
        if country and not (country.isalpha() and country.isascii() and len(country) == 2):
            raise bad_request("query:country", "country is two letters, such as SE.", country)
        gateway = self.gateway
        reaching = Reaching(
            store=gateway.store,
            lookup=gateway.lookup,
            clock=gateway.clock,
            channels=tuple(gateway.outbound.channels),
            country=gateway.config.operator.country,
        )
        found = await reaching.ways(account_of(request), party, country, query.text("name"))
        return page_of([show_reach(place, one) for place, one in enumerate(found, 1)])

    async def policy(self, request: web.Request) -> web.Response:
        """What the account lets us decide."""
        no_query(request)
        profile = await self.gateway.store.relations.profile(account_of(request))
        return answer(show_policy(profile.policy))

    async def save_policy(self, request: web.Request) -> web.Response:
        """Replace it; what is left out gets its default."""
        no_query(request)
        account = account_of(request)
        policy = _read_policy(await read_json(self.intake, request))
        await self.gateway.store.relations.save_policy(account, policy, f"api {account}")
        return answer(show_policy(policy))


def show_policy(policy: RelationPolicy) -> dict[str, object]:
    """The policy object."""
    return {
        "auto_accept": str(policy.auto_accept),
        "kinds": [str(kind) for kind in policy.kinds],
        "schemes": list(policy.schemes),
        "largest": policy.largest or None,
        "sinks": list(policy.sinks),
        "share": policy.share,
    }


def show_reach(rank: int, one: Reach) -> dict[str, object]:
    """One way."""
    return {
        "rank": rank,
        "channel": one.channel,
        "verdict": str(one.verdict),
        "participant": one.participant or None,
        "origin": one.origin or None,
        "address": one.address or None,
        "seat": one.seat or None,
        "smp": one.smp or None,
        "expires": moment(one.expires),
        "document_types": list(one.document_types),
        "counterpart": one.counterpart or None,
        "state": one.state or None,
        "price": None if one.price is None else {"value": f"{one.price.amount:f}", "currency": one.price.currency},
        "reason": one.en,
        "reason_sv": one.sv,
        "evidence": describe_steps(one.steps),
    }


def show_relation(way: Relation) -> dict[str, object]:
    """The relation object."""
    times = ("since", "confirmed", "denied", "next_check", "created", "updated")
    words = {k: (str(v) or None) if isinstance(v, str) else v for k, v in asdict(way).items() if k not in times}
    words.pop("account")
    return {**words, **{name: moment(getattr(way, name)) for name in times}}


def show_capability(row: Capability) -> dict[str, object]:
    """The capability object."""
    times = ("valid_from", "valid_to", "seen")
    words = {k: (str(v) or None) if isinstance(v, str) else v for k, v in asdict(row).items() if k not in times}
    words.pop("account")
    return {**words, **{name: moment(getattr(row, name)) for name in times}}


def show_evidence(row: LookupEvidence) -> dict[str, object]:
    """The evidence object."""
    return {
        "id": row.id,
        "time": moment(row.time),
        "participant": row.participant or None,
        "asked": row.asked,
        "where": row.place or None,
        "verdict": str(row.verdict),
        "text": row.text or None,
        "sha256": row.digest or None,
        "signer": row.signer or None,
        "milliseconds": round(row.milliseconds, 1),
        "expires": moment(row.expires),
        "document": row.message,
    }


def _read_policy(table: dict[str, object]) -> RelationPolicy:
    """Read the policy object; raises ``invalid-value`` with everything that is wrong with it."""
    known = ("auto_accept", "kinds", "schemes", "largest", "sinks", "share")
    errors = [wrong(f"/{name[:40]}", f"There is no field “{name[:40]}”.") for name in table if name not in known]
    mode = table.get("auto_accept", AutoAccept.INVOICE.value)
    if mode not in [one.value for one in AutoAccept]:
        errors.append(wrong("/auto_accept", "auto_accept is invoice, always or never.", str(mode)[:40]))
    lists = {name: _words(table, name, errors) for name in ("kinds", "schemes", "sinks")}
    kinds = [one.value for one in PartyKind]
    errors += [wrong("/kinds", f"A kind is one of {', '.join(kinds)}.", k) for k in lists["kinds"] if k not in kinds]
    errors += [
        wrong("/schemes", "A scheme is four digits, such as 0007.", scheme)
        for scheme in lists["schemes"]
        if not (len(scheme) == 4 and scheme.isascii() and scheme.isdigit())
    ]
    largest = table.get("largest") or ""
    digits = largest.replace(".", "", 1) if isinstance(largest, str) else "x"
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        errors.append(wrong("/largest", 'largest is an amount as text, such as "10000.00".', str(largest)[:40]))
    share = table.get("share", False)
    if not isinstance(share, bool):
        errors.append(wrong("/share", "share is true or false."))
    if errors:
        raise Problem("invalid-value", "The policy cannot be saved as it is.", errors=errors)
    return RelationPolicy(
        auto_accept=AutoAccept(str(mode)),
        kinds=tuple(PartyKind(kind) for kind in lists["kinds"]),
        schemes=lists["schemes"],
        largest=str(largest),
        sinks=lists["sinks"],
        share=bool(share),
    )


def _words(table: dict[str, object], name: str, errors: list[Finding]) -> tuple[str, ...]:
    value = table.get(name) or []
    words = (
        [word for word in value if isinstance(word, str) and len(word) <= 40 and word.isprintable()]
        if isinstance(value, list)
        else []
    )
    if not isinstance(value, list) or len(words) != len(value) or len(words) > _LISTED_MOST:
        errors.append(wrong(f"/{name}", f"{name} is a list of at most {_LISTED_MOST} short texts."))
        return ()
    return tuple(dict.fromkeys(words))
