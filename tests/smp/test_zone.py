"""gateway.smp.zone: a register that several processes may change at once and no crash may tear."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, Conflict, InvalidAddress, NotFound
from gateway.model.identifiers import ParticipantId
from gateway.smp import zone
from tests.smp.smp_parts import BUYER, OTHER

THIRD = ParticipantId.parse("0088:7300010000018")
URL = "http://127.0.0.1:8082"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "zone.json"


def test_what_is_registered_is_read(file: Path) -> None:
    zone.register(file, BUYER, URL + "/", "my.test.")
    zone.register(file, OTHER, URL)
    assert json.loads(file.read_text()) == {
        "zone": "my.test",
        "participants": {"0007:5567212047": URL, "0088:7300010000001": URL},
    }
    assert zone.read_zone(file) == zone.Zone(name="my.test", participants={BUYER: URL, OTHER: URL})


def test_twice_is_once_and_nobody_takes_over_another(file: Path) -> None:
    zone.register(file, BUYER, URL)
    written = file.stat().st_mtime_ns
    zone.register(file, BUYER, URL)
    assert file.stat().st_mtime_ns == written
    with pytest.raises(Conflict, match="is registered already, at the SMP http://127"):
        zone.register(file, BUYER, "http://127.0.0.1:9999")
    zone.unregister(file, BUYER)
    zone.register(file, BUYER, "http://127.0.0.1:9999")


def test_many_go_in_and_out_in_one_step_or_none_of_them(file: Path) -> None:
    zone.register_all(file, [BUYER, OTHER], URL)
    assert zone.read_zone(file).participants == {BUYER: URL, OTHER: URL}
    with pytest.raises(NotFound):
        zone.unregister_all(file, [BUYER, THIRD])
    with pytest.raises(Conflict):
        zone.register_all(file, [THIRD, BUYER], "http://127.0.0.1:9999")
    assert zone.read_zone(file).participants == {BUYER: URL, OTHER: URL}
    zone.unregister_all(file, [BUYER, OTHER])
    assert zone.read_zone(file).participants == {}


def test_taking_out_what_is_not_in_is_said(file: Path) -> None:
    with pytest.raises(NotFound):
        zone.unregister(file, BUYER)
    zone.register(file, BUYER, URL)
    zone.unregister(file, BUYER)
    assert zone.read_zone(file).participants == {}


def test_a_register_is_made_once(file: Path) -> None:
    zone.create(file, "my.test")
    zone.register(file, BUYER, URL)
    zone.create(file, "my.test")
    assert zone.read_zone(file).participants == {BUYER: URL}
    with pytest.raises(ConfigurationError, match=r"my\.test, not of"):
        zone.create(file, "other.test")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://x/",
        "http://a!b/",
        "http://127.0.0.1/?q",
        "http://u@127.0.0.1/",
        'http://a.test/"',
        "http://a.test/" + "a" * 250,
    ],
)
def test_what_cannot_be_an_smp_is_refused(file: Path, url: str) -> None:
    with pytest.raises(InvalidAddress):
        zone.register(file, BUYER, url)
    assert not file.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"participants": []}',
        '{"participants": {"x": "http://x.test"}}',
        '{"participants": {"0007:1": 5}}',
    ],
)
def test_a_file_that_is_no_register_is_a_configuration_error(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"zone\.json"):
        zone.read_zone(file)


def _register_many(arguments: tuple[Path, int]) -> None:
    file, first = arguments
    for number in range(first, first + 15):
        zone.register(file, ParticipantId.parse(f"0088:{number}"), URL)


def test_four_processes_at_once_lose_nothing(file: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_register_many, [(file, i * 100) for i in range(4)]))
    assert len(zone.read_zone(file).participants) == 60


def test_a_crash_while_writing_leaves_the_old_register(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone.register(file, BUYER, URL)
    before = file.read_bytes()

    def crash(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="no space"):
        zone.register(file, OTHER, URL)
    assert file.read_bytes() == before
