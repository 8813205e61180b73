"""The composition root: the only file that knows everyone.

``open_gateway(config)`` makes the parts, gives each what it needs by constructor, and takes them down in
reverse order. A test can open several gateways side by side; there is no global state.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import socket
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from cryptography import x509

import gateway.delivery
import gateway.fallback
from gateway.as4 import large
from gateway.as4.client import As4Client
from gateway.as4.gzipped import compress
from gateway.as4.http import As4Endpoint
from gateway.as4.limits import LIMITS, Limits
from gateway.config import Config, Patience
from gateway.connecting import Guard
from gateway.connecting.calls import Calls
from gateway.correspondence import Correspondence, open_correspondence
from gateway.discovery import ChannelContext, open_channel, open_delivery
from gateway.errors import ConfigurationError
from gateway.exchange.antivirus import Antivirus
from gateway.exchange.breakers import Breakers
from gateway.exchange.checking import Checking
from gateway.exchange.door import Door
from gateway.exchange.doubles import doubles_of
from gateway.exchange.inbound import Inbound
from gateway.exchange.letters import Lettered, PostRoom
from gateway.exchange.outbound import Outbound, Workshop
from gateway.exchange.paper_before import PaperBefore
from gateway.exchange.ping import Ping
from gateway.exchange.provider import asked_of, join, make_statuses
from gateway.exchange.registrar import Registrar
from gateway.exchange.responses import Responses
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.returns import Returns
from gateway.exchange.routing import make_routing
from gateway.exchange.rules import open_rules
from gateway.exchange.sweeping import Sweeping, make_sweeping
from gateway.exchange.worker import Worker
from gateway.files import Spool, write_durably
from gateway.files.spool import AT_ONCE
from gateway.model.identifiers import AccountId, MessageId, ParticipantId
from gateway.model.message import Participant
from gateway.model.registration import Registration, Stage
from gateway.model.view import describe
from gateway.pki import anchors
from gateway.pki.certificates import Certificates
from gateway.pki.watch import Watch, open_watch
from gateway.ports import Bureau, Channel, Clock, Closable, Periods, Store
from gateway.registers import open_listing, open_register, smp_url
from gateway.scanners import Scanning, open_antivirus, open_attachments, open_scanning
from gateway.scanning.leafing import Leafing
from gateway.security.keys import Identity
from gateway.security.tls import client_context
from gateway.security.trust import Trust
from gateway.security.weburl import WebRules
from gateway.serving.board import Siblings
from gateway.serving.keeping import periods_of, room_of
from gateway.serving.meters import Meters
from gateway.serving.own_keys import Loaded, OwnKeys, load_keys
from gateway.serving.timekeeping import Timekeeping
from gateway.smp.client import SmpLookup
from gateway.store import open_store
from gateway.store.objects import open_objects
from gateway.ubl import large as ubl_large
from gateway.ubl import sbdh

log = logging.getLogger(__name__)

KEY_PREFIX: Final = "gwk_"
FIRST_ACCOUNT: Final = AccountId("main")
_SENT_AT_ONCE: Final = 4
"""Large documents on their way out: one slow receiver does not hold up the next."""
_FETCHED_AT_ONCE: Final = 8
CHANNELS: Final = ("email", "print")
"""Fallback channels in the order in which they are tried: the cheaper and quicker one first."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One running access point: what the edges (API, CLI, server) may use."""

    config: Config
    clock: Clock
    store: Store
    outbound: Outbound
    inbound: Inbound
    worker: Worker
    registrar: Registrar
    lookup: SmpLookup
    endpoint: As4Endpoint
    handing_in: Spool | None = None
    """For large documents on their way in over the API."""
    handing_out: Spool | None = None
    """For large answers of the API."""
    post_room: PostRoom
    sweeping: Sweeping
    """Looks customers up anew."""
    keys: OwnKeys
    """Our identities, and what our SMP says of them: may change at any time."""
    certificates: Certificates
    mail: Correspondence | None = None
    """Where mail comes in, and what it means for what went out."""
    started: datetime
    door: Door = field(default_factory=Door)
    """Whether anything new may come in."""
    timekeeping: Timekeeping = field(default_factory=Timekeeping)
    meters: Meters = field(default_factory=Meters)
    checking: Checking = field(default_factory=Checking)
    """Counterparts that people want looked up, many at once."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it is about to stop: probes hear so first, so that nobody is sent here any more."""
    siblings: Siblings | None = None
    """The other processes of this gateway, when there are any."""
    scanning: Scanning | None = None
    """What takes in paper and PDF, where ``[scan]`` asks for it."""
    leafing: Leafing = field(default_factory=Leafing)
    """Shows a page of a file to a person."""
    antivirus: Antivirus | None = None
    """Shows the files of strangers to a virus scanner, where ``[antivirus]`` names one."""
    periods: Periods = field(default_factory=Periods)
    """How long what is kept."""
    limit: int = LIMITS.inflated
    """Octets that a document may have; its envelope hardly more."""
    first_key: str
    """The API key of the first account, when this start made it: to be shown once."""

    async def publish(self, participant: Participant, key: str = "") -> Registration:
        """Add one of our own participants and enter it in the register; what comes after goes on by itself.

        Raises ``Conflict`` when another account or another SMP has it.
        """
        return await self.registrar.advance(await self.registrar.put_on(participant, key), until=Stage.REGISTERED)

    async def unpublish(self, account: AccountId, id: ParticipantId) -> Registration:
        """Take the participant off the network and out of the store, as far as that can be done now."""
        return await self.registrar.advance(await self.registrar.take_off(account, id))


