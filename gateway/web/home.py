"""Pages for people who open the address in a browser: what this is, the API description, the kinds of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway import __version__
from gateway.errors import NotFound
from gateway.web.answers import answer
from gateway.web.problem import KINDS
from gateway.web.query import no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "docs" / "api.md"

_HOME: Final = """\
<h1>Access point gateway</h1>
<p>This is an access point for electronic invoices, run by {operator} (version {version}). Business systems hand in
invoices here; each one leaves by the most electronic way its receiver can take: over the Peppol network, by e-mail,
or as a letter. Documents for companies that receive here wait in the inbox.</p>
<ul>
<li><a href="/api">API description</a>: the calls under <code>/v1</code>, with examples</li>
<li><a href="/readyz">Is it ready?</a></li>
</ul>
<p>The calls need a key, which the operator gives you.</p>
<p>The web tool for people is not served here: it needs <code>[portal] enabled</code> and
<code>pip install 'access-point-gateway[portal]'</code>.</p>
"""


@dataclass(frozen=True, slots=True)
class Home:
    """The pages beside the API."""

    gateway: Gateway
    alone: bool = True
    """Whether nothing else stands at ``/``."""

    def routes(self) -> list[web.RouteDef]:
        """Where each page stands."""
        return [
            *([web.get("/", self.home)] if self.alone else ()),
            web.get("/api", self.description),
            web.get("/api/openapi.json", self.openapi),
            web.get("/problems/{name:[a-z-]{1,40}}", self.kind),
        ]

    async def home(self, request: web.Request) -> web.Response:
        """What this is."""
        no_query(request)
        return _html(
            "Access point gateway",
            _HOME.format(operator=escape(self.gateway.config.operator.name), version=escape(__version__)),
        )

    async def description(self, request: web.Request) -> web.Response:
        """The API description, as Markdown."""
        no_query(request)
        return web.Response(text=read_description(), content_type="text/markdown", charset="utf-8")

    async def openapi(self, request: web.Request) -> web.Response:
        """The API description for programs: OpenAPI 3.1."""
        no_query(request)
        from gateway.web.openapi import write_openapi  # few ask for it

        return answer(write_openapi())

    async def kind(self, request: web.Request) -> web.Response:
        """One kind of refusal: what the ``type`` of a problem refers to."""
        no_query(request)
        kind = KINDS.get(request.match_info["name"])
        if kind is None:
            raise NotFound("There is no such kind of refusal.")
        text = f"<h1>{escape(kind.title)}</h1>\n<p>HTTP status {kind.status}. {escape(kind.remedy)}</p>\n"
        return _html(kind.title, text + '<p><a href="/api">API description</a></p>\n')


def read_description() -> str:
    """``docs/api.md``: in a checkout where it is, in an installed package beside this file."""
    packed = resources.files("gateway.web").joinpath("api.md")
    return packed.read_text(encoding="utf-8") if packed.is_file() else _CHECKOUT.read_text(encoding="utf-8")


def _html(title: str, body: str) -> web.Response:
    head = f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
    return web.Response(text=f"{head}<body>\n{body}</body>\n</html>\n", content_type="text/html", charset="utf-8")
