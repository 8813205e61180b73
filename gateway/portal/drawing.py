"""HTML of templates: everything escaped, an unknown name or sentence is an error and not an empty place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC: Final = {"portal.css": "text/css", "htmx.min.js": "text/javascript", "icon.svg": "image/svg+xml"}


@cache
def environment() -> Environment:
    """The templates. Jinja takes a tenth of a second to import: the first page does it, not the start."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.portal"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"static": address, "options": options}
    return made


@cache
def static_files() -> Mapping[str, bytes]:
    """What stands under ``/portal/``."""
    folder = resources.files("gateway.portal").joinpath("static")
    return {name: folder.joinpath(name).read_bytes() for name in STATIC}


@cache
def address(name: str) -> str:
    """Where a file stands; another version has another address, so that browsers may keep it for ever."""
    return f"/portal/{name}?v={hashlib.sha256(static_files()[name]).hexdigest()[:12]}"


def options(t: Callable[[str], str], prefix: str, values: Iterable[str], every: str = "") -> list[tuple[str, str]]:
    """What a ``select`` offers: values of data with their words; ``every`` is the word for all of them."""
    return [*([("", t(every))] if every else []), *((value, t(f"{prefix}.{value}")) for value in values)]


def draw(template: str, values: Mapping[str, object]) -> str:
    """The page."""
    return environment().get_template(template).render(values)
