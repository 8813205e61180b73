"""``gateway counterparts``, ``sweep`` and ``proposals`` against a running market: DNS, SMPs, two gateways."""

from __future__ import annotations

from pathlib import Path

from stdnum import luhn

from tests.cli.conftest import Place, Run


def number(digits: str) -> str:
    return digits + luhn.calc_check_digit(digits)


REACHED, PAPER = number("556900001"), number("556900002")
REGISTER = f"""nummer;namn;orgnr;land;epost
9001;Exempelkund Ett AB;{REACHED};SE;ett@example.org
9002;Exempelkund Två AB;{PAPER};SE;
9003;Exempelkund Tre AB;1234567890;SE;
"""


def test_a_register_is_checked_taken_swept_and_what_is_found_is_decided(run: Run, place: Place, tmp_path: Path) -> None:
    file, config = tmp_path / "customers.csv", place.config(1)
    file.write_text(REGISTER)
    checked = run("counterparts", "check", str(file), *config)
    assert checked.code == 1 and "check digit" in checked.out and "2 would be in the register" in checked.out
    assert run("counterparts", "list", "--search", "Exempelkund", "--json", *config).out == ""
    taken = run("counterparts", "import", str(file), "--json", *config)
    assert (taken.code, taken.value["new"], taken.value["wrong"]) == (1, 2, 1)
    listed = run("counterparts", "list", "--search", "exempelkund", *config)
    assert listed.code == 0 and f"0007:{REACHED}" in listed.out and "9002" in listed.out
    target = tmp_path / "out.csv"
    assert run("counterparts", "export", "--output", str(target), *config).code == 0
    again = run("counterparts", "import", str(target), "--json", *config)
    # What invoices of other tests brought becomes the account's own; ours stay as they are.
    assert (again.code, again.value["new"], again.value["wrong"]) == (0, 0, 0) and again.value["same"] >= 2

    assert run("participant", "add", f"0007:{REACHED}", *place.config(2)).code == 0
    try:
        swept = run("sweep", "--watch", "--json", *config)
        assert swept.code == 0, swept.err
        assert (swept.value["state"], swept.value["found"]) == ("done", 1)
        (line,) = swept.value["differences"]
        assert (line["name"], line["change"]) == ("Exempelkund Ett AB", "appeared")
        shown = run("sweep", "--watch", *config)
        assert shown.code == 0 and "no differences" in shown.out and "0 requests to SMPs" in shown.out
        assert run("sweep", "--last", *config).code == 0

        assert "Move 1 customer to e-invoice" in run("proposals", "list", *config).out
        (proposal,) = [one for one in run("proposals", "list", "--json", *config).lines if "Ett" in one["text"]]
        later = run("proposals", "snooze", proposal["id"], "--reason", "after the closing", *config)
        assert later.code == 0 and "snoozed until" in later.out
        assert run("proposals", "accept", proposal["id"], "--json", *config).value["state"] == "accepted"
        refused = run("proposals", "decline", "nothing", *config)
        assert refused.code == 1 and "nothing" in refused.err
    finally:
        run("participant", "remove", f"0007:{REACHED}", *place.config(2))


def test_another_account_is_the_operators_affair_and_has_to_be_there(run: Run, place: Place) -> None:
    refused = run("sweep", "--account", "nobody", *place.config(1))
    assert refused.code == 1 and "account" in refused.err


def test_a_file_that_is_not_there_is_wrong_usage(run: Run, place: Place, tmp_path: Path) -> None:
    assert run("counterparts", "check", str(tmp_path / "none.csv"), *place.config(1)).code == 2
