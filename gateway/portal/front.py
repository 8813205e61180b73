"""Stands around every page: who it is, whether they may, whether the form is ours, and what an error looks like.

Sessions lie in the store under the hash of their secret; the cookie is the secret. A form is taken only with the token
of its session and from a page of this site (``Sec-Fetch-Site``, else ``Origin``). Source: OWASP ASVS 5.0 (3.3, 3.5, 7).
"""

from __future__ import annotations

import hmac
import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlsplit

from aiohttp import web

from gateway.config.sections import Oidc
from gateway.model.person import SignedIn
from gateway.portal import pages as page_modules
from gateway.portal.drawing import STATIC, static_files
from gateway.portal.oidc import HOLDS
from gateway.portal.passwords import Passwords
from gateway.portal.sealing import Seal
from gateway.portal.shapes import Shapes, read_zone
from gateway.portal.two_steps import HALF_HOLDS, falls_short
from gateway.portal.visit import FORM_LIMIT, Page, Visit, forbidden
from gateway.portal.words import LANGUAGES, Language, choose, knows
from gateway.web.auth import ACCOUNT
from gateway.web.frame import request_id
from gateway.web.invitation import hash_secret, new_secret
from gateway.web.problem import Problem, problem_of

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.portal.provider import Provider

log = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_LARGE_AT_ONCE: Final = 4
_TOUCH_EACH: Final = timedelta(minutes=1)
_LANGUAGE: Final = "gateway-language"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_YEAR: Final = 31_536_000