@asynccontextmanager
async def open_gateway(
    config: Config, clock: Clock | None = None, *, held: int | None = None, siblings: Siblings | None = None
) -> AsyncIterator[Gateway]:
    """Put a gateway together. Raises :class:`ConfigurationError` with every problem of files and keys at once.

    ``held`` is the descriptor of ``gateway.store.hold_store`` where this is one of several processes, ``siblings`` what
    they know of each other.
    """
    clock = clock or SystemClock()
    parts = read_files(config)
    context = ChannelContext(base=config.base, describe=describe, clock=clock)
    fallbacks, deliveries, patience = _channels(config, context)
    # The same at the next start, and no other node's: what a dead process had in hand is its successor's.
    owner = f"{socket.gethostname()} {config.as4.listen.port} {siblings.place if siblings else 1}"
    async with AsyncExitStack() as stack:
        for channel in (*fallbacks.values(), *deliveries.values()):
            if isinstance(channel, Closable):
                stack.push_async_callback(channel.aclose)
        rules = await stack.enter_async_context(open_rules(config.rules, config.network.kind))
        store = await stack.enter_async_context(
            open_store(
                config.store.database, config.store.payloads, clock=clock, base=config.base, held=held, owner=owner
            )
        )
        if config.store.bucket:
            store.keep_large_in(open_objects(config.store, config.base))
        bureau = printing if isinstance(printing := fallbacks.get("print"), Bureau) else None
        if bureau is not None:
            fallbacks["print"] = Lettered(channel=fallbacks["print"], store=store, clock=clock, kind=bureau.kind)
        door = Door(room=room_of(config), store=store, most_waiting=config.store.most_waiting)
        receiving, handing_in = (stack.enter_context(_spool(config, at_once=AT_ONCE)) for _ in range(2))
        sending = stack.enter_context(_spool(config, at_once=_SENT_AT_ONCE))
        handing_out = stack.enter_context(_spool(config, at_once=_FETCHED_AT_ONCE))
        limits = Limits(message=config.as4.max_message, inflated=min(4 * config.as4.max_message, LIMITS.inflated))
        first_key = await _first_key(store, config)
        calls = await stack.enter_async_context(open_calls(config))
        keys = OwnKeys(config=config, loaded=parts.keys, clock=clock, smp_url=smp_url(config))
        own = keys.certificates
        watch = await stack.enter_async_context(open_revocation(config, parts.trust, clock, own))
        lookup = await stack.enter_async_context(open_lookup(config, parts.trust, clock, watch))
        timekeeping, meters = Timekeeping(), Meters()
        retry = RetryPolicy(
            first=config.sending.first_retry,
            longest=config.sending.longest_pause,
            window=config.sending.retry_for,
            ahead=lambda: timekeeping.ahead,
        )
        breakers = Breakers(after=config.sending.rest_after)
        antivirus = open_antivirus(config, breakers)
        message_id = partial(_new_message_id, config.operator.seat_id)
        responses = Responses(store=store, clock=clock, country=config.operator.country)
        routing = make_routing(store, clock, tuple(fallbacks), config.operator.country, config.sending.refusals)
        statuses = make_statuses(config, store=store, clock=clock, retry=retry, message_id=message_id)
        outbound = Outbound(
            store=store,
            lookup=lookup,
            transport=As4Client(identity=keys.access_point, trust=parts.trust, clock=clock, calls=calls),
            channels=fallbacks,
            clock=clock,
            retry=retry,
            pack=compress,
            message_id=message_id,
            country=config.operator.country,
            large=Workshop(spool=sending, pack=large.pack, limit=limits.inflated),
            rules=rules,
            doubles=doubles_of(config.rules),
            breakers=breakers,
            routing=routing,
            mls=asked_of(config),
        )
        returns = Returns(store=store, clock=clock, routing=outbound.routing, lookup=lookup)
        inbound = Inbound(
            store=store,
            deliveries=deliveries,
            clock=clock,
            retry=retry,
            retries={name: _retry(one) for name, one in patience.items()},
            rules=rules,
            breakers=breakers,
            statuses=statuses,
            responses=responses,
            attachments=open_attachments(config, store, clock, antivirus),
            paper=PaperBefore(store=store),
        )
        worker = Worker(
            store=store,
            outbound=outbound,
            inbound=inbound,
            clock=clock,
            retry=retry,
            at_once=config.sending.at_once,
            quarantine_after=config.sending.quarantine_after,
            owner=owner,
            handed_over=meters.handed_over,
        )
        scanning = open_scanning(config, store, clock, deliveries, antivirus)
        intake = scanning.scans if scanning else None
        mail = open_correspondence(
            config, store=store, outbound=outbound, clock=clock, channels=fallbacks, intake=intake
        )
        endpoint = As4Endpoint(
            identity=keys.access_point,
            trust=parts.trust,
            limits=limits,
            clock=clock,
            unwrap=sbdh.unwrap,
            accept=inbound.receive,
            large=large.Large(spool=receiving, unwrap=partial(ubl_large.unwrap, limit=limits.inflated)),
            door=door.refusal,
            answered=meters.answered,
        )
        registrar = Registrar(
            store=store,
            register=await stack.enter_async_context(open_register(config)),
            outside=lookup,
            test=Ping(transport=outbound.transport, clock=clock, pack=compress, message_id=outbound.message_id).send,
            clock=clock,
            smp_url=smp_url(config),
            seat=config.operator.seat_id,
            directory=await stack.enter_async_context(open_listing(config)),
            immediate=not config.smp.sml_url,
        )
        await join(registrar, config, FIRST_ACCOUNT)
        yield Gateway(
            config=config,
            clock=clock,
            store=store,
            outbound=outbound,
            inbound=inbound,
            worker=worker,
            registrar=registrar,
            lookup=lookup,
            endpoint=endpoint,
            post_room=PostRoom(store=store, clock=clock, bureau=bureau, returns=returns),
            sweeping=make_sweeping(config.sweep, store, clock, lookup, routing, owner),
            handing_in=handing_in,
            handing_out=handing_out,
            limit=limits.inflated,
            door=door,
            periods=periods_of(config),
            timekeeping=timekeeping,
            meters=meters,
            keys=keys,
            mail=mail,
            certificates=Certificates(own=own, trust=parts.trust, clock=clock, watch=watch),
            started=clock.now(),
            siblings=siblings,
            scanning=scanning,
            antivirus=antivirus,
            first_key=first_key,
        )


