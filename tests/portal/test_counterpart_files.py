"""A register read in: checked in the reader's language, entered on a yes of who handed it in; many looked up."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import FormData

from gateway.model.counterpart import CounterpartFilter
from gateway.model.identifiers import ParticipantId
from gateway.model.person import Role
from gateway.model.relation import Reason, Unreachable
from tests.portal.conftest import Answer, Site, Visitor
from tests.portal.stage import ALPHA, someone
from tests.portal.test_counterparts import CLERK, check_dead
from tests.portal.test_pages import HOSTILE

GOOD = (
    "kundnummer;namn;organisationsnummer;e-post\nF1;Första AB;556721-2047;a@kund.example\nF2;Andra AB;;b@kund.example\n"
)


async def hand_in(visitor: Visitor, text: str | bytes, role: str = "customer") -> Answer:
    form = FormData()
    form.add_field("csrf", visitor.token)
    form.add_field("role", role)
    octets = text.encode() if isinstance(text, str) else text
    form.add_field("file", octets, filename="register.csv", content_type="text/csv")
    return await visitor._call("POST", "/counterparts/import", {"Sec-Fetch-Site": "same-origin"}, form)


def pending(page: str) -> str:
    found = re.search(r'name="file" value="([0-9a-f]+)"', page)
    return found[1] if found else ""


async def names(site: Site, query: str) -> list[str]:
    found, _ = await site.gateway.store.relations.counterparts(ALPHA, CounterpartFilter(query=query))
    return [one.name for one in found]


async def test_a_file_is_checked_first_and_entered_on_a_yes_once(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    report = await hand_in(visitor, GOOD)
    assert report.status == 200 and "Rader som ändrar registret: 2" in report.text
    assert await names(site, "F1") == [], "nothing is entered before somebody says yes"
    file = pending(report.text)
    done = await visitor.send("/counterparts/import/confirm", {"file": file, "role": "customer"})
    assert done.status == 200 and "Filen är inläst" in done.text
    assert await names(site, "F1") == ["Första AB"]
    again = await visitor.send("/counterparts/import/confirm", {"file": file, "role": "customer"})
    assert again.status == 404, "a second click finds nothing to enter"
    assert "Oförändrade" in (await hand_in(visitor, GOOD)).text
    deed = (await site.gateway.store.people.deeds(ALPHA, 1))[0]
    assert (deed.action, deed.detail) == ("counterparts-imported", "2 new, 0 changed, 0 same, 0 wrong")


async def test_each_wrong_line_says_what_and_how_and_the_good_ones_are_taken(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    text = "namn;organisationsnummer;e-post;land\nBra AB;;;\nFel AB;556721-2048;inte en adress;SE\n;;;SE\n"
    report = (await hand_in(visitor, text)).text
    assert "kontrollsiffran skulle vara 7" in report and "E-postadressen är inte en adress" in report
    assert "Rader som ändrar registret: 1" in report
    await visitor.get("/counterparts?language=en")
    for octets, sentence in ((b"\x00\x01\x02", "no text"), (b"", ""), (b"a;b\n1;2\n", "name")):
        answer = await hand_in(visitor, octets)
        assert answer.status == 422 and sentence in answer.text


async def test_what_one_handed_in_nobody_else_confirms(site: Site) -> None:
    clerk, admin = await site.visitor(CLERK), await site.visitor("admin@exempel.example")
    file = pending((await hand_in(clerk, GOOD)).text)
    fields = {"file": file, "role": "customer"}
    assert (await admin.send("/counterparts/import/confirm", fields)).status == 404
    assert (await clerk.send("/counterparts/import/confirm", {**fields, "role": "supplier"})).status == 404
    reader = await site.visitor(someone(Role.COMPLIANCE))
    assert (await hand_in(reader, GOOD)).status == 404
    assert await names(site, "F1") == []


async def test_nothing_that_a_file_says_comes_alive(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    for text in HOSTILE:
        cell = '"' + text.replace('"', '""') + '"'
        report = await hand_in(visitor, f"namn;land;e-post;{cell}\n{cell};{cell};{cell};{cell}\nEn AB;XXX;;\n")
        assert report.status == 200
        check_dead("/counterparts/import", report.text)
    clean = await hand_in(visitor, "namn;anteckning\n=HYPERLINK(1);=1+1\n")
    await visitor.send("/counterparts/import/confirm", {"file": pending(clean.text), "role": "customer"})
    file = (await visitor.get("/counterparts/export.csv?q=hyperlink")).text
    assert "'=HYPERLINK(1)" in file and "'=1+1" in file, "no spreadsheet runs it"


async def test_many_are_looked_up_beside_the_page_and_the_answers_stay(site: Site) -> None:
    asked = []

    class Network:
        async def find(self, participant: ParticipantId, *rest: object) -> Unreachable:
            asked.append(participant.value)
            text = f"{participant.value} is not registered"
            return Unreachable(participant=participant, reason=Reason.NOT_REGISTERED, text=text)

    network: Any = Network()
    object.__setattr__(site.gateway, "lookup", network)
    visitor = await site.visitor(CLERK)
    assert (
        (await visitor.send("/counterparts/check", {"what": "chosen"})).headers["Location"].endswith("nothing-chosen")
    )
    one = {f"one-{site.documents['reached']}": "yes", "what": "chosen"}
    begun = await visitor.send("/counterparts/check", one)
    assert begun.status == 303
    assert "0 av 1 klara" in (page := (await visitor.get(begun.headers["Location"])).text) and "every 3s" in page
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.gateway.checking.run())
        while site.gateway.checking.going(ALPHA):
            await asyncio.sleep(0.02)
        running.cancel()
    page = (await visitor.get(begun.headers["Location"])).text
    assert "Alla har svarat" in page
    assert "1 av 1 klara" in page and "Nordisk Kontorsmaterial AB" in page and "Kan inte nås" in page
    assert len(asked) == 3, "only the chosen one, each of its numbers once"
    everybody = await visitor.send("/counterparts/check", {"what": "all", "only": "opt_out"})
    assert "only=opt_out" in everybody.headers["Location"]
    reader = await site.visitor(someone(Role.COMPLIANCE))
    assert (await reader.send("/counterparts/check", {"what": "all"})).status == 404
