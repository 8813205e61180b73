"""``python -m tests.portal.pictures DIR [NAME…]``: pictures of every page, both languages and themes."""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.portal import front_of
from gateway.web.api import application
from tests.portal.browser import open_browser, why_not
from tests.portal.pages import OPEN, PAGES
from tests.portal.posed import pose
from tests.portal.stage import PASSWORD, SteadyClock, fill, open_stage

SIZES = {"wide": (1280, 900), "phone": (390, 844)}


async def take(folder: Path, only: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    clock = SteadyClock()
    with tempfile.TemporaryDirectory() as base:
        async with open_stage(Path(base), clock) as gateway, open_browser() as browser:
            documents = await fill(gateway, clock)
            runner = web.AppRunner(application(gateway, front_of(gateway)))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                await _all(browser, url, folder, documents, only)
                await _posed(browser, url, folder, gateway, only)
            finally:
                await runner.cleanup()


async def sign_in(page: Any, url: str, name: str) -> None:
    await page.goto(f"{url}/sign-in")
    await page.fill("#name", name)
    await page.fill("#password", PASSWORD)
    await page.click("button.main")
    await page.wait_for_url(f"{url}/")


async def _all(browser: Any, url: str, folder: Path, documents: Any, only: list[str]) -> None:
    for language in ("sv", "en"):
        for theme in ("light", "dark"):
            context = await browser.new_context(locale={"sv": "sv-SE", "en": "en-GB"}[language], color_scheme=theme)
            page = await context.new_page()
            for number, path in enumerate(OPEN):
                await _shoot(page, f"{url}{path}", folder, f"open{number}-{language}-{theme}", only)
            await sign_in(page, url, "admin@exempel.example")
            for shown in PAGES:
                await _shoot(page, url + shown.at(documents), folder, f"{shown.name}-{language}-{theme}", only)
            await context.close()


async def _posed(browser: Any, url: str, folder: Path, gateway: Any, only: list[str]) -> None:
    for language, theme in itertools.product(("sv", "en"), ("light", "dark")):
        context = await browser.new_context(locale={"sv": "sv-SE", "en": "en-GB"}[language], color_scheme=theme)
        page = await context.new_page()
        async for name in pose(page, url, gateway.store, gateway.clock.now):
            if not only or any(name.startswith(one) for one in only):
                await _sizes(page, folder, f"{name}-{language}-{theme}")
        await context.close()


async def _sizes(page: Any, folder: Path, name: str) -> None:
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        await page.screenshot(path=folder / f"{name}-{size}.png", full_page=True)
        print(folder / f"{name}-{size}.png")


async def _shoot(page: Any, url: str, folder: Path, name: str, only: list[str]) -> None:
    if only and not any(name.startswith(one) for one in only):
        return
    await page.goto(url)
    await _sizes(page, folder, name)


if __name__ == "__main__":
    if why := why_not():
        sys.exit(why)
    asyncio.run(take(Path(sys.argv[1]), sys.argv[2:]))
