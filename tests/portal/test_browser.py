"""In Chromium: axe finds nothing on any page, language and theme; the keyboard reaches all; the policy holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.portal.browser import open_browser, why_not
from tests.portal.conftest import Site
from tests.portal.pages import OPEN, PAGES
from tests.portal.pictures import sign_in

AXE = Path(__file__).with_name("axe.min.js")
ADMIN = "admin@exempel.example"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

CONTRAST = ["color-contrast", "link-in-text-block"]

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a browser")


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    async with open_browser() as opened:
        yield opened


async def _violations(page: Any) -> list[str]:
    """Everything in the light, then once more what another theme can change."""
    found = []
    for theme, run in (("light", {"runOnly": TAGS}), ("dark", {"runOnly": {"type": "rule", "values": CONTRAST}})):
        await page.emulate_media(color_scheme=theme)
        told = await page.evaluate("run => axe.run(document, run)", run)
        found += [f"{theme} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in told["violations"]]
    return found


async def test_axe_finds_nothing_and_nothing_breaks_the_policy(site: Site, browser: Any) -> None:
    url = str(site.client.make_url("")).rstrip("/")
    problems: list[str] = []
    refused: list[str] = []
    for language, width in (("sv", 1280), ("en", 390)):
        context = await browser.new_context(
            locale={"sv": "sv-SE", "en": "en-GB"}[language],
            reduced_motion="reduce",
            viewport={"width": width, "height": 844},
        )
        await context.add_init_script(path=AXE)
        page = await context.new_page()
        page.on("console", lambda told: refused.append(told.text) if "Content Security Policy" in told.text else None)
        page.on("pageerror", lambda error: refused.append(str(error)))
        paths = [*OPEN, *(shown.at(site.documents) for shown in PAGES), "/documents/none"]
        for place, path in enumerate(paths):
            if place == len(OPEN):
                await sign_in(page, url, ADMIN)
            await page.goto(url + path)
            assert not refused, (path, refused)
            problems += [f"{path} {language} {width}: {one}" for one in await _violations(page)]
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                problems.append(f"{path} {language} {width}: {wide} pixels wider than the window")
        await context.close()
    assert not problems, "\n".join(problems)


async def test_the_keyboard_reaches_the_content_first_and_everything_in_order(site: Site, browser: Any) -> None:
    url = str(site.client.make_url("")).rstrip("/")
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    await sign_in(page, url, ADMIN)
    await page.goto(f"{url}/documents")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('main') !== null")
    things = 'a, button, input:not([type=hidden]), select, [tabindex="0"]'
    wanted = await page.locator("main").locator(things).count()
    reached = 1
    while await page.evaluate("document.activeElement !== document.querySelector('main tbody tr:last-child a')"):
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Tab")
        reached += 1
        assert reached <= wanted


async def test_the_search_finds_without_a_reload_and_the_page_reads_without_scripts(site: Site, browser: Any) -> None:
    url = str(site.client.make_url("")).rstrip("/")
    page = await browser.new_page()
    await sign_in(page, url, ADMIN)
    await page.goto(f"{url}/documents")
    await page.evaluate("window.still = true")
    await page.fill("#q", "2026-1041")
    await page.locator("#found tbody tr").nth(1).wait_for(state="detached")
    assert await page.locator("#found tbody tr").count() == 1
    assert await page.evaluate("window.still") is True
    assert "q=2026-1041" in page.url
    state = await page.context.storage_state()
    plain = await browser.new_context(java_script_enabled=False, storage_state=state)
    page = await plain.new_page()
    await page.goto(f"{url}/documents")
    await page.fill("#q", "F-88213")
    await page.click("form[role=search] button")
    assert await page.locator("#found tbody tr").count() == 1
