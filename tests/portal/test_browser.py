"""In Chromium: axe finds nothing on any page, language and theme; the keyboard reaches all; the policy holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.portal.axe import ADMIN, THEMES, Look, look_through
from tests.portal.browser import open_browser, why_not
from tests.portal.conftest import Site
from tests.portal.pictures import sign_in
from tests.portal.test_doubles import twice

CONTRAST = ["color-contrast", "link-in-text-block"]

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a browser")


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    async with open_browser() as opened:
        yield opened


async def test_axe_finds_nothing_and_nothing_breaks_the_policy(site: Site, browser: Any) -> None:
    url = str(site.client.make_url("")).rstrip("/")
    problems: list[str] = []
    for language, width in (("sv", 1280), ("en", 390)):  # `make axe` takes every one of both with both themes
        light, dark = (Look(language=language, width=width, theme=theme) for theme in THEMES)
        problems += (await look_through(browser, url, site.documents, light, gateway=site.gateway)).problems
        problems += (await look_through(browser, url, site.documents, dark, CONTRAST)).problems
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


@pytest.mark.parametrize("language", ["sv", "en"])
async def test_no_column_is_cut_on_today_and_on_a_document(site: Site, browser: Any, language: str) -> None:
    _, second = await twice(site, "hold")
    url = str(site.client.make_url("")).rstrip("/")
    context = await browser.new_context(locale={"sv": "sv-SE", "en": "en-GB"}[language])
    page = await context.new_page()
    await sign_in(page, url, ADMIN)
    for path in ("/", f"/documents/{second.id}"):
        await page.goto(url + path)
        for width in (1280, 1024, 390):
            await page.set_viewport_size({"width": width, "height": 900})
            cut = await page.locator(".scroll").evaluate_all("all => all.map(e => e.scrollWidth - e.clientWidth)")
            assert cut == [0], f"{path} at {width} px: {cut} px of its table cannot be seen"
