"""Review: a clerk goes through what waits, nobody else's is seen, and nothing of a stranger's file comes alive."""

from __future__ import annotations

import email
from dataclasses import replace
from email import policy
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import FormData

from gateway.correspondence.answering import Answering
from gateway.errors import Conflict
from gateway.exchange.reviewing import Reviewing
from gateway.model.identifiers import AccountId
from gateway.model.person import Role
from gateway.model.scan import Candidate, Field, Scan, ScanState
from tests.portal.conftest import Answer, Site, Visitor
from tests.portal.paper import CHANGED, DOUBTFUL, KNOWN, TWO, pdf_of
from tests.portal.stage import ALPHA, someone
from tests.portal.test_pages import HOSTILE, Reader
from tests.scanning import generator

PARTS = ("", "/content", "/page.png", "/crop.png?field=total")
CLERK = someone(Role.CLERK)


async def scan(site: Site, name: str) -> Scan:
    return await site.gateway.store.reviews.get(ALPHA, site.documents[name])


async def upload(visitor: Visitor, *files: tuple[str, bytes], token: str | None = None) -> Answer:
    form = FormData(quote_fields=False, default_to_multipart=True)  # as browsers do
    form.add_field("csrf", visitor.token if token is None else token)
    for name, octets in files:
        form.add_field("file", octets, filename=name, content_type="application/pdf")
    return await visitor._call("POST", "/review/upload", {"Sec-Fetch-Site": "same-origin"}, form)


async def test_a_clerk_confirms_a_doubtful_field_and_is_shown_the_next_file(site: Site) -> None:
    visitor, file = await site.visitor(CLERK), site.documents["review_fields"]
    page = (await visitor.get(f"/review/{file}")).text
    assert 'id="f-supplier_name"' in page and "textlager" in page
    assert page.index('id="f-supplier_name"') < page.index('id="f-total"'), "what is open stands first"
    assert f"/review/{file}/crop.png?field=supplier_name" in page
    answer = await visitor.send(f"/review/{file}/confirm", {"f-supplier_name": DOUBTFUL.supplier_name})
    assert answer.status == 303 and answer.headers["Location"].startswith("/review/")
    after = await scan(site, "review_fields")
    assert (after.state, after.decided_by) == (ScanState.ACCEPTED, CLERK)
    assert after.fields["supplier_name"].confirmed_by == CLERK
    document = await site.gateway.store.get(ALPHA, after.document)  # type: ignore[arg-type]
    assert (document.number, document.channel) == (DOUBTFUL.number, "pdf")
    deeds = await site.gateway.store.people.deeds(ALPHA, 1)
    assert (deeds[0].action, deeds[0].subject) == ("scan-confirmed", file)
    assert (await visitor.send(f"/review/{file}/confirm", {})).status == 409


async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(site: Site) -> None:
    visitor, file = await site.visitor(CLERK), site.documents["review_fields"]
    typed = {"f-supplier_name": "", "f-total": "1,23", "f-account": "Bankgiro 123-4567", "f-due_date": "snart"}
    answer = await visitor.send(f"/review/{file}/confirm", typed)
    assert answer.status == 422
    for words in ("måste finnas", "blir inte det här beloppet", "fel kontrollsiffra", "Skriv dagen som"):
        assert words in answer.text, words
    assert 'value="Bankgiro 123-4567"' in answer.text and 'value="snart"' in answer.text
    assert (await scan(site, "review_fields")).state is ScanState.REVIEW


async def test_amounts_and_accounts_are_taken_as_a_swede_writes_them(site: Site) -> None:
    visitor, file = await site.visitor(CLERK), site.documents["review_fields"]
    net, vat, account = DOUBTFUL.truth["net"], DOUBTFUL.truth["vat"], DOUBTFUL.account
    typed = {
        "f-supplier_name": "Annat AB",
        "f-net": net.replace(".", ","),
        "f-vat": vat.replace(".", ","),
        "f-account": f"Bankgiro {account[:-4]}-{account[-4:]}",
    }
    assert (await visitor.send(f"/review/{file}/confirm", typed)).status == 303
    after = await scan(site, "review_fields")
    assert after.fields["account"].value == f"BG:{account}"
    assert after.fields["net"].value == net and not after.fields["net"].confirmed_by, "nothing was changed there"


