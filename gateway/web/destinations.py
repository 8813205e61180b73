"""``/v1/destinations``: whom we could not reach lately, and since when; the same in ``/metrics``.

A destination is another access point (its seat), a fallback channel or a ``[delivery.NAME]`` section of ours; a section
is shown to accounts whose participants name it. Each process has its own view; the one that answers tells its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.model.view import moment
from gateway.web.answers import page_of
from gateway.web.auth import account_of
from gateway.web.query import no_query

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.exchange.breakers import Standing

_OURS: Final = "delivery."
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Destinations:
    """The call on destinations."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where the call stands."""
        return [web.get("/v1/destinations", self.find)]

    async def find(self, request: web.Request) -> web.Response:
        """Those that failed last, the ones that are left alone first."""
        no_query(request)
        participants = await self.gateway.store.participants(account_of(request))
        ours = {_OURS + participant.delivery for participant in participants}
        rows = [
            row
            for row in self.gateway.outbound.breakers.standing()
            if not row.destination.startswith(_OURS) or row.destination in ours
        ]
        return page_of([self._show(row) for row in rows[:_MOST]])

    def _show(self, row: Standing) -> dict[str, object]:
        now = self.gateway.clock.now()
        return {
            "destination": row.destination,
            "state": row.state,
            "failures": row.failures,
            "since": moment(now - timedelta(seconds=row.seconds)),
            "next_try": moment(now + timedelta(seconds=row.wait)) if row.state != "closed" else None,
            "reason": row.reason,
        }


def destination_metrics(rows: Sequence[Standing]) -> list[str]:
    """Prometheus lines: how many breakers are not closed, and which."""
    left = [row for row in rows if row.state != "closed"]
    return [
        "# HELP gateway_destinations_left_alone Destinations that failed several times in a row.",
        "# TYPE gateway_destinations_left_alone gauge",
        f"gateway_destinations_left_alone {len(left)}",
        "# HELP gateway_destination_failures Failures in a row of a destination that is left alone.",
        "# TYPE gateway_destination_failures gauge",
        *(
            f'gateway_destination_failures{{destination="{_label(row.destination)}"}} {row.failures}'
            for row in left[:_MOST]
        ),
    ]


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