class Front:
    """The web tool of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.passwords = Passwords()
        self.seal = Seal(gateway.config.base / gateway.config.portal.second_factor_key)
        self.pages: tuple[Page, ...] = tuple(find_pages())
        self._large = 0
        self.provider = _provider(gateway.config.portal.oidc)
        self._zone = read_zone(gateway.config.portal.time_zone)

    def routes(self) -> list[web.RouteDef]:
        """Where each page stands."""
        routes = [web.route(page.method, page.path, partial(self._answer, page)) for page in self.pages]
        return [*routes, web.get("/portal/{name}", _static)]

    def menu(self, visit: Visit) -> Sequence[Page]:
        """The pages that this visitor finds in the menu."""
        if visit.signed is None:
            return ()
        found = [page for page in self.pages if page.entry and self._may(page, visit)]
        return sorted(found, key=lambda page: page.entry.order if page.entry else 0)

    def begin(self, signed: SignedIn, now: datetime) -> datetime:
        """Until when a session holds that is used now."""
        portal = self.gateway.config.portal
        return min(now + portal.idle, signed.begun + portal.longest)

    def keep_secret(self, visit: Visit, response: web.StreamResponse, secret: str) -> None:
        """Give the browser the secret of its session; empty takes it away."""
        secure = self._secure(visit.request)
        name = _cookie("session", secure)
        if secret:
            response.set_cookie(name, secret, httponly=True, secure=secure, samesite="Lax", path="/")
        else:
            response.del_cookie(name, path="/", secure=secure, httponly=True, samesite="Lax")

    def keep_attempt(self, visit: Visit, response: web.StreamResponse, attempt: str) -> None:
        """Let the browser remember that it goes to a sign-in service; empty: it is back.

        The way back is a link of another site, with which a ``Strict`` cookie does not travel.
        """
        self._remember(visit, response, "attempt", attempt, HOLDS, "Lax")

    def attempt(self, visit: Visit) -> str:
        """What the browser remembers of it."""
        return visit.request.cookies.get(_cookie("attempt", self._secure(visit.request)), "")

    def keep_half(self, visit: Visit, response: web.StreamResponse, secret: str) -> None:
        """Let the browser remember that the password was right, until the second step is done; empty: it is."""
        self._remember(visit, response, "half", secret, HALF_HOLDS, "Strict")

    def _remember(
        self,
        visit: Visit,
        response: web.StreamResponse,
        name: str,
        value: str,
        holds: timedelta,
        samesite: Literal["Lax", "Strict"],
    ) -> None:
        """Let the browser keep a value that no script reads; empty: forget it."""
        secure = self._secure(visit.request)
        age = int(holds.total_seconds()) if value else 0
        response.set_cookie(
            _cookie(name, secure), value, httponly=True, secure=secure, samesite=samesite, path="/", max_age=age
        )

    def half(self, visit: Visit) -> str:
        """The secret of a half sign-in."""
        return visit.request.cookies.get(_cookie("half", self._secure(visit.request)), "")

    # -- one request

    async def _answer(self, page: Page, request: web.Request) -> web.StreamResponse:
        visit = self._stranger(page, request)
        try:
            await self._recognise(visit)
            if visit.signed is None and not page.open:
                return _to_the_door(request)
            if not self._may(page, visit):
                raise forbidden()
            if page.method == "POST":
                await self._check_form(visit)
            if visit.signed is not None:
                request[ACCOUNT] = visit.account
            response = await page.show(visit)
        except Exception as error:
            response = _explain(visit, error)
        if response.prepared:  # a file, sent piece by piece
            return response
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        secure = self._secure(request)
        door = _cookie("door", secure)
        if visit.signed is None and request.cookies.get(door) != visit.secret:
            response.set_cookie(door, visit.secret, httponly=True, secure=secure, samesite="Strict", path="/")
        if _language(request.query.get("language", "")):
            response.set_cookie(_LANGUAGE, visit.language, max_age=_YEAR, samesite="Lax", path="/", httponly=True)
        return response

    def _stranger(self, page: Page, request: web.Request) -> Visit:
        asked = request.query.get("language") or request.cookies.get(_LANGUAGE, "")
        language = _language(asked) or choose(request.headers.get("Accept-Language", ""))
        secret = request.cookies.get(_cookie("door", self._secure(request)), "") or new_secret()
        shapes = Shapes(language, self._zone, self.gateway.clock.now())
        return Visit(
            request=request,
            gateway=self.gateway,
            front=self,
            page=page,
            language=language,
            theme="",
            shapes=shapes,
            secret=secret,
        )

    async def _recognise(self, visit: Visit) -> None:
        """Who it is, by the cookie."""
        secret = visit.request.cookies.get(_cookie("session", self._secure(visit.request)), "")
        people = self.gateway.store.people
        signed = await people.session(hash_secret(secret)) if secret else None
        if signed is None or falls_short(self.gateway.config.portal, signed):
            return
        visit.signed, visit.secret, visit.theme = signed, secret, signed.person.theme
        if language := _language(signed.person.language):
            visit.language = language
            visit.shapes = Shapes(language, self._zone, self.gateway.clock.now())
        visit.operator = signed.account == await self.gateway.store.operation.operator()
        now = self.gateway.clock.now()
        if now - signed.seen > _TOUCH_EACH:
            await people.touch(signed.key, self.begin(signed, now))

    def _may(self, page: Page, visit: Visit) -> bool:
        if page.open:
            return True
        return visit.role in page.who and (visit.operator or not page.operator)

    async def _check_form(self, visit: Visit) -> None:
        """Refuse a form that does not come from a page of ours."""
        request = visit.request
        if request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
            raise Problem("unsupported-type", "Only forms are taken here.", close=True)
        if request.content_length is None or request.content_length > visit.page.limit:
            raise Problem("too-large", f"A form has at most {visit.page.limit:,} octets here.", close=True)
        site = request.headers.get("Sec-Fetch-Site", "")
        ours = site == "same-origin" if site else self._is_here(request, request.headers.get("Origin", ""))
        token = (await self._form(visit)).get("csrf", "") if ours else ""
        if not ours or not hmac.compare_digest(token.encode(), visit.csrf.encode()):
            raise Problem("form-not-ours", "The form does not come from a page of this site, or was open too long.")

    async def _form(self, visit: Visit) -> Mapping[str, str]:
        """Read the form; of those with files only a few at once."""
        if visit.page.limit <= FORM_LIMIT:
            return await visit.form()
        if self._large >= _LARGE_AT_ONCE:
            raise Problem("unavailable", "Many files are being sent at once.", close=True)
        self._large += 1
        try:
            return await visit.form()
        finally:
            self._large -= 1

    def _is_here(self, request: web.Request, origin: str) -> bool:
        url = self.gateway.config.portal.url
        if url:
            ours = urlsplit(url)
            return origin == f"{ours.scheme}://{ours.netloc}"
        return origin == f"{request.scheme}://{request.host}"

    def _secure(self, request: web.Request) -> bool:
        return self.gateway.config.portal.url.startswith("https:") or request.secure


def _provider(settings: Oidc) -> Provider | None:
    """The sign-in service of the configuration, if there is one."""
    if not settings.issuer:
        return None
    from gateway.portal.provider import Provider

    return Provider(settings)


def find_pages() -> Iterator[Page]:
    """Every page of every module in ``pages/``."""
    for module in sorted(pkgutil.iter_modules(page_modules.__path__), key=lambda found: found.name):
        yield from importlib.import_module(f"{page_modules.__name__}.{module.name}").PAGES


def _cookie(name: str, secure: bool) -> str:
    """``__Host-`` binds a cookie to this very host; browsers take such a name over https only."""
    return f"__Host-gateway-{name}" if secure else f"gateway-{name}"


def _language(text: str) -> Language | None:
    return next((language for language in LANGUAGES if language == text), None)


def _to_the_door(request: web.Request) -> web.Response:
    """Sign in first, then on to where they wanted to go."""
    wanted = request.rel_url.raw_path_qs if request.method == "GET" else "/"
    location = "/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='')}"
    if request.headers.get("HX-Request"):  # the answer would be put into the page
        return web.Response(status=204, headers={"HX-Redirect": location})
    return web.Response(status=303, headers={"Location": location})


def _explain(visit: Visit, error: Exception) -> web.Response:
    """An error as a page: what it is, and what to do now."""
    problem = problem_of(error)
    if problem.kind.name == "internal":
        log.error("unexpected failure of a page", exc_info=error, extra={"request": request_id.get()})
    kind = problem.kind.name if knows(f"problem.{problem.kind.name}") else "internal"
    response = visit.render(
        "problem.html", status=problem.kind.status, problem=problem, kind=kind, instance=request_id.get()
    )
    response.headers.update(problem.headers)
    if problem.close:
        response.force_close()
    return response


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in STATIC:
        raise web.HTTPNotFound
    headers = {"Cache-Control": _FOR_EVER if "v" in request.query else "no-cache"}
    charset = "utf-8" if STATIC[name].startswith("text/") else None
    return web.Response(body=static_files()[name], content_type=STATIC[name], charset=charset, headers=headers)
