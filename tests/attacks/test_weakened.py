"""Each check carries: when its line is switched off, the evil case of the suite is taken, and the suite says so."""

from __future__ import annotations

import pytest

from gateway.as4.gzipped import allowed_size
from tests.attacks.parts import TAKEN, Kit
from tests.attacks.weakened import WEAKENINGS, Edit, Weakening, examine, weakened

pytestmark = pytest.mark.usefixtures("door")


@pytest.mark.parametrize("weakening", WEAKENINGS, ids=lambda w: w.check)
def test_the_suite_notices_a_weakened_check(kit: Kit, weakening: Weakening) -> None:
    found = examine(kit, weakening)
    assert found.before != TAKEN
    assert found.after == TAKEN, f"{weakening.check}: {found.before}, then {found.after}: another check refuses it too"
    assert found.noticed


def test_the_checks_are_back_afterwards(kit: Kit) -> None:
    codes = [edit.function.__code__ for w in WEAKENINGS for edit in w.edits]  # type: ignore[attr-defined]
    for weakening in WEAKENINGS[:3]:
        examine(kit, weakening)
    assert codes == [edit.function.__code__ for w in WEAKENINGS for edit in w.edits]  # type: ignore[attr-defined]


def test_a_line_that_has_gone_is_an_error() -> None:
    with pytest.raises(LookupError, match="allowed_size"), weakened(Edit(allowed_size, "no such line", "pass")):
        pass


def test_a_change_that_weakens_nothing_is_seen(kit: Kit) -> None:
    idle = Weakening("nothing", (), WEAKENINGS[0].evil, "")
    assert not examine(kit, idle).carries
