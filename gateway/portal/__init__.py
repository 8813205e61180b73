"""The web tool: pages for people, on the same site as the API.

Server-rendered HTML that reads without JavaScript; htmx only saves a reload here and there. From the outside in:
``front.py`` puts the pages into the site and stands around each (session, role, CSRF, errors, headers), ``visit.py`` is
what a page gets, ``entrance.py`` and ``passwords.py`` are how people come in, ``drawing.py`` makes HTML of templates,
``words.py`` has every sentence in Swedish and English, ``shapes.py`` writes numbers and dates.

**To add a page** (look at ``pages/today.py`` and ``templates/today.html``):

1. ``pages/NAME.py`` with ``PAGES``: a :class:`~gateway.portal.visit.Page` for each address: path, who may see it, the
   function that answers, and for the menu an ``Entry``. It is found by being there.
2. The function takes a ``Visit`` and gives ``visit.render("NAME.html", …)``; a form (``method="POST"``) reads
   ``await visit.form()``, does its work with ``visit.deed(…)``, which is noted in the audit log, and gives
   ``visit.go("/where", said="saved")``. The account is ``visit.account``: never take one from the request.
3. ``templates/NAME.html`` extends ``base.html`` and builds of the macros in ``parts.html``: ``head``, ``chip``,
   ``notice``, ``empty``, ``field``, ``select``, ``form``, ``deed`` (a button that is a form). No text stands in it,
   only ``t("NAME.title")``; no ``style`` attribute and no script, which the content security policy would refuse.
4. The sentences in ``words/sv/NAME.json`` and ``words/en/NAME.json``, under the same keys.
5. A row for the page in ``tests/portal/pages.py``: who may see it is then tested, it is looked through by axe in both
   languages and themes, and ``python -m tests.portal.pictures DIR`` makes its pictures.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.portal.front import Front

EXTRA: Final = ("jinja2", "argon2")


def installed() -> bool:
    """Whether the extra ``portal`` is there."""
    return all(find_spec(name) is not None for name in EXTRA)


def front_of(gateway: Gateway) -> Front | None:
    """What stands at ``/``, or None where the web tool is switched off or not installed."""
    if not (gateway.config.portal.enabled and installed()):
        return None
    from gateway.portal.front import Front

    return Front(gateway)


async def first_path(gateway: Gateway) -> str:
    """Where the first administrator chooses a password, as long as nobody has one; else empty."""
    if not (gateway.config.portal.enabled and installed()) or (gateway.siblings and gateway.siblings.place != 1):
        return ""
    from gateway.portal.entrance import first_code
    from gateway.web.invitation import code_path

    code = await first_code(gateway)
    return code_path(code) if code else ""
