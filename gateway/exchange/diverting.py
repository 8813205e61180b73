"""The ways beside the network: which channel takes the document next, with the reasons of those that cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.exchange.step import facts_of
from gateway.model.addresses import FailedAddress
from gateway.model.lifecycle import Event
from gateway.model.message import Message, Parcel
from gateway.model.octets import size_of
from gateway.ports import Channel
from gateway.routing.addresses import REMEDY, why_not
from gateway.routing.words import Said, channel_words, way_detail
from gateway.ubl import page
from gateway.ubl.submission import Submission

PAPER: Final = 10_000_000
"""Octets of a document that can be mailed, printed or made a page of, which happens in memory."""
TOO_LARGE: Final = f"a document above {PAPER // 1_000_000} MB can neither be mailed nor printed"
CHANNEL_WORDS: Final = {"email": "E-mail", "print": "Letter"}


def divert(
    channels: Mapping[str, Channel],
    message: Message,
    submission: Submission,
    reason: str,
    names: Sequence[str],
    *,
    after: str = "",
    refused: Mapping[str, FailedAddress] | None = None,
) -> Event:
    """Choose the next channel that can take the document; none left is the end, with every reason named.

    ``names`` may be tried, in this order; those up to ``after`` were.
    ``refused`` says of a channel that its address of this receiver has failed.
    """
    if submission.facts is None:
        return Event(name="GaveUp", reason=f"{reason}; only invoices and credit notes can be mailed or printed")
    if size_of(submission.document) > PAPER:
        return Event(name="GaveUp", reason=f"{reason}; {TOO_LARGE}")
    if after in names:
        names = names[names.index(after) + 1 :]
    parcel = parcel_of(message, submission, b"", page.language_of(submission.facts))
    reasons, remedies = [reason], list[str]()
    said: list[Said] = []
    for name in names:
        channel = channels.get(name)
        refusal = channel.serves(parcel) if channel else "it is switched off"
        failed = (refused or {}).get(name)
        if not refusal and failed is None:
            detail = way_detail(said)
            reason = f"{CHANNEL_WORDS[name]} because {'; '.join(reasons)}"
            return Event(name="Diverted", reason=reason, channel=name, detail=detail)
        why = Said(step="channel", sv=refusal, en=refusal)
        if not refusal and failed is not None:
            why = why_not(failed)
            remedies.append(REMEDY[failed.channel][1])
        reasons.append(f"no {CHANNEL_WORDS[name].lower()}: {why.en}")
        sv, en = channel_words(name)
        said.append(Said(step="channel", sv=f"Inte {sv}: {why.sv}", en=f"No {en}: {why.en}"))
    detail = way_detail(said)
    if remedies:
        detail["remedy"] = " ".join(remedies)
    return Event(name="GaveUp", reason=f"No way is left: {'; '.join(reasons)}", detail=detail)


def parcel_of(message: Message, submission: Submission, rendered: bytes, language: str) -> Parcel:
    """What a channel carries."""
    return Parcel(
        id=message.id,
        message=message,
        facts=facts_of(submission),
        document=submission.document,
        page=rendered,
        language=language,
    )
