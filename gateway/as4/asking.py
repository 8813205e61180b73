"""What stands between the AS4 endpoint and whoever speaks HTTP for it: a request that came, and its answer."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

TEXT: Final = "text/plain; charset=utf-8"


class Asked(Protocol):
    """A request: its head is here, its body perhaps in part only."""

    method: str
    target: str
    """As it stands in the request line."""
    source: str
    """Who asks: one caller (``neighbourhood`` of the address)."""
    old: bool
    """Whether it is of HTTP/1.0."""

    @property
    def path(self) -> str:
        """Of the target, unquoted."""
        ...

    @property
    def length(self) -> int:
        """Octets of the body as the head says; 0 where it does not."""
        ...

    @property
    def has_body(self) -> bool: ...

    def header(self, name: str) -> str | None:
        """The value, in the characters that came."""
        ...

    def whole(self) -> bytes | None:
        """The body, once, when all of it is here already."""
        ...

    async def more(self) -> bytes:
        """The next octets of the body; none at its end. Raises ``ConnectionError`` when the rest does not come."""
        ...

    def go_on(self) -> None:
        """Tell a caller who waits for it that the body is welcome."""
        ...


class Answer(NamedTuple):
    """What is answered. The connection is kept unless ``last`` or something of the body is still to come."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    last: bool = False


def line(status: int, text: str, *headers: tuple[str, str], last: bool = False) -> Answer:
    """An answer of one line."""
    return Answer(status, f"{' '.join(text.split())}\n".encode(), TEXT, headers, last)
