"""Fixtures of the attack tests."""

from __future__ import annotations

import os

import pytest

from tests.as4.doors import door
from tests.attacks.parts import Kit, kit_of
from tests.conftest import Pki

__all__ = ["door"]


@pytest.fixture(scope="session")
def kit(pki: Pki) -> Kit:
    return kit_of(pki.directory)


@pytest.fixture(scope="session")
def whole() -> bool:
    """Whether everything runs (ATTACKS=whole), not a sample of it."""
    return os.environ.get("ATTACKS") == "whole"
