"""Print and mail: a return is entered once, what mail servers said is shown as text, nobody sees another's."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.addresses import failed_id
from gateway.model.letter import LetterId, LetterState, ReturnReason
from gateway.model.lifecycle import State
from gateway.model.person import Role
from tests.portal.conftest import Site
from tests.portal.postroom import come_back, post_letter
from tests.portal.stage import ALPHA, BETA, someone
from tests.portal.test_pages import HOSTILE, Reader

CLERK = someone(Role.CLERK)
CLOSED = failed_id(ALPHA, "email", "faktura@kund7.example")


async def test_batches_have_totals_states_and_the_digest_of_every_letter(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    page = (await visitor.get("/post")).text
    assert "20261125-0900-exempel" in page and "Mapp till tryckeri" in page
    batch = (await visitor.get("/post/letters?batch=20261125-0900-exempel")).text
    letters = site.gateway.store.letters
    one = await letters.letter(ALPHA, LetterId(site.documents["post_posted"]))
    assert "24,80" in batch and one.sha256[:12] in batch and "24 g" in batch
    shown = (await visitor.get(f"/post/letters/{one.id}")).text
    assert one.sha256 in shown and f'href="/documents/{one.document}"' in shown and "Exempelpost" in shown


async def test_a_return_is_entered_with_its_reason_and_the_invoice_waits_for_a_person(site: Site) -> None:
    visitor, path = await site.visitor(CLERK), f"/post/letters/{site.documents['post_posted']}"
    for wrong in ({}, {"reason": "bored"}, {"reason": "moved", "date": "2031-01-01"}, {"reason": "moved", "date": "x"}):
        assert (await visitor.send(f"{path}/return", wrong)).status == 422
    fields = {"reason": "moved", "date": "2026-11-25", "note": "Flyttat till Umeå"}
    assert (await visitor.send(f"{path}/return", fields)).status == 303
    one = await site.gateway.store.letters.letter(ALPHA, LetterId(site.documents["post_posted"]))
    assert (one.state, one.returned) == (LetterState.RETURNED, ReturnReason.MOVED)
    assert (await site.gateway.store.get(ALPHA, one.document)).state is State.REJECTED
    deed = (await site.gateway.store.people.deeds(ALPHA, 1))[0]
    assert (deed.action, deed.actor, deed.detail) == ("letter-returned", CLERK, "moved Flyttat till Umeå")
    assert "/return" not in (await visitor.get(path)).text
    returned = (await visitor.get("/post/letters?group=returned")).text
    assert "Avflyttad 2" in returned, "both are counted under their reason"


async def test_mails_show_what_was_heard_what_followed_and_who_gets_none(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    page = (await visitor.get("/post/mails")).text
    assert "550 no such user" in page and "Adressen finns inte" in page and "mx.kund.example" in page
    assert "2026-1038" in page, "it may still come back"
    assert f"/documents/{site.documents['failed']}" in page
    assert await site.gateway.store.addresses.failed(ALPHA, [CLOSED]) and "Adressen är rätt" in page
    assert (await visitor.send("/post/mails/release", {"id": "none"})).status == 404
    assert (await visitor.send("/post/mails/release", {"id": CLOSED})).status == 303
    assert not await site.gateway.store.addresses.failed(ALPHA, [CLOSED])
    assert "Adressen är rätt" not in (await visitor.get("/post/mails")).text


async def test_what_belongs_to_another_account_does_not_exist_and_who_reads_changes_nothing(site: Site) -> None:
    stranger, reader = await site.visitor("ekonomi@annat.example"), await site.visitor(someone(Role.COMPLIANCE))
    path = f"/post/letters/{site.documents['post_posted']}"
    assert (await stranger.get(path)).status == 404
    for visitor in (stranger, reader):
        assert (await visitor.send(f"{path}/return", {"reason": "moved"})).status == 404
    for address in ("/post", "/post/letters", "/post/letters?batch=20261125-0900-exempel", "/post/mails"):
        text = (await stranger.get(address)).text
        assert "2026-10" not in text and "kund7" not in text, address
    assert (await reader.send("/post/mails/release", {"id": CLOSED})).status == 404
    await stranger.send("/post/mails/release", {"id": CLOSED})
    assert await site.gateway.store.addresses.failed(ALPHA, [CLOSED]), "theirs is not ours"
    assert "/return" not in (await reader.get(path)).text
    assert (await site.gateway.store.mail.came_back(BETA, 9)) == []


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_that_a_mail_server_or_an_address_says_comes_alive(site: Site, text: str) -> None:
    store: Any = site.gateway.store
    await come_back(store, ALPHA, site.documents["refused"], text, text)
    letter = await post_letter(store, ALPHA, site.documents["refused"], text)
    visitor, seen = await site.visitor(CLERK), 0
    for path in ("/post/mails", f"/post/letters/{letter}", "/post/letters"):
        answer = await visitor.get(path)
        assert answer.status == 200
        reader = Reader()
        reader.feed(answer.text)
        for tag, attributes in reader.tags:
            assert tag not in ("iframe", "img", "object", "embed", "base")
            assert tag != "script" or str(attributes.get("src", "")).startswith("/portal/htmx")
            for name, value in attributes.items():
                assert not name.startswith(("on", "hx-on", "hx-get")) and name != "style"
                assert name == "value" or not str(value).strip().lower().startswith("javascript:")
        seen += text in "".join(reader.texts)
    assert seen == 3, "it is shown, as text"
