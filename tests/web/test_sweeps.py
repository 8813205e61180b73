"""Sweeps over the API: begun once, told how far they are, never another account's."""

from __future__ import annotations

from datetime import timedelta

from gateway.model.counterpart import CounterpartId
from gateway.model.sweep import Change, Difference
from gateway.ports import Judged
from tests.web.conftest import Site
from tests.web.test_metrics import series


async def test_a_sweep_is_begun_once_and_tells_how_far_it_is(site: Site) -> None:
    begun = await site.call("POST", "/v1/sweeps")
    assert begun.status == 202 and (begun.json["state"], begun.json["kind"]) == ("waiting", "demand")
    again = await site.call("POST", "/v1/sweeps")
    assert (again.status, again.json["id"]) == (200, begun.json["id"])
    path = f"/v1/sweeps/{begun.json['id']}"
    sweeps = site.gateway.store.sweeps
    held = await sweeps.claim("test", timedelta(minutes=1))
    assert held is not None
    lines = [
        Difference(
            counterpart=CounterpartId(f"c{n}"),
            name=f"Kund {n} AB",
            change=Change.APPEARED,
            participant="0007:5567212047",
            after="POP000102",
            sv="Kan nu få e-faktura",
            en="Can now get e-invoices",
            time=site.gateway.clock.now(),
        )
        for n in range(3)
    ]
    judged = [Judged(counterpart=one.counterpart, asked=True, differences=(one,)) for one in lines]
    held = await sweeps.record(held, judged, timedelta(minutes=1))
    going = (await site.get(f"{path}?limit=2")).json
    assert (going["state"], going["done"], going["found"], going["ended"]) == ("running", 3, 3, None)
    assert [one["name"] for one in going["differences"]] == ["Kund 0 AB", "Kund 1 AB"]
    rest = (await site.get(f"{path}?limit=2&cursor={going['next']}")).json
    assert [one["name"] for one in rest["differences"]] == ["Kund 2 AB"] and rest["next"] is None
    await sweeps.record(held, [], timedelta(minutes=1), last=True)
    (done,) = (await site.get("/v1/sweeps")).json["items"]
    assert (done["state"], done["total"]) == ("done", 3) and done["ended"]
    assert (await site.call("POST", "/v1/sweeps")).status == 202


async def test_metrics_tell_of_the_last_sweep_of_each_account(site: Site) -> None:
    assert (await series(site))["gateway_sweep_ended_seconds"] == 0
    sweeps = site.gateway.store.sweeps
    for who, found in (("alpha", 2), ("beta", 1)):
        await site.call("POST", "/v1/sweeps", who=who)
        held = await sweeps.claim("test", timedelta(minutes=1))
        assert held is not None and held.account == who
        judged = [
            Judged(
                counterpart=CounterpartId(f"c{n}"),
                asked=True,
                differences=(
                    Difference(
                        counterpart=CounterpartId(f"c{n}"),
                        name="Kund AB",
                        change=Change.MOVED,
                        sv="Har flyttat",
                        en="Has moved",
                        time=site.gateway.clock.now(),
                    ),
                ),
            )
            for n in range(found)
        ]
        await sweeps.record(held, judged, timedelta(minutes=1), last=who == "alpha")
    now = await series(site)
    assert now["gateway_sweep_customers"] == now['gateway_sweep_changes{change="moved"}'] == 3
    assert (now["gateway_sweeps_running"], now['gateway_sweep_changes{change="unknown"}']) == (1, 0)
    assert now["gateway_sweep_ended_seconds"] == site.gateway.clock.now().timestamp()


async def test_nothing_of_another_account_is_there(site: Site) -> None:
    begun = (await site.call("POST", "/v1/sweeps")).json
    assert (await site.get(f"/v1/sweeps/{begun['id']}", who="beta")).status == 404
    assert (await site.get("/v1/sweeps", who="beta")).json["items"] == []
    other = await site.call("POST", "/v1/sweeps", who="beta")
    assert other.status == 202 and other.json["id"] != begun["id"]
    assert (await site.get("/v1/sweeps?account=alpha", who="beta")).status == 404
    assert (await site.get("/v1/sweeps?account=beta")).json["items"][0]["id"] == other.json["id"]
    assert (await site.call("POST", "/v1/sweeps?account=nobody")).status == 404
    assert (await site.get("/v1/sweeps/nothing")).status == 404
    assert (await site.get(f"/v1/sweeps/{begun['id']}?cursor=x")).status == 400
