"""The answer to a request of ours is read whole, however it is cut and framed, and never beyond its end."""

from __future__ import annotations

import pytest

from gateway.connecting.answer import Answer, AnswerReader, BrokenAnswer
from gateway.errors import InvalidAnswer

BODY = b"<signal/>"
CHUNKS = b"4;x=y\r\n<sig\r\n5\r\nnal/>\r\n0\r\n"


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, "Content-Type: application/soap+xml;charset=UTF-8", *lines, "", ""]).encode()


LENGTH = head("Content-Length: 9") + BODY
CHUNKED = head("Transfer-Encoding: chunked") + CHUNKS + b"\r\n"
TRAILED = head("transfer-encoding: Chunked") + CHUNKS + b"X-Sum: 1\r\n\r\n"
PROVISIONAL = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH
BARE = LENGTH.replace(b"\r\n", b"\n")
FOLDED = head("X-Long: a", " b", "Content-Length: 9") + BODY
ENDLESS = head() + BODY


def whole(octets: bytes, step: int = 1 << 20, most: int = 1000) -> Answer:
    reader = AnswerReader(most)
    for at in range(0, len(octets), step):
        answer = reader.feed(octets[at : at + step])
        if answer is not None:
            assert at + step >= len(octets)
            return answer
    return reader.end()


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("octets", [LENGTH, CHUNKED, TRAILED, PROVISIONAL, BARE, FOLDED, ENDLESS])
def test_an_answer_is_the_same_however_it_is_cut_and_framed(octets: bytes, step: int) -> None:
    kept = octets is not ENDLESS
    assert whole(octets, step) == Answer(200, "application/soap+xml;charset=UTF-8", BODY, kept)


@pytest.mark.parametrize(
    "octets",
    [
        head("Content-Length: 9", "Connection: close") + BODY,
        head("Content-Length: 9", "Connection: x, Close") + BODY,
        head("Content-Length: 9", status="HTTP/1.0 200 OK") + BODY,
        head("Content-Length: 9", "Transfer-Encoding: chunked") + CHUNKS + b"\r\n",
        LENGTH + b"HTTP/1.1 200 OK\r\n",
        CHUNKED + b"x",
        ENDLESS,
    ],
)
def test_a_connection_whose_answer_ends_in_doubt_or_in_closing_is_not_used_again(octets: bytes) -> None:
    answer = whole(octets)
    assert answer.body == BODY and not answer.kept


def test_an_old_server_can_keep_the_connection() -> None:
    octets = head("Content-Length: 9", "Connection: Keep-Alive", status="HTTP/1.0 200 OK") + BODY
    assert whole(octets).kept


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body_whatever_they_say(status: int) -> None:
    answer = whole(head("Content-Length: 9", status=f"HTTP/1.1 {status} x"))
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        head("no colon here") + BODY,
        head("Content-Length : 9") + BODY,
        head("Content-Length: -9") + BODY,
        head("Content-Length: 9", "Content-Length: 10") + BODY,
        head("Content-Length: 10") + BODY,
        head("Transfer-Encoding: gzip, chunked") + CHUNKS + b"\r\n",
        head("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK") + CHUNKS + b"\r\n",
        head("Transfer-Encoding: chunked") + CHUNKS,
        head("Transfer-Encoding: chunked") + b"xyz\r\n",
        head("Transfer-Encoding: chunked") + b"+4\r\n<sig\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"3\r\n<sig\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"1" * 2000,
        head("Transfer-Encoding: chunked") + b"0\r\n" + b"X: 1\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 20_000,
        head("Content-Length: 9")[:20],
    ],
)
def test_what_is_no_answer_or_breaks_off_is_said_to_be_broken(octets: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        whole(octets, step=1000)


@pytest.mark.parametrize(
    "octets",
    [
        head("Content-Length: 1001"),
        head("Transfer-Encoding: chunked") + b"3e9\r\n",
        head("Transfer-Encoding: chunked") + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n",
        head() + b"x" * 1001,
        head("Content-Length: 9", "Content-Encoding: gzip") + BODY,
        head("Content-Length: 9", "Content-Encoding: identity", "Content-Encoding: br") + BODY,
    ],
)
def test_an_answer_that_is_too_large_or_packed_is_not_swallowed(octets: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        whole(octets)


def test_a_flood_of_provisional_answers_is_refused_after_a_few_of_them() -> None:
    """Reading on would cost a second of CPU for each read from the socket, and nobody else would be served."""
    few = b"HTTP/1.1 100 \r\n\r\n" * 16
    assert whole(few + LENGTH).body == BODY
    with pytest.raises(BrokenAnswer, match="again and again"):
        AnswerReader(1000).feed(few + few)


def test_trailers_are_short_and_their_end_is_found_wherever_it_is_cut() -> None:
    reader = AnswerReader(1000)
    assert reader.feed(head("Transfer-Encoding: chunked") + CHUNKS) is None
    with pytest.raises(BrokenAnswer, match="trailers"):
        for _ in range(20):
            reader.feed(b"X: " + b"y" * 1000)
    for cut in range(1, len(TRAILED)):
        reader = AnswerReader(1000)
        answer = reader.feed(TRAILED[:cut]) or reader.feed(TRAILED[cut:])
        assert answer is not None and answer.body == BODY