async def test_another_bank_account_shows_both_and_is_released_only_with_a_reason(site: Site) -> None:
    visitor, file = await site.visitor(CLERK), site.documents["review_fraud"]
    page = (await visitor.get(f"/review/{file}")).text
    for number in (KNOWN.account, CHANGED.account):
        assert f"{number[:-4]}-{number[-4:]}" in page
    answer = await visitor.send(f"/review/{file}/confirm", {"reason": "  "})
    assert answer.status == 422 and "Skriv hur ni vet" in answer.text
    assert (await scan(site, "review_fraud")).state is ScanState.REVIEW
    answer = await visitor.send(f"/review/{file}/confirm", {"reason": "Ringde växeln, nummer från avtalet"})
    assert answer.status == 303
    after = await scan(site, "review_fraud")
    assert (after.state, after.reason) == (ScanState.ACCEPTED, "Ringde växeln, nummer från avtalet")
    assert (await site.gateway.store.people.deeds(ALPHA, 1))[0].detail == after.reason


async def test_where_the_account_wants_four_eyes_nobody_releases_a_changed_account_alone(site: Site) -> None:
    admin, clerk, file = await site.visitor("admin@exempel.example"), await site.visitor(CLERK), "review_fraud"
    assert (await clerk.send("/settings/people/four-eyes", {"four-eyes": "yes"})).status == 404
    assert (await admin.send("/settings/people/four-eyes", {"four-eyes": "yes"})).status == 303
    before = await scan(site, file)
    path, said = f"/review/{site.documents[file]}/confirm", {"reason": "Ringde växeln, nummer från avtalet"}
    assert (await clerk.send(path, said)).headers["Location"].endswith("said=scan-first")
    dodge = {**said, "f-supplier": "SE5567212047"}
    for again in (said, dodge, dodge, {**said, "f-supplier": before.fields["supplier"].value}):
        await clerk.send(path, again)
        assert (await scan(site, file)).state is ScanState.REVIEW, again
    first = await scan(site, file)
    assert first.hold == "bank_account" and first.decided_by == CLERK
    reviewing = Reviewing(scans=site.gateway.scanning.scans)  # type: ignore[union-attr]
    with pytest.raises(Conflict, match="signed in"):
        await reviewing.confirm(first, "admin@exempel.example", {}, reason="by the API", all_fields=True)
    assert CLERK in (await admin.get(f"/review/{site.documents[file]}")).text
    assert (await admin.send(path, {"reason": "  "})).status == 422
    assert (await admin.send(path, {"reason": "Samma svar av leverantören"})).status == 303
    after = await scan(site, file)
    assert after.state is ScanState.ACCEPTED and after.decided_by == "admin@exempel.example"
    assert CLERK in after.reason and "Samma svar" in after.reason
    actions = [(one.actor, one.action) for one in await site.gateway.store.people.deeds(ALPHA, 20)]
    assert actions[0] == ("admin@exempel.example", "scan-confirmed") and (CLERK, "scan-first") in actions


async def test_an_account_typed_by_a_clerk_that_is_new_is_held_until_there_is_a_reason(site: Site) -> None:
    """A correction is no way around the hold."""
    visitor, file = await site.visitor(CLERK), site.documents["review_fields"]
    assert (await visitor.send(f"/review/{file}/confirm", {"f-supplier_name": "x"})).status == 303
    other = replace(DOUBTFUL, number="9911", account="9912346")
    await upload(visitor, ("annan.pdf", pdf_of(other)))
    found, _ = await site.gateway.store.reviews.find(ALPHA, (ScanState.REVIEW,), 1)
    path = f"/review/{found[0].id}/confirm"
    typed = {"f-supplier_name": "x", "f-account": f"BG:{CHANGED.account}"}
    answer = await visitor.send(path, typed)
    assert answer.status == 422 and "aldrig använt" in answer.text
    held = await site.gateway.store.reviews.get(ALPHA, found[0].id)
    assert (held.state, held.hold) == (ScanState.REVIEW, "bank_account")


