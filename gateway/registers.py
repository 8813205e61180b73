"""Where our participants are entered and listed, made as the configuration says: SML, zone file, Peppol Directory."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.config import Config
from gateway.errors import ConfigurationError
from gateway.ports import Listing, Register
from gateway.security.keys import Identity, PemKey
from gateway.security.tls import client_context, show_as
from gateway.serving.own_keys import load_section
from gateway.smp.directory import open_directory
from gateway.smp.zone_register import ZoneRegister

SMP_NOT_FOUND: Final = 100
"""What an SML says that does not know our SMP."""


@asynccontextmanager
async def open_register(config: Config) -> AsyncIterator[Register | None]:
    """Where our participants are entered: the SML over SOAP, else the zone file, else nowhere."""
    smp = config.smp
    if smp.sml_url:
        from gateway.sml.client import open_sml

        tls, ours = as_smp(config), smp_url(config)
        async with open_sml(smp.sml_url, smp_id=sml_id(config), smp_url=ours, tls=tls) as client:
            yield client
    elif smp.zone_file:
        yield ZoneRegister(path=smp.zone_file, smp_url=smp_url(config), zone=config.network.sml_zone)
    else:
        yield None


@asynccontextmanager
async def open_listing(config: Config) -> AsyncIterator[Listing | None]:
    """The directory that is told of business cards; None where none is configured."""
    if not config.smp.directory_url:
        yield None
        return
    async with open_directory(config.smp.directory_url, as_smp(config)) as directory:
        yield directory


def as_smp(config: Config) -> ssl.SSLContext:
    """The TLS settings for those who know us by our SMP certificate."""
    tls = client_context(config.network.tls_trust)
    identity = _own(config)
    if identity and isinstance(identity.signer, PemKey):  # one in a module cannot be shown: the configuration says so
        show_as(tls, identity.certificate, identity.signer.key)
    return tls


def sml_id(config: Config) -> str:
    """The id of our SMP at the SML: as configured, else the seat of its certificate, else ours."""
    if config.smp.sml_id:
        return config.smp.sml_id
    identity = _own(config)
    return identity.common_name if identity else config.operator.seat_id


def _own(config: Config) -> Identity | None:
    """Our SMP's identity; raises :class:`ConfigurationError`."""
    if not config.smp.certificate or not config.smp.key:
        return None
    problems: list[tuple[str, str]] = []
    identity = load_section(config.smp, "smp", problems)
    if problems:
        raise ConfigurationError(problems)
    return identity


def smp_url(config: Config) -> str:
    """The base URL under which our SMP is registered."""
    scheme = "https" if config.smp.tls_certificate else "http"
    return (config.smp.public_url or f"{scheme}://{config.smp.listen}").rstrip("/")