@contextmanager
def _spool(config: Config, *, at_once: int) -> Iterator[Spool]:
    """A spool beside the payloads, so that a file there gets its lasting name without being copied."""
    spool = Spool(config.base / config.store.payloads / ".spool", at_once=at_once)
    try:
        spool.open()
    except OSError as error:
        raise ConfigurationError([("store.payloads", f"cannot be written: {error.strerror}")]) from error
    try:
        yield spool
    finally:
        spool.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What the configuration names as files, loaded and checked."""

    trust: Trust
    keys: Loaded

    @property
    def access_point(self) -> Identity:
        return self.keys.access_point

    @property
    def smp(self) -> Identity | None:
        return self.keys.smp


def read_files(config: Config) -> Files:
    """Load anchors, certificates and keys; raises :class:`ConfigurationError` with every problem at once."""
    problems: list[tuple[str, str]] = []
    trust = anchors.read_trust(config.network, problems)
    keys = load_keys(config, problems)
    for section, identity in (("as4", keys and keys.access_point), ("smp", keys and keys.smp)):
        if trust.revocations and identity and not (config.network.crl_urls or anchors.names_source(identity)):
            text = f"is crl, but {section}.certificate names no revocation list: name it in network.crl_urls"
            problems.append(("network.revocation", f"{text}, or write off (private networks only)"))
    if problems or keys is None:
        raise ConfigurationError(problems)
    return Files(trust=trust, keys=keys)


def read_trust(config: Config) -> Trust:
    """Only the anchors: what ``gateway lookup`` needs. Raises :class:`ConfigurationError`."""
    problems: list[tuple[str, str]] = []
    trust = anchors.read_trust(config.network, problems)
    if problems:
        raise ConfigurationError(problems)
    return trust


@asynccontextmanager
async def open_revocation(
    config: Config, trust: Trust, clock: Clock, own: Sequence[x509.Certificate] = ()
) -> AsyncIterator[Watch | None]:
    """What fetches the revocation lists, with those of the last run read from disk; None where none are asked."""
    if trust.revocations is None:
        yield None
        return
    network = config.network
    rules = WebRules(allow_http=network.allow_http, allow_loopback=network.allow_loopback, plain_http=True)
    async with open_watch(
        trust,
        guard=Guard(rules),
        rules=rules,
        directory=network.crl_cache,
        addresses=network.crl_urls,
        clock=clock,
        own=own,
    ) as watch:
        yield watch


@asynccontextmanager
async def open_calls(config: Config) -> AsyncIterator[Calls]:
    """One pool of kept connections to other access points: only to addresses that the network's rules allow."""
    rules = WebRules(allow_http=config.network.allow_http, allow_loopback=config.network.allow_loopback)
    calls = Calls(resolver=Guard(rules), tls=client_context(config.network.tls_trust))
    try:
        yield calls
    finally:
        await calls.close()


