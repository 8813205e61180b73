"""Counters of several processes: sums over all, dead ones included."""

from __future__ import annotations

import os

from gateway.serving.board import Board, Siblings


def test_sums_are_over_all_processes_and_never_go_back() -> None:
    board = Board(3)
    board.write(0, {"wanted": 2, "running": 2})
    counts = {"200": 4.0}
    one = Siblings(board, 1, [lambda: counts])
    pid = os.fork()
    if pid == 0:
        Siblings(board, 2, [lambda: {"200": 1.0, "404": 2.0}]).publish()
        os._exit(0)
    os.waitpid(pid, 0)
    assert one.total() == {"200": 5.0, "404": 2.0}
    assert one.processes == {"wanted": 2, "running": 2}
    successor = Siblings(board, 2, [lambda: {"404": 1.0}])
    assert successor.total() == {"200": 5.0, "404": 3.0}
    counts["200"] = 5.0
    assert one.total() == {"200": 6.0, "404": 3.0}


def test_a_torn_place_counts_as_empty() -> None:
    board = Board(2)
    board.write(1, {"200": 1.0})
    board._memory[16 * 1024 + 12] ^= 1
    assert board.read(1) == {}


def test_what_does_not_fit_leaves_the_place_as_it_was() -> None:
    board = Board(2)
    board.write(1, {"200": 1.0})
    board.write(1, {str(n): 1.0 for n in range(10_000)})
    assert board.read(1) == {"200": 1.0}
