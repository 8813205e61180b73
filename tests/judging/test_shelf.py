"""Installed packs: whole or not there, never changed, never passed over."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from judging_parts import NS, ORDER, one_rule, put, read, root_of, schema

from gateway.errors import NotFound, RulesUnavailable
from gateway.judging.judge import Judge, dated, kind_of
from gateway.judging.pack import Scope, UnusablePack, choose, read_manifest, write_manifest
from gateway.judging.reading import read_pack
from gateway.judging.shelf import Shelf
from gateway.judging.workers import Workers
from gateway.ubl.names import xpath_of

DAY = date(2026, 11, 28)
ROOT = f"{{{NS}}}Order"


def test_a_pack_is_kept_with_what_it_says_of_itself(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "rules")
    pack, new = shelf.put(
        dated(read(schema()), installed="2026-11-28T10:00:00+00:00", valid_from=DAY, valid_to=None), proved="S"
    )
    assert new and shelf.packs() == [pack] and read_manifest(write_manifest(pack)) == pack
    assert (pack.name, pack.version, pack.kind, pack.file) == ("orders", "2.3", "schematron", "orders.sch")
    assert [rule for rule, _ in pack.rules] == ["ORD-1", "ORD-2", "ORD-3", "ORD-4"]
    assert pack.namespaces == (NS,)
    place = tmp_path / "rules" / pack.sha256
    assert sorted(p.name for p in place.iterdir()) == ["manifest.json", "rules.sch", "rules.xsl", "source.sch"]
    assert (place / "source.sch").read_bytes() == schema()
    assert [p.name for p in (tmp_path / "rules").iterdir()] == [pack.sha256]


def test_the_same_file_is_one_pack_and_a_name_means_one_content(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    first, _ = shelf.put(read(schema()), proved="")
    again, new = shelf.put(read(schema()), proved="Saxon")
    assert not new and again.proved == "Saxon" and shelf.packs() == [replace(first, proved="Saxon")]
    with pytest.raises(UnusablePack, match=r"another pack orders 2\.3"):
        shelf.put(read(schema() + b"\n"), proved="")
    with pytest.raises(UnusablePack, match="installed already"):
        shelf.put(read(schema(), name="other"), proved="")
    assert len(shelf.packs()) == 1


def test_a_pack_that_cannot_be_read_stops_the_judging(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    pack, _ = shelf.put(read(schema()), proved="")
    manifest = tmp_path / pack.sha256 / "manifest.json"
    for content in (b"", b"{}", b"[]", manifest.read_bytes().replace(b'"fatal"', b'"odd"')):
        manifest.write_bytes(content)
        with pytest.raises(RulesUnavailable, match="cannot be read"):
            shelf.packs()


def test_what_was_changed_from_outside_is_not_run(tmp_path: Path, workers: Workers) -> None:
    judge, pack = put(one_rule("o:NothingLikeIt"), tmp_path, workers)
    place = tmp_path / pack.sha256 / "rules.xsl"
    place.write_bytes(place.read_bytes().replace(b"o:NothingLikeIt", b"o:Total"))
    assert judge.judge(root_of(ORDER), [pack])[0].refused  # this worker has compiled what was installed
    with Workers() as others, pytest.raises(RulesUnavailable, match="is not what was installed"):
        Judge(Shelf(tmp_path), others, xpath_of).judge(root_of(ORDER), [pack])


def test_a_pack_is_found_by_name_and_digest_and_taken_away(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    pack, _ = shelf.put(read(schema()), proved="")
    assert shelf.find("orders") == shelf.find("orders", "2.3") == shelf.find(pack.sha256[:10]) == [pack]
    for name, version in (("other", ""), ("orders", "9"), (pack.sha256[:4], "")):
        with pytest.raises(NotFound):
            shelf.find(name, version)
    shelf.remove(pack)
    assert shelf.packs() == [] and list(tmp_path.iterdir()) == []


def test_the_newest_in_force_of_each_name_is_chosen_for_a_document() -> None:
    base = read(schema()).pack
    old = replace(base, version="1", valid_from=date(2026, 1, 1))
    new = replace(base, version="2", valid_from=date(2026, 8, 1))
    coming = replace(base, version="3", valid_from=date(2027, 1, 1))
    ended = replace(base, name="gone", valid_to=date(2026, 11, 27))
    narrow = replace(base, name="narrow", scopes=(Scope(ROOT, "urn:example:orders:2"),))
    packs = [coming, new, old, ended, narrow]
    kind = kind_of(root_of(ORDER))
    assert kind == (ROOT, "urn:example:orders:1.0")
    assert [(p.name, p.version) for p in choose(packs, *kind, DAY)] == [("orders", "2")]
    assert [p.version for p in choose(packs, *kind, date(2026, 3, 1))] == ["2.3", "1"]
    assert choose(packs, "{urn:other}Order", "", DAY) == []
    assert [p.name for p in choose(packs, ROOT, "urn:example:orders:2.1", DAY)] == ["narrow", "orders"]


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("urn:a:b::Order", Scope("{urn:a:b}Order")),
        ("urn:a:b::Order##urn:c*", Scope("{urn:a:b}Order", "urn:c")),
        ("busdox-docid-qns::urn:a:b::Order##urn:c#d::2.1", Scope("{urn:a:b}Order", "urn:c#d")),
    ],
)
def test_document_types_are_read(text: str, scope: Scope) -> None:
    assert Scope.parse(text) == scope


@pytest.mark.parametrize("text", ["", "Order", "::Order", "urn:a::", "urn:a::1 2", "u::O##" + "x" * 500])
def test_what_is_no_document_type_is_refused(text: str) -> None:
    with pytest.raises(UnusablePack):
        Scope.parse(text)


UBL = "urn:oasis:names:specification:ubl:schema:xsd:"


@pytest.mark.parametrize(
    ("test", "customization"),
    [
        ("starts-with(normalize-space(.), 'urn:x:1')", "urn:x:1"),
        ("starts-with(normalize-space(.), 'urn:x:1') and not(contains(., ' or '))", "urn:x:1"),
        ("starts-with(normalize-space(.), 'urn:x:1') and a or b", ""),
        ("starts-with(normalize-space(.), 'urn:x:1') or starts-with(., 'urn:y')", ""),
        ("normalize-space(.) = 'urn:x:1'", "urn:x:1"),
        (". != 'urn:x:1'", ""),
    ],
)
def test_a_pack_for_ubl_says_which_documents_it_is_for(test: str, customization: str) -> None:
    rules = f"""<ns prefix="u" uri="{UBL}ApplicationResponse-2"/><ns prefix="cbc" uri="{UBL}CommonBasicComponents-2"/>
      <pattern><rule context="cbc:CustomizationID"><assert id="C" test="{test}">x</assert></rule></pattern>"""
    pack = read_pack(schema(rules), "answers-1.2.sch").pack
    assert pack.scopes == (Scope(f"{{{UBL}ApplicationResponse-2}}ApplicationResponse", customization),)
    assert (pack.name, pack.version) == ("answers", "1.2")


def test_a_pack_that_names_no_document_must_be_told() -> None:
    with pytest.raises(UnusablePack, match="does not say which documents") as refused:
        read_pack(schema(), "orders.sch")
    assert "--document-type" in refused.value.remedy


def test_the_version_of_a_licence_is_not_the_packs() -> None:
    head = b"<!-- Licensed under the EUPL version 1.2 --><!-- Order rules. Last update: release v4.5.6 -->"
    octets = schema(one_rule("true()").decode().partition("/>")[2].replace("</schema>", "")).replace(
        b"<schema", head + b"<schema", 1
    )
    assert read(octets).pack.version == "4.5.6"
