"""gateway.model.migration_keys: our keys are good ones, and a bad one is told what is wrong."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidAddress
from gateway.model.migration_keys import check_key, new_key


def test_our_keys_follow_the_rules_and_are_never_the_same() -> None:
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(check_key(key) == key and len(key) == 20 for key in keys)


def test_no_command_takes_a_key_of_ours_for_an_option_or_a_comment() -> None:
    assert all(new_key()[0].isalpha() for _ in range(500))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("Aa1#", "it has 4 characters, not 8 to 24"),
        ("AAaa11##" * 4, "it has 32 characters"),
        ("aaaa11##", "fewer than two upper case letters"),
        ("AAAA11##", "fewer than two lower case letters"),
        ("AAaabb##", "fewer than two digits"),
        ("AAaa1122", "fewer than two specials"),
        ("AAaa11## ", "“ ” is not allowed in it"),
    ],
)
def test_a_bad_key_is_told_what_is_wrong(key: str, said: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        check_key(key)
    assert said in str(caught.value)
