"""What schemathesis loads (``SCHEMATHESIS_HOOKS``): ids that exist go into the calls, and answers are counted.

It runs in a virtual environment that has no gateway in it, so it knows nothing of the gateway but its description.
``FUZZ_IDS`` names the file with ids of the caller's own account and of a stranger's, ``FUZZ_SECRETS`` one with words
that only the stranger's objects hold, ``FUZZ_TALLY`` the file that gets a line for each call.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import schemathesis

IDS = json.loads(Path(os.environ["FUZZ_IDS"]).read_text(encoding="utf-8"))
SECRETS = json.loads(Path(os.environ["FUZZ_SECRETS"]).read_text(encoding="utf-8"))
TALLY = Path(os.environ["FUZZ_TALLY"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the run
DICE = random.Random(os.environ["FUZZ_SEED"])
LONGEST_WAIT = 1
"""Seconds that a call may ask to wait: a minute of waiting finds nothing that a second does not."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Two of five calls on one object name one of ours, two one of a stranger's; the rest stays as generated."""
    thrown = DICE.random()
    whose = "own" if thrown < 0.4 else "strangers" if thrown < 0.8 else ""
    known = IDS.get(whose, {}).get(case.path.partition("{")[0], [])
    if known and case.path_parameters:
        for name in list(case.path_parameters):
            case.path_parameters[name] = DICE.choice(known)
    wait = (case.query or {}).get("wait")
    if isinstance(wait, int) and wait > LONGEST_WAIT:
        case.query["wait"] = LONGEST_WAIT


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """A line: method, path of the description, status."""
    TALLY.write(json.dumps([case.method.upper(), case.path, response.status_code]) + "\n")


@schemathesis.check
def no_fault_of_ours(ctx: Any, response: Any, case: Any) -> None:
    """No 5xx; 503 says that it can be tried again."""
    assert response.status_code < 500 or response.status_code == 503, f"status {response.status_code}"


@schemathesis.check
def nothing_of_a_stranger(ctx: Any, response: Any, case: Any) -> None:
    """No call on another account's object does anything, and no answer holds a word that only such an object has."""
    octets = response.content or b""
    theirs = IDS["strangers"].get(case.path.partition("{")[0], [])
    named = [one for one in (case.path_parameters or {}).values() if one in theirs]
    assert not named or response.status_code >= 400, (
        f"{named} is another account's, and the answer {response.status_code}"
    )
    asked = f"{case.path_parameters} {case.query} {case.body} {case.headers}"
    seen = [one for one in SECRETS if one.encode() in octets and one not in asked]
    assert not seen, f"the answer holds {seen}, which is another account's"
