"""``gateway sml``: what the SML knows of our SMP, and what it must be told besides participants."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from gateway.cli import NO, YES
from gateway.cli.terminal import as_json, paint
from gateway.config import Config, load
from gateway.errors import ConfigurationError, InvalidAddress, RegisterRefused

if TYPE_CHECKING:
    from pathlib import Path


def show(arguments: argparse.Namespace) -> int:
    """Our SMP as the SML has it, and whether its address is ours."""

    from gateway.registers import SMP_NOT_FOUND

    async def work(sml: Any) -> dict[str, object]:
        try:
            held = await sml.read_publisher()
        except RegisterRefused as refused:
            if refused.code != SMP_NOT_FOUND:
                raise
            held = ""
        return {"smp_id": sml.smp_id, "registered": bool(held), "address": held or None, "ours": sml.smp_url}

    found = _with(arguments, work)
    same = found["address"] == found["ours"]
    if arguments.json:
        as_json(found)
    elif not found["registered"]:
        print(f"{paint('✗', 'red')} the SML does not know {found['smp_id']}; the first participant makes it known")
    elif same:
        print(f"{paint('✓', 'green')} {found['smp_id']} is registered with {found['address']}")
    else:
        print(
            f"{paint('!', 'yellow')} {found['smp_id']} is registered with {found['address']}, ours is {found['ours']}"
        )
        print("  Tell the SML: gateway sml address")
    return YES if same else NO


def list_all(arguments: argparse.Namespace) -> int:
    """Every participant that the SML has for our SMP."""

    async def work(sml: Any) -> list[str]:
        return [known.value async for known in sml.participants()]

    for value in _with(arguments, work):
        as_json({"participant": value}) if arguments.json else print(value)
    return YES


def address(arguments: argparse.Namespace) -> int:
    """Tell the SML the address of our SMP as it is configured now; every participant follows."""

    async def work(sml: Any) -> str:
        await sml.update_publisher()
        return str(sml.smp_url)

    url = _with(arguments, work)
    as_json({"address": url}) if arguments.json else print(f"{paint('✓', 'green')} the SML has {url} now")
    return YES


def certificate(arguments: argparse.Namespace) -> int:
    """Announce the SMP's next certificate, with the present one, before that ends."""
    pem, day = _next_certificate(arguments.file, arguments.on)

    async def work(sml: Any) -> None:
        await sml.announce_certificate(pem, day)

    _with(arguments, work)
    when = f"on {day}" if day else "when its validity begins"
    if arguments.json:
        as_json({"announced": True, "on": str(day) if day else None})
    else:
        print(f"{paint('✓', 'green')} the SML takes the new certificate {when}; put it into [smp] then, not before")
    return YES


def _next_certificate(file: Path, on: str | None) -> tuple[str, date | None]:
    """The leaf as PEM and the day. Raises what is wrong with either before the SML is asked."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    now = datetime.now(UTC)
    try:
        leaf = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise ConfigurationError([(str(file), f"cannot be read as a PEM certificate: {error}")]) from None
    if leaf.not_valid_after_utc <= now:
        raise ConfigurationError([(str(file), f"has expired on {leaf.not_valid_after_utc:%Y-%m-%d}")])
    day = None
    if on:
        try:
            day = date.fromisoformat(on)
        except ValueError:
            raise InvalidAddress(f"“{on[:40]}” is no day", remedy="Write it as 2027-01-31.") from None
        if not now.date() < day <= leaf.not_valid_after_utc.date():
            raise InvalidAddress(f"{day} is not after today and within the validity of the certificate")
    elif leaf.not_valid_before_utc.date() < now.date():
        raise InvalidAddress(
            f"the certificate has been valid since {leaf.not_valid_before_utc:%Y-%m-%d}, which the SML does not take",
            remedy="Say when it takes over: --on DAY, later than today.",
        )
    return leaf.public_bytes(Encoding.PEM).decode(), day


def _with(arguments: argparse.Namespace, work: Callable[[Any], Awaitable[Any]]) -> Any:
    config = load(arguments.config)
    if not config.smp.sml_url:
        raise ConfigurationError([("smp.sml_url", "names no SML")])
    return asyncio.run(_run(config, work))


async def _run(config: Config, work: Callable[[Any], Awaitable[Any]]) -> Any:
    from gateway.registers import open_register

    async with open_register(config) as sml:
        return await work(sml)
