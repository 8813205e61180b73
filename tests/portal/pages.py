"""Every page of the web tool: where it is, and who may see it. Tests go through this list; so do the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model.person import Role

EVERYBODY = frozenset(Role)
WORKERS = EVERYBODY - {Role.COMPLIANCE}
NOBODY: frozenset[Role] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One page to look at."""

    name: str
    path: str
    """``{refused}`` and the like are documents and counterparts of the demo store."""
    who: frozenset[Role] = EVERYBODY
    operator: bool = False
    """Only in the operator's account."""

    def at(self, documents: Mapping[str, str]) -> str:
        return self.path.format_map(documents)


PAGES = (
    Shown(name="today", path="/"),
    Shown(name="documents", path="/documents"),
    Shown(name="documents-none", path="/documents?q=finnsinte"),
    Shown(name="document-refused", path="/documents/{refused}"),
    Shown(name="document-unknown", path="/documents/{unknown}"),
    Shown(name="document-sent", path="/documents/{sent}"),
    Shown(name="document-letter", path="/documents/{letter}"),
    Shown(name="document-in", path="/documents/{waiting}"),
    Shown(name="document-virus", path="/documents/{virus}"),
    Shown(name="document-picture", path="/documents/{picture}"),
    Shown(name="document-differs", path="/documents/{differs}"),
    Shown(name="profile", path="/profile"),
    Shown(name="second", path="/profile/second"),
    Shown(
        name="operator", path="/operator", who=frozenset({Role.OPERATOR, Role.COMPLIANCE, Role.ADMIN}), operator=True
    ),
    Shown(name="settings", path="/settings", who=frozenset({Role.ADMIN})),
    Shown(name="people", path="/settings/people", who=frozenset({Role.ADMIN})),
    Shown(name="keys", path="/settings/keys", who=frozenset({Role.ADMIN})),
    Shown(name="audit", path="/audit", who=frozenset({Role.COMPLIANCE, Role.ADMIN})),
    Shown(name="proposals", path="/proposals"),
    Shown(name="counterparts", path="/counterparts"),
    Shown(name="counterparts-suppliers", path="/counterparts?role=supplier"),
    Shown(name="counterparts-none", path="/counterparts?q=finnsinte"),
    Shown(name="counterpart", path="/counterparts/{reached}"),
    Shown(name="counterpart-doubt", path="/counterparts/{doubtful}"),
    Shown(name="counterpart-supplier", path="/counterparts/{supplier}"),
    Shown(name="counterpart-import", path="/counterparts/import", who=WORKERS),
    Shown(name="counterpart-checks", path="/counterparts/checks?since=20261123000000"),
    Shown(name="counterpart-sweep", path="/counterparts/sweeps/{sweep}"),
    Shown(name="counterpart-new", path="/counterparts/new", who=WORKERS),
    Shown(name="counterpart-edit", path="/counterparts/{reached}/edit", who=WORKERS),
    Shown(name="post", path="/post"),
    Shown(name="letters", path="/post/letters?batch=20261125-0900-exempel"),
    Shown(name="letters-returned", path="/post/letters?group=returned"),
    Shown(name="letters-none", path="/post/letters?q=finnsinte"),
    Shown(name="letter", path="/post/letters/{post_posted}"),
    Shown(name="letter-back", path="/post/letters/{post_returned}"),
    Shown(name="mails", path="/post/mails"),
    Shown(name="review", path="/review"),
    Shown(name="review-decided", path="/review?which=decided"),
    Shown(name="case-fields", path="/review/{review_fields}"),
    Shown(name="case-fraud", path="/review/{review_fraud}"),
    Shown(name="case-several", path="/review/{review_several}?page=2"),
    Shown(name="case-refused", path="/review/{review_refused}"),
    Shown(name="case-picture", path="/review/{review_picture}"),
    Shown(name="case-virus", path="/review/{review_virus}"),
    Shown(name="statistics", path="/statistics"),
    Shown(name="basis", path="/statistics/basis?month=2026-11"),
    Shown(name="prices", path="/prices"),
)
OPEN = ("/sign-in", "/welcome?code=none")
