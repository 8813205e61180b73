"""Pages that no address alone leads to, for those who look at pages: every step of the second factor in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from gateway.portal.totp import code_of, step_of
from gateway.web.invitation import hash_secret
from tests.portal.second_parts import key_of
from tests.portal.stage import ALPHA, PASSWORD

CLERK = "drift@exempel.example"


async def pose(page: Any, url: str, store: Any, now: Callable[[], datetime]) -> AsyncIterator[str]:
    """Walk through it all and stop at each page, by its name; in the end the person is as before."""
    from gateway.model.person import Deed

    await page.context.clear_cookies()
    person = await store.people.named(CLERK)
    await _password(page, url)
    await page.goto(f"{url}/profile/second")
    await page.fill("#password", PASSWORD)
    await page.click("main button.main")
    await page.wait_for_selector("#code")
    key = key_of(await page.content())
    yield "second-enrol"
    await page.fill("#code", "000000")
    await page.click("main button.main")
    await page.wait_for_selector("#code-told")
    yield "second-enrol-wrong"
    await page.fill("#code", code_of(key, step_of(now())))
    await page.click("main button.main")
    await page.wait_for_selector("ul.codes")
    yield "second-codes"
    await page.goto(f"{url}/profile/second")
    yield "second-on"
    await page.context.clear_cookies()
    await _password(page, url)
    yield "second-step"
    await page.fill("#code", "000000")
    await page.click("main button.button")
    await page.wait_for_selector("[role=alert]")
    yield "second-step-wrong"
    await store.second.drop(person.id, Deed(account=ALPHA, actor=CLERK, action="second-off"))
    secret = "a-half-sign-in-of-the-pictures"
    await store.second.begin(hash_secret(secret), person.id, now().replace(year=now().year + 1))
    await page.context.add_cookies([{"name": "gateway-half", "value": secret, "url": url}])
    await page.goto(f"{url}/sign-in/second")
    yield "second-first"
    await store.second.end(hash_secret(secret))
    await page.context.clear_cookies()


async def _password(page: Any, url: str) -> None:
    await page.goto(f"{url}/sign-in")
    await page.fill("#name", CLERK)
    await page.fill("#password", PASSWORD)
    await page.click("button.main")
    await page.wait_for_url(lambda there: not there.endswith("/sign-in"))