async def test_a_refused_file_is_answered_to_its_sender_once_and_only_where_that_is_safe(site: Site) -> None:
    visitor, file = await site.visitor(CLERK), site.documents["review_fields"]
    assert "Skicka skälet till" not in (await visitor.get(f"/review/{file}")).text, "nothing sends mail here"
    post: Any = SimpleNamespace(sender="faktura@exempel.example")
    answering = Answering(store=site.gateway.store, clock=site.gateway.clock, post=post)
    object.__setattr__(site.gateway, "mail", SimpleNamespace(answering=answering))
    assert "Skicka skälet till faktura@leverantor.example" in (await visitor.get(f"/review/{file}")).text
    assert (await visitor.send(f"/review/{file}/refuse", {"reason": " ", "answer": "yes"})).status == 422
    reason = "Inte vår\r\nBcc: alla@exempel.example"
    assert (await visitor.send(f"/review/{file}/refuse", {"reason": reason, "answer": "yes"})).status == 303
    promised = await site.gateway.store.mail.promised(5)
    assert [one.letter.recipient for one in promised] == ["faktura@leverantor.example"]
    letter = email.message_from_bytes(promised[0].letter.octets, policy=policy.default)
    text = letter.get_content()
    assert "Inte vår Bcc" in text and "NOT taken" in text and letter["Bcc"] is None
    assert letter["Auto-Submitted"] == "auto-replied"
    after = await scan(site, "review_fields")
    assert (after.state, after.decided_by) == (ScanState.REFUSED, CLERK)
    for bad in (
        replace(after, sender="no-reply@leverantor.example"),
        replace(after, source="folder"),
        replace(after, sender="faktura@exempel.example"),
    ):
        assert await answering.address(bad) == ""
    assert await Answering(store=site.gateway.store, clock=site.gateway.clock, post=None).address(after) == ""


async def test_two_invoices_in_one_file_become_two_files(site: Site) -> None:
    visitor, file = await site.visitor(CLERK), site.documents["review_several"]
    for parts in ("1", "1-2", "2, 1", "1, 3", "1, 1", "alla", ""):
        answer = await visitor.send(f"/review/{file}/split", {"parts": parts})
        assert answer.status == 422, parts
    assert (await visitor.send(f"/review/{file}/split", {"parts": "1, 2"})).status == 303
    whole = await scan(site, "review_several")
    assert whole.state is ScanState.REFUSED and CLERK in whole.reason
    found, _ = await site.gateway.store.reviews.find(ALPHA, tuple(ScanState), 20)
    parts_found = {one.fields["number"].value: one for one in found if one.key.startswith(f"split {file}")}
    assert parts_found.keys() == {one.number for one in TWO}
    assert all((one.pages, one.hold, one.source) == (1, "fields", "mail") for one in parts_found.values())


