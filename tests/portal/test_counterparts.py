"""The pages of counterparts: lists with filters, one with its reasons, changes by those who may; all of one account."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

import gateway.portal
from gateway.errors import LookupUnavailable
from gateway.model.counterpart import Counterpart, CounterpartFilter, CounterpartId, Quality
from gateway.model.counterpart import Role as Side
from gateway.model.identifiers import ParticipantId
from gateway.model.person import Role
from gateway.model.relation import Reason, Step, Unreachable
from gateway.ports import Changes
from tests.portal.conftest import Site
from tests.portal.stage import ALPHA, BETA, NOW, someone
from tests.portal.test_pages import HOSTILE, Reader
from tests.web.conftest import THEIRS

CLERK = someone(Role.CLERK)


def names_in(page: str) -> list[str]:
    return re.findall(r'href="/counterparts/[\w-]+">([^<]+)</a><span class="under', page)


async def one_of(site: Site, name: str) -> Counterpart:
    found, _ = await site.gateway.store.relations.counterparts(ALPHA, CounterpartFilter(query=name))
    return found[0]


LISTS = (
    ("q=kommun", ["Exempelstads kommun"]),
    ("q=556721-2047", ["Nordisk Kontorsmaterial AB"]),
    ("only=proposal", ["Exempelkund 1 AB", "Exempelkund 8 AB"]),
    ("only=opt_out", ["Exempelkund 22 AB"]),
    ("only=bad_address", ["Exempelkund 21 AB"]),
    ("channel=peppol", ["Exempelstads kommun", "Nordisk Kontorsmaterial AB"]),
    ("channel=email", ["Exempelkund 24 AB"]),
    ("channel=print", ["Exempelkund 21 AB", "Exempelkund 22 AB"]),
    ("state=lost", ["Exempelkund 24 AB"]),
    ("state=active", ["Nordisk Kontorsmaterial AB"]),
    ("role=supplier", ["Exempelleverantör 2 AB"]),
    ("only=unsure&q=k102", ["Exempelkund 21 AB", "Exempelkund 22 AB", "Exempelkund 24 AB", "Exempelstads kommun"]),
    ("channel=nonsense&q=nordisk", ["Nordisk Kontorsmaterial AB"]),
)


async def test_a_list_shows_who_fits(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    for query, expected in LISTS:
        page = await visitor.get(f"/counterparts?{query}")
        assert page.status == 200
        assert names_in(page.text) == expected, query


async def test_a_long_list_comes_page_by_page_and_each_once(site: Site) -> None:
    many = tuple(
        Counterpart(
            id=CounterpartId(f"många-{n}"), account=ALPHA, role=Side.CUSTOMER, name="Lika AB", created=NOW, updated=NOW
        )
        for n in range(120)
    )
    await site.gateway.store.relations.commit(Changes(counterparts=tuple((one, None) for one in many)))
    visitor, path, seen = await site.visitor(CLERK), "/counterparts?q=lika", []
    while path:
        page = (await visitor.get(path)).text
        seen += re.findall(r'href="/counterparts/(många-\d+)"', page)
        following = re.findall(r'href="(/counterparts\?[^"]*cursor=[^"]+)"', page)
        path = following[-1].replace("&amp;", "&") if following else ""
    assert sorted(seen) == sorted(one.id for one in many)
    assert (await visitor.get("/counterparts?cursor=none")).headers["Location"] == "/counterparts"


async def test_the_page_of_one_says_what_would_happen_and_why(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    page = (await visitor.get(f"/counterparts/{site.documents['reached']}")).text
    assert "Går som e-faktura" in page and "Förbindelsen är i bruk" in page
    assert page.index("Kan nås") < page.index("Kan inte nås"), "the surest way first"
    assert "tillit 4 av 5" in page and "2026-1042" in page
    doubt = (await visitor.get(f"/counterparts/{site.documents['doubtful']}")).text
    assert "Väntar" in doubt and "inget nej" in doubt, "don't know is no reason for paper"


async def test_a_clerk_adds_changes_and_removes_and_the_log_says_so(site: Site) -> None:
    visitor, rows = await site.visitor(CLERK), site.gateway.store.relations
    form = {"role": "customer", "name": "Ny Kund AB", "number": "N1", "org_number": "556721-2047", "country": "SE"}
    answer = await visitor.send("/counterparts/add", {**form, "not-print": "yes"})
    assert answer.status == 303
    id_ = answer.headers["Location"].split("/")[2].partition("?")[0]
    one = await rows.counterpart(ALPHA, CounterpartId(id_))
    assert (one.name, one.opt_out, one.addresses[0].key) == ("Ny Kund AB", ("print",), THEIRS)
    again = await visitor.send("/counterparts/add", form)
    assert again.status == 409 and "N1" in again.text
    edit = (await visitor.get(f"/counterparts/{id_}/edit")).text
    stamp = re.search(r'name="updated" value="([^"]+)"', edit)
    assert stamp
    changed = await visitor.send(
        f"/counterparts/{id_}/change", {**form, "updated": stamp[1], "route": "print", "email": "a@kund.example"}
    )
    assert changed.status == 303
    one = await rows.counterpart(ALPHA, CounterpartId(id_))
    assert (one.route, one.opt_out, one.email) == ("print", (), "a@kund.example")
    assert (await visitor.send(f"/counterparts/{id_}/remove")).status == 400, "only for who is sure"
    assert (await visitor.send(f"/counterparts/{id_}/remove", {"sure": "yes"})).status == 303
    assert (await visitor.get(f"/counterparts/{id_}")).status == 404
    deeds = [deed.action for deed in await site.gateway.store.people.deeds(ALPHA, 3)]
    assert deeds == ["counterpart-removed", "counterpart-changed", "counterpart-added"]


async def test_a_form_that_was_open_too_long_overwrites_nothing(site: Site) -> None:
    visitor, id_ = await site.visitor(CLERK), site.documents["reached"]
    stale = {"name": "Annat namn AB", "updated": "2020-01-01T00:00:00+00:00"}
    answer = await visitor.send(f"/counterparts/{id_}/change", stale)
    assert answer.status == 409 and "Annat namn AB" in answer.text
    assert (await one_of(site, "nordisk")).name == "Nordisk Kontorsmaterial AB"


async def test_what_is_wrong_stands_at_its_field_in_the_readers_language(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    wrong = {"role": "customer", "name": "", "email": "inte en adress", "org_number": "556721-2048", "country": "SE"}
    answer = await visitor.send("/counterparts/add", wrong)
    assert answer.status == 422
    for sentence in ("Namnet saknas", "E-postadressen är inte en adress", "kontrollsiffran skulle vara 7"):
        assert sentence in answer.text
    assert 'value="inte en adress"' in answer.text


async def test_a_bad_address_is_used_again_when_somebody_mends_it_or_says_so(site: Site) -> None:
    visitor, id_ = await site.visitor(CLERK), site.documents["doubtful"]
    assert (await visitor.send(f"/counterparts/{id_}/again", {"which": "email"})).status == 303
    assert (await one_of(site, "exempelkund 21")).email_quality is Quality.UNKNOWN


async def test_asking_the_network_shows_every_step_and_keeps_the_answers(site: Site) -> None:
    step = Step(asked="NAPTR abc", where="dns.example", answer="NXDOMAIN", milliseconds=12)

    class Network:
        async def find(self, participant: ParticipantId, *rest: object) -> Unreachable:
            if participant.icd == "9955":
                raise LookupUnavailable("no answer within 5 s", steps=(step,))
            text = f"{participant.value} is not registered (NXDOMAIN)"
            return Unreachable(participant=participant, reason=Reason.NOT_REGISTERED, text=text, steps=(step,))

    object.__setattr__(site.gateway, "lookup", Network())
    visitor, id_ = await site.visitor(CLERK), site.documents["reached"]
    page = await visitor.send(f"/counterparts/{id_}/check")
    assert page.status == 200
    assert page.text.count("NAPTR abc") == 3 and "Vet inte" in page.text
    assert page.text.count("Numret finns inte i nätverkets register.") == 2, "the reason, in the reader's language"
    assert "Det är varken ja eller nej" in page.text
    assert page.text.count("Finns numret i nätverkets register, och vilken adresstjänst har det?") == 3
    rows = await site.gateway.store.relations.evidence(ALPHA, CounterpartId(id_))
    assert [str(row.verdict) for row in rows[:3]].count("indeterminate") == 1
    assert rows[0].verdict == "indeterminate", "what is not known counts more than a no"
    listed, _ = await site.gateway.store.relations.listed(ALPHA, CounterpartFilter(query="nordisk"))
    assert listed[0].verdict == "indeterminate"


@pytest.mark.parametrize("language", ["sv", "en"])
def test_every_reason_for_a_no_is_told_in_both_languages(language: str) -> None:
    words = json.loads((files(gateway.portal) / "words" / language / "counterpart.json").read_text())
    assert all(words[f"no-{reason}"].endswith(".") for reason in Reason)


async def test_who_only_reads_sees_all_and_changes_nothing(site: Site) -> None:
    visitor, id_ = await site.visitor(someone(Role.COMPLIANCE)), site.documents["reached"]
    page = (await visitor.get(f"/counterparts/{id_}")).text
    assert "/edit" not in page and "/check" not in page and "/remove" not in page
    for deed in ("check", "remove", "again", "drop-number", "change"):
        assert (await visitor.send(f"/counterparts/{id_}/{deed}", {"sure": "yes"})).status == 404
    assert (await visitor.send("/counterparts/add", {"name": "X"})).status == 404


async def test_another_accounts_counterparts_are_in_no_list_and_no_file(site: Site) -> None:
    stranger = Counterpart(
        id=CounterpartId("främling"), account=BETA, role=Side.CUSTOMER, name="Grannens Kund", created=NOW, updated=NOW
    )
    await site.gateway.store.relations.commit(Changes(counterparts=((stranger, None),)))
    visitor = await site.visitor(CLERK)
    assert "Grannens" not in (await visitor.get("/counterparts")).text
    file = await visitor.get("/counterparts/export.csv?q=nordisk")
    assert file.headers["Content-Disposition"] == 'attachment; filename="customers.csv"'
    assert "Nordisk" in file.text and "Grannens" not in file.text and "Exempelkund" not in file.text
    assert (await visitor.get("/counterparts/främling")).status == 404


async def test_nothing_that_a_register_says_comes_alive(site: Site) -> None:
    visitor: Any = await site.visitor(CLERK)
    one = await one_of(site, "nordisk")
    for text in HOSTILE:
        address = replace(one.address, street=text, city=text, attention=text)
        evil = replace(one, name=text, names=(text,), number=text, email=text, note=text, address=address)
        await site.gateway.store.relations.commit(Changes(counterparts=((evil, one.updated),)))
        for path in ("/counterparts", f"/counterparts/{one.id}", f"/counterparts/{one.id}/edit"):
            answer = await visitor.get(path)
            assert answer.status == 200
            check_dead(path, answer.text)


def check_dead(path: str, text: str) -> None:
    """Nothing in the page runs, frames or fetches."""
    reader = Reader()
    reader.feed(text)
    for tag, attributes in reader.tags:
        assert tag not in ("iframe", "img", "object", "embed", "base"), path
        assert tag != "script" or str(attributes.get("src", "")).startswith("/portal/htmx"), path
        for name, value in attributes.items():
            assert not name.startswith(("on", "hx-on")) and name != "style", (path, name)
            assert name == "value" or not str(value).strip().lower().startswith("javascript:"), (path, name)
