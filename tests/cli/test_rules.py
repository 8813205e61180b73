"""``gateway rules`` and what ``gateway validate`` makes of installed packs, as their users type them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from tests.cli.conftest import Run

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
RESPONSE = f"""<r:ApplicationResponse xmlns:r="{UBL}ApplicationResponse-2" xmlns:cbc="{UBL}CommonBasicComponents-2">
  <cbc:CustomizationID>urn:example:response:1.0</cbc:CustomizationID><cbc:ID>7</cbc:ID>
</r:ApplicationResponse>"""
PACK = f"""<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2">
  <title>Responses, version 1.4</title>
  <ns prefix="r" uri="{UBL}ApplicationResponse-2"/><ns prefix="cbc" uri="{UBL}CommonBasicComponents-2"/>
  <pattern><rule context="cbc:CustomizationID"><assert id="R-1" flag="fatal"
    test="starts-with(normalize-space(.), 'urn:example:response:1')">Another specification.</assert></rule>
  <rule context="cbc:ID"><assert id="R-2" flag="fatal" test="string-length(.) &gt; 3">The number is short.</assert>
    <assert id="R-3" flag="warning" test="starts-with(., 'A')">It should begin with A.</assert></rule>
  </pattern></schema>"""
INVOICE = resources.files("gateway.ubl").joinpath("examples").joinpath("network.xml").read_bytes()
SAME = f"""<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2">
  <ns prefix="i" uri="{UBL}Invoice-2"/><ns prefix="cbc" uri="{UBL}CommonBasicComponents-2"/>
  <pattern><rule context="/i:Invoice"><assert id="BR-02" flag="fatal" test="{{0}}">x</assert></rule>
  </pattern></schema>"""


@pytest.fixture
def folder(tmp_path: Path) -> list[str]:
    return ["--folder", str(tmp_path / "rules")]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    pytest.importorskip("saxonche", reason="needs the extra rules")
    (tmp_path / "responses.sch").write_text(PACK)
    return tmp_path / "responses.sch"


@pytest.fixture
def response(tmp_path: Path) -> Path:
    (tmp_path / "response.xml").write_text(RESPONSE)
    return tmp_path / "response.xml"


def test_a_pack_is_installed_listed_and_taken_away(run: Run, pack: Path, folder: list[str]) -> None:
    assert "No official rule pack" in run("rules", "list", *folder).out
    first = run("rules", "install", str(pack), *folder, "--valid-from", "2026-01-31", "--json")
    assert first.code == 0
    value = first.value
    assert (value["name"], value["version"], value["rules"], value["new"]) == ("responses", "1.4", 3, True)
    assert value["document_types"] == [f"{UBL}ApplicationResponse-2::ApplicationResponse##urn:example:response:1"]
    assert value["valid_from"] == "2026-01-31" and value["compiled_by"].startswith("SaxonC")
    again = run("rules", "install", str(pack), *folder, "--valid-from", "2026-01-31")
    assert again.code == 0 and "already" in again.out
    listed = run("rules", "list", *folder)
    assert listed.code == 0 and "responses" in listed.out and "2026-01-31" in listed.out
    assert [p["name"] for p in run("rules", "list", *folder, "--json").value["packs"]] == ["responses"]
    assert run("rules", "remove", "responses", *folder).code == 0
    assert run("rules", "list", *folder, "--json").value["packs"] == []
    assert run("rules", "remove", "responses", *folder).code == 1


def test_a_document_that_has_no_schema_here_is_judged_by_its_pack(
    run: Run, pack: Path, folder: list[str], response: Path
) -> None:
    before = run("validate", str(response), *folder, "--json")
    assert (before.code, before.value["valid"], before.value["packs"]) == (0, True, [])
    assert "not validated" in before.err
    run("rules", "install", str(pack), *folder)
    ran = run("validate", str(response), *folder, "--json")
    assert ran.code == 1
    assert ran.value["packs"] == [{"name": "responses", "version": "1.4"}]
    assert [(f["rule"], f["severity"]) for f in ran.value["findings"]] == [("R-2", "fatal"), ("R-3", "warning")]
    assert ran.value["findings"][0]["location"] == "/ApplicationResponse/cbc:ID"
    assert ran.value["document_type"].endswith("ApplicationResponse##urn:example:response:1.0::2.1")
    response.write_text(RESPONSE.replace(">7<", ">7000<"))
    ran = run("validate", str(response), *folder, "--json")
    assert (ran.code, ran.value["valid"], len(ran.value["findings"])) == (0, True, 1)


def test_a_pack_is_for_its_document_type_unless_it_is_named(
    run: Run, pack: Path, folder: list[str], tmp_path: Path
) -> None:
    run("rules", "install", str(pack), *folder)
    invoice = tmp_path / "invoice.xml"
    invoice.write_bytes(INVOICE)
    alone = run("validate", str(invoice), *folder, "--json").value["packs"]
    assert [p["name"] for p in alone] == ["UBL XSD", "en16931", "peppol-billing"]
    named = run("validate", str(invoice), *folder, "--profile", "responses", "--json")
    assert named.code == 1 and "R-1" in [f["rule"] for f in named.value["findings"]]
    assert run("validate", str(invoice), *folder, "--profile", "nobody").code == 1


def test_what_cannot_be_used_is_said_with_exit_2(run: Run, pack: Path, folder: list[str], tmp_path: Path) -> None:
    evil = tmp_path / "evil.sch"
    evil.write_text(PACK.replace("string-length(.) &gt; 3", "doc('file:///etc/passwd')"))
    broken = tmp_path / "broken.sch"
    broken.write_text(PACK.replace("string-length(.) &gt; 3", "1 +"))
    for file, said in ((evil, "doc()"), (broken, "does not compile"), (tmp_path / "none.sch", "No such file")):
        ran = run("rules", "install", str(file), *folder)
        assert ran.code == 2 and said in ran.err
    for extra in (
        ["--valid-from", "yesterday"],
        ["--valid-from", "2026-02-01", "--valid-to", "2026-01-01"],
        ["--name", "/"],
    ):
        assert run("rules", "install", str(pack), *folder, *extra).code == 2
    assert run("rules", "list", *folder, "--json").value["packs"] == []


def test_without_saxon_a_pack_is_kept_and_the_remedy_named(
    run: Run, pack: Path, folder: list[str], response: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "saxonche.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "none"))
    pack.write_text(PACK.replace('queryBinding="xslt2"', ""))
    ran = run("rules", "install", str(pack), *folder)
    assert ran.code == 3 and "pip install" in ran.err
    assert run("rules", "list", *folder, "--json").value["packs"][0]["compiled_by"] is None
    judged = run("validate", str(response), *folder)
    assert judged.code == 3 and "pip install" in judged.err
    monkeypatch.delenv("PYTHONPATH")
    assert run("rules", "install", str(pack), *folder).code == 0
    assert run("validate", str(response), *folder).code == 1


def test_without_saxon_most_schematron_is_run_all_the_same(
    run: Run, pack: Path, folder: list[str], response: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "saxonche.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "none"))
    ran = run("rules", "install", str(pack), *folder, "--json")
    assert ran.code == 0 and ran.value["compiled_by"].startswith("elementpath")
    slow = run("validate", str(response), *folder, "--json").value
    monkeypatch.delenv("PYTHONPATH")
    assert slow == run("validate", str(response), *folder, "--json").value and len(slow["findings"]) == 2


@pytest.mark.parametrize(
    ("theirs", "code", "differences"),
    [
        ("cbc:ID", 0, []),
        ("false()", 1, [{"rule": "BR-02", "severity": "fatal", "native": 0, "official": 1}]),
        ("xs:decimal(cbc:CustomizationID)", 1, [{"rule": "ABORTED", "severity": "fatal", "native": 0, "official": 1}]),
    ],
)
def test_compare_says_where_the_two_sides_differ(
    theirs: str, code: int, differences: list[object], run: Run, pack: Path, folder: list[str], tmp_path: Path
) -> None:
    (tmp_path / "theirs.sch").write_text(SAME.format(theirs))
    assert run("rules", "install", str(tmp_path / "theirs.sch"), *folder).code == 0
    invoice = tmp_path / "invoice.xml"
    invoice.write_bytes(INVOICE)
    ran = run("rules", "compare", str(invoice), *folder, "--json")
    assert (ran.code, ran.value["differences"]) == (code, differences)
    assert ran.value["equal"] is (code == 0) and ran.value["native"]["packs"][0]["name"] == "en16931"
    told = run("rules", "compare", str(invoice), *folder)
    assert told.code == code and ("BR-02" in told.out or "ABORTED" in told.out) is bool(code)


def test_compare_says_what_it_could_not_compare(
    run: Run, pack: Path, folder: list[str], response: Path, tmp_path: Path
) -> None:
    alone = run("rules", "compare", str(response), *folder, "--json")
    assert (alone.code, alone.value["outcome"], alone.value["equal"]) == (3, "not compared", None)
    run("rules", "install", str(pack), *folder)
    ran = run("rules", "compare", str(response), *folder, "--json")
    assert (ran.code, ran.value["official"]["verdict"]) == (3, "refused")
    assert run("rules", "compare", str(tmp_path / "none.xml"), *folder).code == 2
    (tmp_path / "theirs.sch").write_text(SAME.format("false()"))
    run("rules", "install", str(tmp_path / "theirs.sch"), *folder)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.xml").write_bytes(INVOICE.replace(b"cbc:IssueDate", b"cbc:IssueDay"))
    ran = run("rules", "compare", str(tmp_path / "docs"), *folder, "--json")
    assert (ran.code, ran.value["outcome"]) == (0, "stopped by the schema")
    assert run("rules", "compare", str(tmp_path / "docs"), *folder, "--without-schema").code == 1


def test_a_verdict_is_read_in_swedish_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(INVOICE)
    (tmp_path / "b.xml").write_bytes(
        INVOICE.replace(b">SEK</cbc:DocumentCurrencyCode>", b">XYZ</cbc:DocumentCurrencyCode>")
    )
    ran = run("validate", str(tmp_path / "a.xml"), str(tmp_path / "b.xml"), "--language", "sv")
    assert ran.code == 1
    assert all(word in ran.out for word in ("✓ giltig", "✗ inte giltig", "regel", "allvar", "fel"))
    assert not any(word in ran.out for word in ("not valid", "fatal", "severity", "where"))
