"""``python -m tests.portal.axe``: axe over every page, both languages, both themes, wide and on a phone, in one run.

Prints pages × findings for each look, and each finding; ends with 1 where there is one.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.portal import front_of
from gateway.web.api import application
from tests.portal.browser import open_browser, why_not
from tests.portal.pages import OPEN, PAGES
from tests.portal.pictures import sign_in
from tests.portal.posed import pose
from tests.portal.stage import SteadyClock, fill, open_stage

AXE = Path(__file__).with_name("axe.min.js")
ADMIN = "admin@exempel.example"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (1280, 390)
THEMES = ("light", "dark")
LOCALES = {"sv": "sv-SE", "en": "en-GB"}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a page is looked at."""

    language: str
    width: int
    theme: str

    def __str__(self) -> str:
        return f"{self.language} {self.width} px {self.theme}"


LOOKS = tuple(
    Look(language=language, width=width, theme=theme)
    for language, width, theme in itertools.product(LOCALES, WIDTHS, THEMES)
)


@dataclass
class Seen:
    """What one look found."""

    pages: int = 0
    problems: list[str] = field(default_factory=list)


def paths(documents: Any) -> list[str]:
    """Every page, those of strangers first, and a page that there is not."""
    return [*OPEN, *(shown.at(documents) for shown in PAGES), "/documents/none"]


async def look_through(
    browser: Any, url: str, documents: Any, look: Look, rules: Sequence[str] = (), gateway: Any = None
) -> Seen:
    """Open every page and let axe look at it, with these rules or all; one wider than the window is found too.

    With the gateway also the pages that no address alone leads to.
    """
    seen, refused = Seen(), list[str]()
    context = await browser.new_context(
        locale=LOCALES[look.language],
        color_scheme=look.theme,
        reduced_motion="reduce",
        viewport={"width": look.width, "height": 844},
    )
    await context.add_init_script(path=AXE)
    page = await context.new_page()
    page.on("console", lambda told: refused.append(told.text) if "Content Security Policy" in told.text else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    run = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {"runOnly": TAGS}

    async def judge(path: str) -> None:
        found = await page.evaluate("run => axe.run(document, run)", run)
        problems = [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        problems += [f"{wide} pixels wider than the window"] if wide > 0 else []
        seen.problems += [f"{path} {look}: {one}" for one in (*problems, *refused)]
        seen.pages += 1
        refused.clear()

    for place, path in enumerate(paths(documents)):
        if place == len(OPEN):
            await sign_in(page, url, ADMIN)
        await page.goto(url + path)
        await judge(path)
    if gateway is not None:
        async for name in pose(page, url, gateway.store, gateway.clock.now):
            await judge(name)
    await context.close()
    return seen


async def main() -> int:
    """Every look; gives the number of findings."""
    clock, pages, problems = SteadyClock(), 0, 0
    with tempfile.TemporaryDirectory() as base:
        async with open_stage(Path(base), clock) as gateway, open_browser() as browser:
            documents = await fill(gateway, clock)
            runner = web.AppRunner(application(gateway, front_of(gateway)))
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                for look in LOOKS:
                    seen = await look_through(browser, url, documents, look, gateway=gateway)
                    print(f"{look!s:20} {seen.pages:4} pages × {len(seen.problems)} findings", flush=True)
                    print(*seen.problems, sep="\n", end="\n" if seen.problems else "")
                    pages, problems = pages + seen.pages, problems + len(seen.problems)
            finally:
                await runner.cleanup()
    print(f"{'all':20} {pages:4} pages × {problems} findings")
    return problems


if __name__ == "__main__":
    if why := why_not():
        sys.exit(why)
    sys.exit(1 if asyncio.run(main()) else 0)
