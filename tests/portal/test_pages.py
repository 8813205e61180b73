"""What stands on the pages: nothing hostile comes alive, every sentence has both languages, headers are strict."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

import gateway.portal
from gateway.model.lifecycle import Event
from gateway.portal.front import POLICY
from gateway.portal.pages.today import share_of
from gateway.portal.words import choose, knows, read_words
from gateway.ports.people import Counted
from gateway.web.problem import KINDS
from tests.portal.conftest import Site
from tests.portal.pages import OPEN, PAGES
from tests.portal.stage import NOW, Sample, SteadyClock, add
from tests.web.conftest import INVOICE

FOLDER = Path(gateway.portal.__file__).parent
ADMIN = "admin@exempel.example"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "</textarea></title><iframe srcdoc='x'>",
    "<a hx-get='/sign-out' hx-on:click='alert(1)'>",
)


class Reader(HTMLParser):
    """What a browser would make of the page: its elements and attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def hostile_invoice(text: str) -> bytes:
    """An invoice with the text in every element that holds free text."""
    fields = ("Name", "StreetName", "CityName", "PostalZone", "BuyerReference", "RegistrationName", "PaymentID", "ID")
    document = INVOICE.replace("NUMBER", "X-1")
    for name in fields:
        document = re.sub(rf"(<cbc:{name}(?: [^>]*)?>)(?!X-1|VAT|S<|SE:)[^<]*", lambda m: m[1] + escape(text), document)
    note = f"<cbc:Note>{escape(text)}</cbc:Note>"
    return document.replace("<cbc:DocumentCurrencyCode>", f"{note}<cbc:DocumentCurrencyCode>", 1).encode()


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_that_an_invoice_says_comes_alive(site: Site, steady: SteadyClock, text: str) -> None:
    store: Any = site.gateway.store
    sample = Sample(number=text, other=text, octets=hostile_invoice(text))
    document = await add(store, steady, sample)
    visitor = await site.visitor(ADMIN)
    seen = 0
    for path in (f"/documents/{document}", "/documents", "/", f"/documents?q={'%22%3E%3Cscript%3E'}"):
        answer = await visitor.get(path)
        assert answer.status == 200
        reader = Reader()
        reader.feed(answer.text)
        for tag, attributes in reader.tags:
            assert tag not in ("iframe", "img", "object", "embed", "base"), path
            assert tag != "script" or str(attributes.get("src", "")).startswith("/portal/htmx"), path
            for name, value in attributes.items():
                assert not name.startswith(("on", "hx-on")), (path, name)
                assert name != "style", path
                assert not str(value).strip().lower().startswith("javascript:"), (path, name)
                assert name != "hx-get" or value == "/documents"
        seen += text in "".join(reader.texts)
    assert seen >= 3, "it is shown, as text"


async def test_every_answer_has_strict_headers(site: Site) -> None:
    visitor = await site.visitor(ADMIN)
    for path in (*(page.at(site.documents) for page in PAGES), "/documents/none", *OPEN):
        headers = (await visitor.get(path)).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
    assert "unsafe" not in POLICY
    assert "default-src 'none'" in POLICY


async def test_files_of_the_pages_may_be_kept_and_nothing_else_is_given(site: Site) -> None:
    visitor = await site.visitor()
    page = await visitor.get("/sign-in")
    for found in re.findall(r'(?:src|href)="(/portal/[^"]+)"', page.text):
        answer = await visitor.get(found)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
    for path in ("/portal/front.py", "/portal/..%2fwords.py", "/portal/htmx.LICENSE.txt"):
        assert (await visitor.get(path)).status == 404


async def test_downloads_are_attachments(site: Site) -> None:
    visitor = await site.visitor(ADMIN)
    for name in ("content", "evidence.zip"):
        answer = await visitor.get(f"/documents/{site.documents['refused']}/{name}")
        assert answer.status == 200
        assert answer.headers["Content-Disposition"].startswith("attachment")


def test_every_sentence_is_there_in_both_languages_with_the_same_places() -> None:
    sv, en = read_words("sv"), read_words("en")
    assert sv.keys() == en.keys()
    for key in sv:
        assert sv[key].strip() and en[key].strip(), key
        assert set(re.findall(r"\{(\w+)\}", sv[key])) == set(re.findall(r"\{(\w+)\}", en[key])), key


def test_every_key_that_the_pages_name_is_there() -> None:
    known = read_words("sv")
    for file in (*FOLDER.rglob("*.html"), *FOLDER.rglob("*.py")):
        for key in re.findall(r"""\bt\(["']([a-z][\w.-]*\.[\w-]+)["'][,)]""", file.read_text()):
            assert key in known, f"{file.name}: {key}"
        for said in re.findall(r'said="([\w-]+)"', file.read_text()):
            assert f"said.{said}" in known, f"{file.name}: {said}"


def test_every_refusal_of_a_page_has_words() -> None:
    for kind in KINDS:  # an API key and Expect are the API's own
        if kind not in ("key-needed", "expectation-failed"):
            assert knows(f"problem.{kind}") and knows(f"problem.{kind}-why"), kind


async def test_a_document_links_to_documents_and_to_nothing_that_is_none(site: Site, steady: SteadyClock) -> None:
    links = {"repeat_of": "another-document", "scan": "a-scan", "supplier": "SE5567212047", "interpretation": "a-scan"}
    sent = Event(name="Sent", reason="It was sent", links=links)
    document = await add(site.gateway.store, steady, Sample(number="L-1", events=(sent,)))
    page = (await (await site.visitor(ADMIN)).get(f"/documents/{document}")).text
    assert 'href="/documents/another-document"' in page and "Samma meddelande som" in page
    assert "a-scan" not in page and "/documents/SE5567212047" not in page


def test_what_an_operator_carries_counts_as_electronic_as_in_the_statistics() -> None:
    rows = {("out", "peppol", "SENT"): 1, ("out", "operator", "SENT"): 2, ("out", "print", "DISPATCHED"): 4}
    share = share_of(Counted(since=NOW, rows=rows))
    assert (share.total, share.electronic) == (7, 3)


def test_no_template_has_text_of_its_own() -> None:
    for file in (FOLDER / "templates").glob("*.html"):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", file.read_text(), flags=re.DOTALL)
        reader = Reader()
        reader.feed(text)
        words = [one for part in reader.texts for one in re.findall(r"[^\W\d_]{2,}", part)]
        assert not words, (file.name, words)
        for tag, attributes in reader.tags:
            assert "style" not in attributes, (file.name, tag)
            for name in ("title", "alt", "placeholder", "aria-label", "data-word"):
                assert not re.search(r"[^\W\d_]{2,}", attributes.get(name) or ""), (file.name, name)


async def test_the_language_is_the_browsers_until_somebody_chooses(site: Site) -> None:
    visitor = await site.visitor()
    assert 'lang="en"' in (await visitor.get("/sign-in", **{"Accept-Language": "en-GB,sv;q=0.5"})).text
    assert 'lang="sv"' in (await visitor.get("/sign-in", **{"Accept-Language": "de"})).text
    await visitor.get("/sign-in?language=en")
    assert 'lang="en"' in (await visitor.get("/sign-in", **{"Accept-Language": "sv"})).text
    assert choose("en;q=0.4, sv;q=0.6") == "sv"
    assert choose("en;q=x") == "sv"


def test_words_are_files_of_data() -> None:
    for file in FOLDER.joinpath("words").rglob("*.json"):
        assert all(isinstance(text, str) for text in json.loads(file.read_text()).values())
