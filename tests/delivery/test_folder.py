from __future__ import annotations

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from channel_parts import make_context, make_parcel

from gateway.delivery.folder import Settings, open_channel
from gateway.errors import ChannelUnavailable, ConfigurationError
from gateway.files.spool import write_all
from gateway.model.view import describe
from gateway.ports import Channel


def folder(base: Path) -> Channel:
    return open_channel({"kind": "folder", "target": "c4/in"}, make_context(base, section="delivery.default"))


async def test_the_document_and_its_object_lie_in_the_folder(tmp_path: Path) -> None:
    parcel = make_parcel()
    handover = await folder(tmp_path).dispatch(parcel)
    files = {path.name: path.read_bytes() for path in (tmp_path / "c4/in").iterdir()}
    assert set(files) == {"doc-0001.xml", "doc-0001.json"}
    assert files["doc-0001.xml"] == parcel.document
    assert json.loads(files["doc-0001.json"]) == json.loads(json.dumps(describe(parcel.message), default=str))
    assert handover.confirmed and handover.reference == "doc-0001.xml"


async def test_a_document_that_lies_in_a_file_is_copied_piece_by_piece(tmp_path: Path) -> None:
    octets = bytes(range(256)) * 1000
    document = write_all(tmp_path / "document", [octets])
    await folder(tmp_path).dispatch(replace(make_parcel(), document=document))
    assert (tmp_path / "c4/in/doc-0001.xml").read_bytes() == octets
    assert document.path.exists()


async def test_the_xml_is_complete_before_the_json_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    replace_ = Path.replace

    def spy(self: Path, target: Path) -> Path:
        result = replace_(self, target)
        if target.parent.name == "in":
            seen.append(sorted(p.name for p in target.parent.iterdir()))
        return result

    monkeypatch.setattr(Path, "replace", spy)
    await folder(tmp_path).dispatch(make_parcel())
    assert seen == [["doc-0001.xml"], ["doc-0001.json", "doc-0001.xml"]]


async def test_names_with_other_letters_are_written_as_they_are(tmp_path: Path) -> None:
    parcel = make_parcel()
    parcel = replace(parcel, message=replace(parcel.message, seller_name="Åkeri & Söner"))
    await folder(tmp_path).dispatch(parcel)
    assert "Åkeri & Söner" in (tmp_path / "c4/in/doc-0001.json").read_text("utf-8")


async def test_a_folder_that_cannot_be_used_waits_and_a_repeat_completes_it(tmp_path: Path) -> None:
    (tmp_path / "c4").write_text("a file where a directory should be")
    with pytest.raises(ChannelUnavailable, match="c4"):
        await folder(tmp_path).dispatch(make_parcel())
    (tmp_path / "c4").unlink()
    await folder(tmp_path).dispatch(make_parcel())
    assert len(list((tmp_path / "c4/in").iterdir())) == 2


async def test_a_disk_that_is_not_mounted_waits(tmp_path: Path) -> None:
    (tmp_path / "mount").symlink_to(tmp_path / "absent/disk")
    channel = open_channel({"kind": "folder", "target": "mount"}, make_context(tmp_path, section="delivery.default"))
    with pytest.raises(ChannelUnavailable, match="mount"):
        await channel.dispatch(make_parcel())


async def test_a_full_disk_leaves_no_half_file_and_a_repeat_succeeds(tmp_path: Path) -> None:
    parcel = make_parcel(document=b"<x>" + b"y" * 200_000 + b"</x>")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ChannelUnavailable, match="too large"):
            await folder(tmp_path).dispatch(parcel)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "c4/in").iterdir()) == []
    await folder(tmp_path).dispatch(parcel)
    assert (tmp_path / "c4/in/doc-0001.xml").read_bytes() == parcel.document


def test_the_target_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({"kind": "folder", "path": "x"}, "delivery.erp", tmp_path)
    assert {path for path, _ in caught.value.problems} == {"delivery.erp.target", "delivery.erp.path"}
