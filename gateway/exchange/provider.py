"""We as a service provider: our id on the network, and what we ask of others.

Source: Peppol Service Provider Identification Scheme 1.0, Message Level Status 1.1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.config import Config
from gateway.errors import GatewayError
from gateway.exchange.registrar import Registrar
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.status import Statuses
from gateway.model.identifiers import AccountId, MessageId, ParticipantId
from gateway.model.message import Participant
from gateway.model.registration import Stage
from gateway.model.services import MLS, MLS_PROCESS
from gateway.model.status import provider_of_seat
from gateway.ports import Clock, Store

log = logging.getLogger(__name__)


def provider_of(config: Config) -> ParticipantId | None:
    """Our service provider id: the configured one, else 0242 and the digits of the seat id."""
    if config.mls.provider_id:
        return ParticipantId.parse(config.mls.provider_id)
    return provider_of_seat(config.operator.seat_id)


def make_statuses(
    config: Config, *, store: Store, clock: Clock, retry: RetryPolicy, message_id: Callable[[], MessageId]
) -> Statuses:
    """Both directions of the Message Level Status, as configured."""
    return Statuses(
        store=store,
        clock=clock,
        retry=retry,
        own=provider_of(config),
        send=config.mls.send,
        country=config.operator.country,
        message_id=message_id,
    )


def asked_of(config: Config) -> tuple[str, str]:
    """MLS_TO and MLS_TYPE of our envelopes. Without them others tell us of failures, at our seat's own id."""
    provider = provider_of(config)
    if provider is None:
        return "", ""
    if config.mls.ask == "always":
        return provider.value, "ALWAYS_SEND"
    return provider.value if config.mls.provider_id else "", ""


async def join(registrar: Registrar, config: Config, account: AccountId) -> None:
    """Bring us onto the network as a participant of this account that takes status messages, if that is wanted."""
    provider = provider_of(config)
    if provider is None or not (config.mls.receive and config.smp.enabled):
        return
    ours = Participant(
        id=provider,
        account=account,
        name=config.operator.name,
        country=config.operator.country,
        document_types=((str(MLS), str(MLS_PROCESS)),),
    )
    try:
        registration = await registrar.put_on(ours)
        if config.smp.zone_file:  # a file is written at once; an SML over the network is not waited for
            await registrar.advance(registration, until=Stage.REGISTERED)
    except GatewayError as error:  # invoices do not depend on it
        log.warning("no status messages can reach us: %s is not on the network: %s", provider.value, error)
