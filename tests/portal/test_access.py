"""Who may see and do what: every route of the web tool, every role, both accounts, and nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.model.person import Deed, Role
from gateway.portal.front import Front
from tests.portal.conftest import Site
from tests.portal.pages import PAGES
from tests.portal.stage import ALPHA, BETA, someone


def _path(pattern: str, documents: Mapping[str, str]) -> str:
    of = {"counterparts": "reached", "review": "review_fields", "post": "post_posted"}
    one = documents["sweep" if "/sweeps/" in pattern else of.get(pattern.split("/")[1], "refused")]
    return re.sub(r"\{[a-z_]+(:[^{}]*(\{[^{}]*\}[^{}]*)*)?\}", one, pattern)


async def test_without_a_session_every_page_leads_to_the_door_and_every_form_too(site: Site) -> None:
    stranger = await site.visitor()
    document = site.documents["refused"]
    pages = [page for page in Front(site.gateway).pages if not page.open]
    assert len(pages) > 10
    for page in pages:
        path = _path(page.path, site.documents)
        answer = await (stranger.get(path) if page.method == "GET" else stranger.send(path))
        assert answer.status == 303, path
        assert answer.headers["Location"].startswith("/sign-in"), path
        assert document not in answer.text


async def test_each_role_gets_the_pages_that_the_list_names_and_no_other(site: Site) -> None:
    for role in Role:
        visitor = await site.visitor(someone(role))
        for page in PAGES:
            answer = await visitor.get(page.at(site.documents))
            assert answer.status == (200 if role in page.who else 404), (role, page.name)


async def test_the_list_of_the_tests_knows_every_page(site: Site) -> None:
    shown = {page.at(site.documents).split("?")[0] for page in PAGES}
    for page in Front(site.gateway).pages:
        if page.method == "GET" and not page.open and not page.path.endswith(_FILES):
            path = _path(page.path, site.documents)
            assert path in shown, f"add {page.path} to tests/portal/pages.py"


_FILES = ("/content", "/page.pdf", "/evidence.zip", "/export.csv", "/page.png", "/crop.png")


async def test_what_belongs_to_another_account_does_not_exist(site: Site) -> None:
    visitor = await site.visitor("ekonomi@annat.example")
    own = site.documents["others"]
    for page in Front(site.gateway).pages:
        if "{id" not in page.path or not page.path.startswith(("/documents", "/counterparts", "/review", "/post")):
            continue
        path = _path(page.path, site.documents)
        answer = await (visitor.get(path) if page.method == "GET" else visitor.send(path))
        assert answer.status == 404, path
        assert "2026-1041" not in answer.text and "Exempelkund" not in answer.text
    assert (await visitor.get(f"/documents/{own}")).status == 200
    listed = (await visitor.get("/documents")).text
    assert "B-1" in listed
    assert "2026-1041" not in listed


async def test_who_only_reads_changes_nothing(site: Site) -> None:
    visitor = await site.visitor(someone(Role.COMPLIANCE))
    document = site.documents["refused"]
    before = await site.gateway.store.get(ALPHA, document)
    for deed in ("requeue", "resend", "redeliver", "handled"):
        assert (await visitor.send(f"/documents/{document}/{deed}")).status == 404
    assert await site.gateway.store.get(ALPHA, document) == before
    assert "/requeue" not in (await visitor.get(f"/documents/{document}")).text


async def test_a_clerk_puts_a_document_back_to_work_and_the_log_says_so(site: Site) -> None:
    name = someone(Role.CLERK)
    visitor = await site.visitor(name)
    document = site.documents["failed"]
    answer = await visitor.send(f"/documents/{document}/requeue")
    assert (answer.status, answer.headers["Location"]) == (303, f"/documents/{document}?said=requeued")
    assert (await site.gateway.store.get(ALPHA, document)).state == "ACCEPTED"
    deed = (await site.gateway.store.people.deeds(ALPHA, 1))[0]
    assert (deed.action, deed.actor, deed.subject, deed.origin) == ("requeued", name, document, "127.0.0.1")
    assert (await visitor.send(f"/documents/{document}/requeue")).status == 409


async def test_a_document_that_was_seen_to_no_longer_needs_anybody(site: Site) -> None:
    visitor = await site.visitor(someone(Role.CLERK))
    document = site.documents["refused"]
    assert f"/documents/{document}" in (await visitor.get("/")).text.split("figures")[0]
    assert (await visitor.send(f"/documents/{document}/handled")).status == 303
    assert f"/documents/{document}" not in (await visitor.get("/")).text.split("figures")[0]


async def test_a_person_of_two_accounts_goes_from_one_to_the_other_under_a_new_secret(site: Site) -> None:
    visitor = await site.visitor("admin@exempel.example")
    foreign, before = site.documents["others"], dict(visitor.cookies)
    assert (await visitor.get(f"/documents/{foreign}")).status == 404
    answer = await visitor.send("/account", {"account": BETA})
    assert answer.status == 303
    assert visitor.cookies["gateway-session"] != before["gateway-session"]
    assert (await visitor.get(f"/documents/{foreign}")).status == 200
    visitor.cookies = before
    assert (await visitor.get("/")).status == 303


async def test_nobody_goes_to_an_account_that_is_not_theirs(site: Site) -> None:
    visitor = await site.visitor(someone(Role.CLERK))
    assert (await visitor.send("/account", {"account": BETA})).status == 404


async def test_a_role_that_was_taken_away_is_gone_at_once(site: Site) -> None:
    name = someone(Role.CLERK)
    visitor = await site.visitor(name)
    people = site.gateway.store.people
    person = await people.named(name)
    assert person is not None
    await people.change_role(person.id, None, Deed(account=ALPHA, actor="test", action="user-removed"))
    assert (await visitor.get("/documents")).status == 303
