"""Words of a query language are words: searches find what says them and change nothing."""

from __future__ import annotations

import pytest
from store_parts import EXEMPEL, NORDISK, outgoing

from gateway.model.counterpart import CounterpartFilter
from gateway.model.message import Filter
from gateway.store import SqlStore

HOSTILE = (
    *("' OR '1'='1", "'; DROP TABLE message; --", '" OR 1=1 --', "1) UNION SELECT * FROM api_key --", "%", "_", "\\"),
    *("%' ESCAPE '!", "$1", ":of_id", "?", "*", "#", "=", "\U0010ffff", "a" * 5_000, " ".join("zq" * 2_000)),
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_search_takes_any_words_and_finds_only_what_has_them(store: SqlStore, text: str) -> None:
    await store.add_once(outgoing("ours"))
    await store.add_once(outgoing("theirs", account=NORDISK))
    while await store.search.advance(100):
        pass
    for which in (Filter(query=text), Filter(parties=(text,)), Filter(names=(text,)), Filter(channel=text)):
        assert (await store.find(EXEMPEL, which))[0] == []
    assert (await store.relations.counterparts(EXEMPEL, CounterpartFilter(query=text)))[0] == []
    assert [one.id for one in (await store.find(EXEMPEL, Filter()))[0]] == ["ours"]
