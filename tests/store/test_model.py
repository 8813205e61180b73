"""The store against a model of a few lines: whatever happens in whatever order, they agree."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from store_parts import EXEMPEL, StillClock, opened, outgoing, place_database

from gateway.errors import LostLease, StateError
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import OUTBOUND, WORKABLE, Event, State
from gateway.model.message import Message
from gateway.store import SqlStore

LEASE = 30
EVENTS = st.sampled_from(
    ["Sent", "Diverted", "Dispatched", "Delivered", "Rejected", "Postponed", "GaveUp", "LostTrack", "Requeued"]
)


@dataclass
class Known:
    """What the model knows of a document."""

    state: State = State.ACCEPTED
    attempts: int = 0
    leased_until: float = 0
    events: int = 1


class StoreMachine(RuleBasedStateMachine):
    """One worker's view and a late worker's view of a handful of documents."""

    def __init__(self, new_database: Callable[[], str] | None) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        if new_database is not None:
            place_database(Path(self.folder.name), new_database())
        self.clock = StillClock()
        self.time = 0.0
        self.documents: dict[str, Known] = {}
        self.by_key: dict[str, str] = {}
        self.held: list[Message] = []

    @initialize()
    def begin(self) -> None:
        self.open()
        self.run(self.store.add_account(EXEMPEL, "Exempel AB", "hash"))

    def open(self) -> None:
        self.stack = AsyncExitStack()
        self.store: SqlStore = self.run(
            self.stack.enter_async_context(opened(Path(self.folder.name), self.clock, owner="worker"))
        )

    def run(self, awaitable: Any) -> Any:
        async def run() -> Any:
            return await awaitable

        return self.runner.run(run())

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    @rule(keys=st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=4))
    def add(self, keys: list[str]) -> None:
        """Several at once, some with the same key."""

        async def together() -> list[Any]:
            first = len(self.documents) * 10
            return await asyncio.gather(
                *(self.store.add_once(outgoing(f"d{first + n}", key=key)) for n, key in enumerate(keys))
            )

        for key, added in zip(keys, self.run(together()), strict=True):
            assert added.new == (not key or key not in self.by_key)
            if added.new:
                self.documents[added.message.id] = Known()
                if key:
                    self.by_key[key] = added.message.id
            else:
                assert added.message.id == self.by_key[key]

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        free = {
            one
            for one, known in self.documents.items()
            if known.state in WORKABLE["out"] and known.leased_until <= self.time
        }
        claimed = self.run(self.store.claim("worker", limit, LEASE))
        assert len(claimed) == min(limit, len(free))
        for message in claimed:
            assert message.id in free
            known = self.documents[message.id]
            known.attempts += 1
            known.leased_until = self.time + LEASE
            assert message.attempts == known.attempts
            self.held.append(message)

    @rule(seconds=st.sampled_from([1, LEASE]))
    def wait(self, seconds: int) -> None:
        self.time += seconds
        self.clock.pass_seconds(seconds)

    @precondition(lambda self: self.held)
    @rule(name=EVENTS, which=st.integers(0, 100), keep=st.booleans())
    def record(self, name: str, which: int, keep: bool) -> None:
        message = self.held[which % len(self.held)]
        known = self.documents[message.id]
        after = OUTBOUND[known.state].get(name)
        current = (message.state, message.attempts) == (known.state, known.attempts)
        try:
            event = Event(name=name, reason="r", next_attempt=self.clock.now())  # type: ignore[arg-type]
            stepped = self.run(self.store.record(message, event, keep_lease=keep))
        except LostLease:
            assert not current
        except StateError:
            assert current
            assert after is None
        else:
            assert current
            assert after is not None
            known.state = known.state if after == "same" else State(after)
            known.events += 1
            if not keep:
                known.leased_until = 0
            assert stepped.state == known.state
            self.held[which % len(self.held)] = stepped

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100))
    def mark_sending(self, which: int) -> None:
        message = self.held[which % len(self.held)]
        known = self.documents[message.id]
        allowed = (message.state, message.attempts) == (known.state, known.attempts) and known.leased_until > self.time
        fresh = not self.run(self.store.get(EXEMPEL, message.id)).sent_octets
        try:
            self.run(self.store.mark_sending(message, peer="POP000102", receiver="0007:1", part=b"part"))
        except LostLease:
            assert not allowed
        else:
            assert allowed
            known.events += fresh

    @rule()
    def restart(self) -> None:
        self.run(self.stack.aclose())
        self.open()
        for known in self.documents.values():
            if known.state in WORKABLE["out"]:  # nobody works who did before; other leases hold up nobody
                known.leased_until = 0

    @invariant()
    def the_store_says_the_same(self) -> None:
        if not self.documents:
            return
        for one, known in self.documents.items():
            message = self.run(self.store.get(EXEMPEL, DocumentId(one)))
            assert (message.state, message.attempts) == (known.state, known.attempts)
            assert (message.next_attempt is not None) == (known.state in WORKABLE["out"])
            assert len(self.run(self.store.timeline(EXEMPEL, DocumentId(one)))) == known.events


def test_the_store_and_its_model_agree(database: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres") if database.startswith("postgresql:") else None
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: StoreMachine(server and server.new_database),
        settings=settings(
            max_examples=12 if server is None else 6,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
