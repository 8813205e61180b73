"""The socket towards those who use the web tool: people, sessions, their deeds, and what their first page counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Message
from gateway.model.person import ApiKey, Deed, Membership, Person, PersonId, Place, Role, SignedIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesses:
    """Wrong passwords in a row, for one name or one address."""

    failures: int = 0
    last: datetime | None = None


class People(Protocol):
    """Everybody who may sign in. Secrets come and stay as hashes. Every change brings the deed that is noted with it.

    All raise ``StoreUnavailable``.
    """

    async def first(self, name: str, account: AccountId, code: str, ends: datetime) -> bool:
        """Let the first administrator choose a password with this code, as long as nobody has one; tell whether."""
        ...

    async def add(self, name: str, role: Role, code: str, ends: datetime, deed: Deed) -> bool:
        """Add somebody to the deed's account; tell whether the code is needed: not by one who has a password.

        Raises ``Conflict`` when they are in that account already, or known from another and the deed's account is not
        the operator's: one account's password must not open another, nor one account touch another's people.
        """
        ...

    async def reset(self, name: str, code: str, ends: datetime, deed: Deed) -> None:
        """Take the password away, end all sessions, let them choose anew. Raises ``NotFound``; ``Conflict`` where they
        are in other accounts too and the deed's is not the operator's."""
        ...

    async def invited(self, code: str) -> Person | None:
        """Whose code this is, while it holds."""
        ...

    async def choose(self, code: str, password: str, deed: Deed) -> bool:
        """Use a code up: from now on this is the password's hash. False when the code does not hold."""
        ...

    async def named(self, name: str) -> Person | None:
        """The person of that name."""
        ...

    async def change_password(self, person: PersonId, password: str, keep: str, deed: Deed) -> None:
        """A new password; every session but ``keep`` ends."""
        ...

    async def choose_look(self, person: PersonId, language: str, theme: str) -> None:
        """How the pages look for them."""
        ...

    async def places(self, person: PersonId) -> Sequence[Place]:
        """The accounts that a person may work in, by name."""
        ...

    async def members(self, account: AccountId) -> Sequence[Membership]:
        """Everybody in an account, by name."""
        ...

    async def change_role(self, person: PersonId, role: Role | None, deed: Deed) -> None:
        """Another role in the deed's account, or none: out of it. Raises ``NotFound``, and ``Conflict`` for the last
        administrator."""
        ...

    async def guesses(self, keys: Sequence[str]) -> Sequence[Guesses]:
        """Wrong passwords so far."""
        ...

    async def try_guess(
        self, keys: Sequence[str], may: Callable[[Sequence[Guesses]], bool]
    ) -> Sequence[Guesses] | None:
        """Count a guess before it is looked at, in one commit with the question whether there may be another.

        So a thousand guesses at the same moment are no more than one after another. Gives what there was before;
        None where there may be none.
        """
        ...

    async def forgive(self, keys: Sequence[str], before: Sequence[Guesses]) -> None:
        """It was right: take back what ``try_guess`` has counted, and its time."""
        ...

    async def begin(self, session: SignedIn, deed: Deed, instead: str = "", forget: Sequence[str] = ()) -> None:
        """Begin a session, end the one that it stands in for, and forget wrong guesses.

        ``forget``: first the key of the name, then others, from which as many are taken as the name had.
        """
        ...

    async def session(self, key: str) -> SignedIn | None:
        """The session, unless it is over or its person is no longer in that account."""
        ...

    async def sessions(self, person: PersonId) -> Sequence[SignedIn]:
        """Every session of a person, the latest first."""
        ...

    async def touch(self, key: str, ends: datetime) -> None:
        """The session was used and holds until then."""
        ...

    async def end(self, deed: Deed, *, key: str = "", person: PersonId | None = None) -> None:
        """End one session, or all of a person."""
        ...

    async def note(self, deed: Deed) -> None:
        """Write a deed down."""
        ...

    async def deeds(self, account: AccountId, limit: int, before: int = 0) -> Sequence[Deed]:
        """What was done in an account, the latest first."""
        ...

    async def keys(self, account: AccountId) -> Sequence[ApiKey]:
        """The API keys of an account."""
        ...

    async def add_key(self, hash: str, name: str, deed: Deed) -> None:
        """A new API key for the deed's account."""
        ...

    async def remove_key(self, hash: str, deed: Deed) -> None:
        """Take an API key away. Raises ``NotFound``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Documents of one account since a moment: by direction, channel and state."""

    since: datetime
    rows: Mapping[tuple[str, str, str], int]


class Overview(Protocol):
    """What needs a person, and how much came and went."""

    async def counted(self, account: AccountId, since: datetime) -> Counted:
        """Count an account's documents from that moment on."""
        ...

    async def waiting(self, account: AccountId, limit: int) -> Sequence[Message]:
        """Documents that ended in trouble and that nobody has seen to since, the latest first."""
        ...

    async def handled(self, id: DocumentId, deed: Deed) -> None:
        """Somebody has seen to it: it waits no longer, unless something happens to it again. Raises ``NotFound``."""
        ...

    async def is_handled(self, message: Message) -> bool:
        """Whether somebody has seen to it since it changed last."""
        ...
