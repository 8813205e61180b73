"""A class that is made often differs from the dataclass that it was in nothing but its cost."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from gateway.model.often import made_often


@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    size: int = 0
    links: dict[str, str] = field(default_factory=dict)
    last: bool = field(default=False, kw_only=True)


@made_often
@dataclass(frozen=True, slots=True)
class Often:
    name: str
    size: int = 0
    links: dict[str, str] = field(default_factory=dict)
    last: bool = field(default=False, kw_only=True)


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    ((), {"name": "a", "last": True}),
    (("a", 3, {"b": "c"}), {"last": True}),
    ((), {}),
    (("a", 3, {}, True), {}),
    (("a",), {"other": 1}),
    (("a",), {"name": "b"}),
]


def made(cls: type, args: tuple[Any, ...], named: dict[str, Any]) -> object:
    try:
        return asdict(cls(*args, **named))
    except TypeError as error:
        return str(error).replace("Often", "Plain")


@pytest.mark.parametrize(("args", "named"), CALLS)
def test_it_takes_and_refuses_what_the_dataclass_does(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    assert made(Often, args, named) == made(Plain, args, named)


def test_its_signature_is_that_of_the_dataclass() -> None:
    assert inspect.signature(Often) == inspect.signature(Plain)
    assert [one.name for one in fields(Often)] == [one.name for one in fields(Plain)]


def test_nothing_can_be_set_or_deleted_in_what_was_made() -> None:
    value = Often("a")
    with pytest.raises(FrozenInstanceError):
        value.size = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del value.size
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        value.other = 3  # type: ignore[attr-defined]
    assert type(value) is Often and not hasattr(value, "__dict__")


def test_each_has_a_default_of_its_own() -> None:
    assert Often("a").links is not Often("a").links


def test_what_was_made_is_copied_compared_and_shown_as_ever() -> None:
    value = Often("a", 3, {"b": "c"}, last=True)
    same = (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value)), replace(value))
    assert all(one == value and type(one) is Often for one in same)
    assert replace(value, size=4) == Often("a", 4, {"b": "c"}, last=True) != value
    assert repr(value) == "Often(name='a', size=3, links={'b': 'c'}, last=True)"
    assert hash(Often("a", 3, ())) == hash(Often("a", 3, ()))  # type: ignore[arg-type]


def test_a_class_that_would_lose_something_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Below(Plain):
        more: int = 0

    @dataclass(frozen=True, slots=True)
    class Checked:
        size: int

        def __post_init__(self) -> None:
            raise ValueError

    for cls in (Below, Checked):
        with pytest.raises(TypeError, match="has bases or __post_init__"):
            made_often(cls)