@asynccontextmanager
async def open_lookup(
    config: Config, trust: Trust, clock: Clock, watch: Watch | None = None
) -> AsyncIterator[SmpLookup]:
    """The relation search; without ``watch`` it fetches the revocation lists itself, as ``gateway lookup`` does."""
    network = config.network
    async with AsyncExitStack() as stack:
        watch = watch or await stack.enter_async_context(open_revocation(config, trust, clock))
        yield await stack.enter_async_context(
            SmpLookup.open(
                trust=trust,
                zone=sml_zone(config),
                dns_servers=tuple((a.host, a.port) for a in network.dns_servers),
                allow_http=network.allow_http,
                allow_loopback=network.allow_loopback,
                tls=client_context(network.tls_trust),
                clock=clock,
                settle=watch.settle if watch else None,
                per_smp=config.sweep.per_smp,
            )
        )


def sml_zone(config: Config) -> str:
    """Where participants are looked up: the configured zone, else the one of the Peppol network."""
    return config.network.sml_zone or anchors.SML_ZONES[config.network.kind]


def hash_key(key: str) -> str:
    """What the store keeps of an API key. Keys are 256 random bits, so one SHA-256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


async def _first_key(store: Store, config: Config) -> str:
    """Make the first account and its key at the first start; the key is also left in ``api.key_file``.

    The key is on disk under another name before the account is made, so a first start that ends anywhere loses
    neither: the next one finds and announces it. Raises :class:`ConfigurationError`.
    """
    file = config.api.key_file
    waiting = file.with_name(f"{file.name}.new") if file else None
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    try:
        if waiting and waiting.exists():
            key = waiting.read_text().strip()
        elif file and waiting and await store.account_of_key(hash_key(_read_key(file))) is None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(waiting, f"{key}\n".encode(), mode=0o600)
        made = await store.first_account(FIRST_ACCOUNT, hash_key(key))
        if waiting and waiting.exists():
            made = made or await store.account_of_key(hash_key(key)) is not None
            waiting.replace(file) if made and file else waiting.unlink()
    except OSError as error:
        raise ConfigurationError([("api.key_file", f"{file} cannot be written: {error.strerror}")]) from error
    return key if made else ""


def _read_key(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def _new_message_id(seat: str) -> MessageId:
    return MessageId(f"{uuid.uuid4()}@{seat.lower()}.as4")


def _channels(
    config: Config, context: ChannelContext
) -> tuple[dict[str, Channel], dict[str, Channel], dict[str, Patience]]:
    """Open fallback channels and deliveries; every problem of every section at once."""
    problems: list[tuple[str, str]] = []
    fallbacks: dict[str, Channel] = {}
    deliveries: dict[str, Channel] = {}
    patience: dict[str, Patience] = {}
    for name in CHANNELS:
        table = getattr(config, name)
        try:
            if table is not None:
                fallbacks[name] = open_channel(gateway.fallback, name, table, context)
        except ConfigurationError as error:
            problems.extend(error.problems)
    for name, table in config.delivery.items():
        try:
            deliveries[name], patience[name] = open_delivery(gateway.delivery, f"delivery.{name}", table, context)
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigurationError(problems)
    return fallbacks, deliveries, patience


def _retry(patience: Patience) -> RetryPolicy:
    return RetryPolicy(first=patience.first_retry, longest=patience.longest_pause, window=patience.retry_for)
