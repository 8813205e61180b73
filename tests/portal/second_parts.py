"""A device of somebody, for tests: reads the key off the page and shows codes."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from gateway.portal.totp import code_of, step_of
from tests.portal.conftest import Answer, Visitor
from tests.portal.stage import PASSWORD, SteadyClock


@dataclass
class Device:
    """An authenticator app."""

    key: bytes
    clock: SteadyClock

    def code(self, steps: int = 0) -> str:
        return code_of(self.key, step_of(self.clock.time) + steps)


def key_of(page: str) -> bytes:
    """Type the key in by hand."""
    found = re.search(r'<p class="code">([A-Z2-7 ]{39})</p>', page)
    assert found is not None
    return base64.b32decode(found[1].replace(" ", ""))


def device_of(page: str, clock: SteadyClock) -> Device:
    return Device(key_of(page), clock)


def sealed_of(page: str) -> str:
    found = re.search(r'name="sealed" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def codes_of(page: str) -> list[str]:
    return re.findall(r"<li>([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3})</li>", page)


async def enrol(visitor: Visitor, clock: SteadyClock) -> tuple[Device, list[str]]:
    """Switch it on in the profile."""
    offered = await visitor.send("/profile/second/begin", {"password": PASSWORD})
    device = device_of(offered.text, clock)
    done = await visitor.send("/profile/second", {"sealed": sealed_of(offered.text), "code": device.code()})
    assert done.status == 200
    visitor.token = (await visitor.get("/profile")).csrf
    return device, codes_of(done.text)


async def give_code(visitor: Visitor, code: str, **more: str) -> Answer:
    """The second step, after the first."""
    visitor.token = (await visitor.get("/sign-in/second")).csrf
    return await visitor.send("/sign-in/second", {"code": code, **more})
