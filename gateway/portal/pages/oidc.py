"""By a sign-in service: off to it, back from it, and out of it again; and who is tied to which of its subjects."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from aiohttp import web

from gateway.errors import ChannelUnavailable, Overloaded, Untrusted
from gateway.model.person import Role, Way
from gateway.portal.entrance import let_in, local, with_secret
from gateway.portal.oidc import HOLDS, LEEWAY, Attempt, authorization_url, with_query
from gateway.portal.provider import Provider
from gateway.portal.visit import Page, Visit, forbidden
from gateway.ports.identities import NoEntry, Vouched
from gateway.web.invitation import hash_secret, read_name
from gateway.web.problem import bad_request

log = logging.getLogger(__name__)

BACK: Final = "/sign-in/return"
_MOST: Final = 4_000
"""Characters of a code or state."""


async def go(visit: Visit) -> web.StreamResponse:
    """Off to the service, with what the answer must fit in a cookie of this browser."""
    provider = _provider(visit)
    attempt = Attempt.begin(visit.gateway.clock.now(), local(visit.request.query.get("next", "")))
    try:
        described = await provider.describe()
    except (ChannelUnavailable, Overloaded) as error:
        return _no(visit, "down", error)
    client = provider.settings.client_id
    response = visit.go(authorization_url(described.authorization, client, _back(visit), attempt))
    visit.front.keep_attempt(visit, response, attempt.cookie)
    return response


async def back(visit: Visit) -> web.StreamResponse:
    """Back from the service: only for the browser that asked, and only for somebody whom we know."""
    response = await _back_in(visit)
    visit.front.keep_attempt(visit, response, "")
    return response


async def _back_in(visit: Visit) -> web.StreamResponse:
    provider, now, query = _provider(visit), visit.gateway.clock.now(), visit.request.query
    attempt = Attempt.read(visit.front.attempt(visit), now)
    code, state = query.get("code", ""), query.get("state", "")
    if attempt is None or len(code) + len(state) > _MOST or not attempt.fits(state):
        return _no(visit, "stale", None)
    if "error" in query or not code:
        log.warning("a sign-in service said no: %s", ascii(query.get("error", "no code")[:100]))
        return _no(visit, "declined", None)
    try:
        described, issuer = await provider.describe(), provider.settings.issuer
        if query.get("iss", "" if described.names_itself else issuer) != issuer:
            raise Untrusted("The answer in the browser comes from another issuer (iss).")
        claims = await provider.claims(code, _back(visit), attempt.verifier, attempt.nonce, now)
    except (ChannelUnavailable, Overloaded) as error:
        return _no(visit, "down", error)
    except Untrusted as error:
        return _no(visit, "untrusted", error)
    vouched = Vouched(
        issuer=claims.issuer,
        subject=claims.subject,
        email=read_name(claims.email),
        nonce=hash_secret(attempt.nonce),
        until=now + HOLDS + timedelta(seconds=LEEWAY),
    )
    person = await visit.gateway.store.identities.enter(vouched, visit.origin)
    if isinstance(person, NoEntry):
        shown = claims.email or claims.unverified or claims.subject
        log.info("nobody comes in for subject %s: %s", ascii(claims.subject), person)
        kind = "unverified" if person is NoEntry.UNKNOWN and claims.unverified else str(person)
        return _no(visit, kind, None, shown)
    places = await visit.gateway.store.people.places(person.id)
    if not places:
        return _no(visit, "unknown", None, person.name)
    secret = await let_in(visit, person, places[0].account, "signed-in-service", Way.SERVICE)
    return with_secret(visit, visit.go(local(attempt.wanted)), secret)


async def end(visit: Visit) -> web.StreamResponse:
    """Out of the service too, where it offers that. Source: OpenID Connect RP-Initiated Logout 1.0."""
    provider = _provider(visit)
    try:
        described = await provider.describe()
    except (ChannelUnavailable, Overloaded) as error:
        return _no(visit, "down", error)
    if visit.signed is not None or not described.end_session:
        return visit.go("/sign-in")
    url = visit.gateway.config.portal.url.rstrip("/")
    query = {"client_id": provider.settings.client_id, "post_logout_redirect_uri": f"{url}/sign-in"}
    return visit.go(with_query(described.end_session, query))


async def tie(visit: Visit) -> web.StreamResponse:
    """Say which subject somebody is, or that they are none: it ends all their sessions."""
    provider, form = _provider(visit), await visit.form()
    name, subject = read_name(form.get("name", "")), form.get("subject", "").strip()
    if subject and not (subject.isascii() and subject.isprintable() and len(subject) <= 255 and " " not in subject):
        raise bad_request("form:subject", "A subject has 1 to 255 ASCII characters and no spaces.")
    deed = visit.deed("identity-tied" if subject else "identity-untied", name, subject)
    await visit.gateway.store.identities.tie(name, provider.settings.issuer, subject, deed)
    return visit.go("/settings/people", said="saved")


def _provider(visit: Visit) -> Provider:
    if visit.front.provider is None:
        raise forbidden()
    return visit.front.provider


def _back(visit: Visit) -> str:
    return visit.gateway.config.portal.url.rstrip("/") + BACK


_STATUS: Final = {"down": 503, "stale": 400}


def _no(visit: Visit, kind: str, error: Exception | None, shown: str = "") -> web.Response:
    """The door again, with what is wrong and what to do."""
    if error is not None:
        log.warning("signing in by the service failed: %s", error, extra={"remedy": getattr(error, "remedy", "")})
    status = _STATUS.get(kind, 403)
    values = {"wanted": "/", "name": "", "wait": 0, "problem": f"service-{kind}", "shown": shown[:120]}
    return visit.render("sign-in.html", status=status, **values)


PAGES: Final = (
    Page(path="/sign-in/service", show=go, open=True),
    Page(path=BACK, show=back, open=True),
    Page(path="/sign-out/service", show=end, open=True),
    Page(
        path="/settings/people/identity",
        show=tie,
        method="POST",
        who=frozenset({Role.ADMIN}),
        operator=True,
        under="settings",
    ),
)
