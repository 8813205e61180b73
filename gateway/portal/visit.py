"""What a page is, and what it gets: one request of one person, with everything to answer it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlencode

from aiohttp import web

from gateway.model.identifiers import AccountId
from gateway.model.person import Deed, Role, SignedIn
from gateway.portal.drawing import draw
from gateway.portal.reasons import in_swedish
from gateway.portal.shapes import Shapes
from gateway.portal.words import LANGUAGES, Language, knows, say
from gateway.web.problem import Problem, bad_request

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.portal.front import Front

EVERYBODY: Final = frozenset(Role)
WORKERS: Final = frozenset({Role.CLERK, Role.OPERATOR, Role.ADMIN})
"""Those who may change something about documents."""
FORM_LIMIT: Final = 64_000
"""Octets of a form without files."""
MAX_FIELD: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A page's place in the menu: its word is ``menu.NAME``, its sign is NAME in ``icons.html``."""

    name: str
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One address of the web tool."""

    path: str
    show: Callable[[Visit], Awaitable[web.StreamResponse]]
    method: Literal["GET", "POST"] = "GET"
    who: frozenset[Role] = EVERYBODY
    open: bool = False
    """Without being signed in."""
    operator: bool = False
    """Only in the account of whoever runs this gateway."""
    entry: Entry | None = None
    under: str = ""
    """The menu's entry that is marked while this page is shown, if it has none itself."""
    limit: int = FORM_LIMIT
    """Octets that its form may have; files need more, and few such forms are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A file out of a form: nothing of it is believed."""

    name: str
    media_type: str
    octets: bytes


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request, by whom, and how they read."""

    request: web.Request
    gateway: Gateway
    front: Front
    page: Page
    language: Language
    theme: str
    secret: str = ""
    """Of the session, or of a visitor at the door: what the token of forms is made of."""
    shapes: Shapes
    operator: bool = False
    """Whether this is the account of whoever runs the gateway."""
    signed: SignedIn | None = None
    _form: Mapping[str, str] | None = field(default=None)

    @property
    def csrf(self) -> str:
        """What every form carries, known to pages of ours only: the secret is in a cookie that no script reads."""
        return hashlib.sha256(f"form {self.secret}".encode()).hexdigest()

    @property
    def someone(self) -> SignedIn:
        """Who it is; only for pages that are not open to all."""
        assert self.signed is not None
        return self.signed

    @property
    def account(self) -> AccountId:
        """Whose documents these are."""
        return self.someone.account

    @property
    def role(self) -> Role:
        return self.someone.role

    @property
    def may_work(self) -> bool:
        """Whether they may change something about documents."""
        return self.role in WORKERS

    @property
    def origin(self) -> str:
        """The address that the request came from."""
        return self.request.remote or ""

    def t(self, key: str, **values: object) -> str:
        """The sentence of that key in the visitor's language."""
        return say(self.language, key, **values)

    def word(self, key: str, other: str) -> str:
        """The sentence of a key made of data, or the data as it is where there is none."""
        return say(self.language, key) if knows(key) else other

    def reason(self, text: str) -> str:
        """A sentence that is kept in English, in the visitor's language."""
        return in_swedish(text) if self.language == "sv" else text

    def either(self, sv: str, en: str) -> str:
        """A sentence that is kept in both languages; what of others stands inside it was English when it was kept."""
        return en if self.language == "en" or not sv else in_swedish(en) if in_swedish(en) != en else sv

    def foreign(self, text: str) -> bool:
        """Whether that sentence is shown in English on a page that is not."""
        return self.language != "en" and bool(text) and in_swedish(text) == text and any(c.isalpha() for c in text)

    async def form(self) -> Mapping[str, str]:
        """The texts of the form. Raises a ``Problem`` for one that no page of ours sends."""
        if self._form is None:
            read = await self.request.post()
            fields = {name: value for name, value in read.items() if isinstance(value, str)}
            if len(fields) != len([value for value in read.values() if isinstance(value, str)]):
                raise bad_request("form", "A field stands twice in the form.")
            for name, value in fields.items():
                if len(value) > MAX_FIELD or "\0" in value:
                    raise bad_request(f"form:{name[:40]}", f"{name[:40]} is a text of at most {MAX_FIELD} characters.")
            self._form = fields
        return self._form

    async def files(self, name: str, most: int) -> list[Uploaded]:
        """The files of that field, as they came, read into memory one after another; empty ones are none.

        Only for pages whose ``limit`` leaves room for them. Raises a ``Problem`` for more than ``most``.
        """
        await self.form()
        found = []
        for value in (await self.request.post()).getall(name, []):
            if isinstance(value, web.FileField):
                octets = await asyncio.to_thread(value.file.read)
                if octets:
                    found.append(Uploaded(name=value.filename, media_type=value.content_type, octets=octets))
        if len(found) > most:
            raise bad_request(f"form:{name}", f"At most {most} files are taken at once.")
        return found

    def deed(self, action: str, subject: str = "", detail: str = "") -> Deed:
        """What is done now, for the audit log; ``audit.ACTION`` is its sentence."""
        return Deed(
            account=self.account,
            actor=self.someone.person.name,
            action=action,
            subject=subject,
            detail=detail,
            origin=self.origin,
        )

    def render(self, template: str, *, status: int = 200, **values: object) -> web.Response:
        """The page as HTML."""
        known = {"visit": self, "t": self.t, "shape": self.shapes, "languages": LANGUAGES}
        said = self.request.query.get("said", "")
        known["here"] = self.page.entry.name if self.page.entry else self.page.under
        known["service"] = self.front.provider.settings.label if self.front.provider else ""
        known["said"] = said if knows(f"said.{said}") else ""
        text = draw(template, known | {"menu": self.front.menu(self)} | values)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def go(self, path: str, *, said: str = "", **query: str) -> web.Response:
        """After a form: on to a page (303), which tells ``said.SAID``."""
        wanted = {**query, **({"said": said} if said else {})}
        location = f"{path}{'&' if '?' in path else '?'}{urlencode(wanted)}" if wanted else path
        return web.Response(status=303, headers={"Location": location})


def forbidden() -> Problem:
    """What somebody may not see is not there for them."""
    return Problem("not-found", "There is nothing at this address.")