async def test_files_are_handed_in_by_a_form_and_the_page_says_what_became_of_each(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    good = generator.text_pdf(
        generator.page(generator.invoice(8, code=True)),
        code=generator.qr(generator.invoice(8, code=True).using_qr(), 120),
    )
    answer = await upload(visitor, ("bra.pdf", good), ("bild<b>.pdf", b"GIF89a"), ("tom.pdf", b""))
    assert answer.status == 200
    assert "bra.pdf: läst och på väg" in answer.text and "bild&lt;b&gt;.pdf: togs inte emot" in answer.text
    assert "tom.pdf" not in answer.text
    deed = (await site.gateway.store.people.deeds(ALPHA, 5))[0]
    assert (deed.action, deed.actor) == ("scan-uploaded", CLERK)
    before = await site.gateway.store.reviews.counts(ALPHA)
    assert "bra.pdf: läst" in (await upload(visitor, ("bra.pdf", good))).text, "the same file is the same"
    assert await site.gateway.store.reviews.counts(ALPHA) == before
    assert (await upload(visitor)).status == 422
    assert (await upload(visitor, *((f"{n}.pdf", b"x") for n in range(11)))).status == 400
    assert (await upload(visitor, ("bra.pdf", good), token="0" * 64)).status == 403
    assert (await upload(visitor, ("stor.pdf", b"0" * 41_000_000))).status == 413


async def test_where_nothing_reads_files_the_page_says_so_and_takes_none(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    object.__setattr__(site.gateway, "scanning", None)
    page = await visitor.get("/review")
    assert page.status == 200 and "läses inte här" in page.text and "/review/upload" not in page.text
    assert (await upload(visitor, ("x.pdf", b"x"))).status == 404
    file = site.documents["review_fields"]
    assert "/confirm" not in (await visitor.get(f"/review/{file}")).text


async def test_the_page_is_a_picture_of_the_file_and_nothing_else_is_given(site: Site) -> None:
    visitor, file = await site.visitor(CLERK), site.documents["review_several"]
    async with visitor.client.get(f"/review/{file}/page.png?page=2", headers={"Cookie": _cookie(visitor)}) as answer:
        octets = await answer.read()
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert octets.startswith(b"\x89PNG") and len(octets) > 5_000
        assert answer.headers["Cache-Control"] == "no-store"
    assert (await visitor.get(f"/review/{file}/page.png?page=3")).status == 404
    assert (await visitor.get(f"/review/{file}/page.png?page=0")).status == 400
    refused = f"/review/{site.documents['review_refused']}"
    assert (await visitor.get(f"{refused}/page.png")).status == 404
    assert "page.png" not in (await visitor.get(refused)).text, "no frame without a picture"
    given = await visitor.get(f"/review/{file}/content")
    assert given.headers["Content-Disposition"].startswith("attachment")


def _cookie(visitor: Visitor) -> str:
    return "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())


async def test_what_belongs_to_another_account_does_not_exist_and_who_reads_decides_nothing(site: Site) -> None:
    stranger, reader = await site.visitor("ekonomi@annat.example"), await site.visitor(someone(Role.COMPLIANCE))
    file = site.documents["review_fields"]
    before = await scan(site, "review_fields")
    for part in PARTS:
        answer = await stranger.get(f"/review/{file}{part}")
        assert answer.status == 404 and DOUBTFUL.supplier_name not in answer.text, part
    assert "faktura-2.pdf" not in (await stranger.get("/review")).text
    assert "/confirm" not in (await reader.get(f"/review/{file}")).text
    for deed in ("confirm", "refuse", "split"):
        fields = {"f-supplier_name": "x", "reason": "x", "parts": "1, 2"}
        for visitor in (stranger, reader):
            assert (await visitor.send(f"/review/{file}/{deed}", fields)).status == 404
        clerk = await site.visitor(CLERK)
        assert (await clerk.send(f"/review/{file}/{deed}", fields, Sec_Fetch_Site="cross-site")).status == 403
        clerk.token = "0" * 64
        assert (await clerk.send(f"/review/{file}/{deed}", fields)).status == 403
    assert await scan(site, "review_fields") == before


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_that_a_file_or_its_sender_says_comes_alive(site: Site, text: str) -> None:
    store = site.gateway.store
    now = site.gateway.clock.now()
    new = Scan(
        id=f"hostile{abs(hash(text))}"[:30],
        account=AccountId(ALPHA),
        key=text,
        state=ScanState.TAKEN,
        source="mail",
        sender=text,
        file_name=text,
        created=now,
        updated=now,
    )
    begun = (await store.reviews.begin(new, b"%PDF-")).scan
    said = Candidate(value=text, shown=text, witnesses=("ocr", text))
    fields = {name: Field(name=name, value=text, candidates=(said,)) for name in ("number", "supplier_name", "account")}
    after = replace(begun, state=ScanState.REVIEW, hold="document", reason=text, reason_sv=text, pages=1, fields=fields)
    await store.reviews.settle(begun, after)
    visitor, seen = await site.visitor(CLERK), 0
    for path in ("/review", f"/review/{new.id}"):
        answer = await visitor.get(path)
        assert answer.status == 200
        reader = Reader()
        reader.feed(answer.text)
        for tag, attributes in reader.tags:
            assert tag not in ("iframe", "object", "embed", "base")
            assert tag != "img" or str(attributes["src"]).startswith(f"/review/{new.id}/")
            assert tag != "script" or str(attributes.get("src", "")).startswith("/portal/htmx")
            for name, value in attributes.items():
                assert not name.startswith(("on", "hx-on", "hx-get")), name
                assert name != "style"
                assert name in ("value", "alt") or not str(value).strip().lower().startswith("javascript:"), name
        seen += text in "".join(reader.texts)
    assert seen == 2, "it is shown, as text"
