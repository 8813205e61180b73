"""How the gateway can fail.

::

    GatewayError
    ├── TemporaryError            the same step may succeed later; the message waits
    │   ├── LookupUnavailable     DNS or SMP gave no answer that can be believed: never a reason for paper
    │   ├── PeerUnavailable       the other access point gave no valid answer (``sent``: may it have the message?)
    │   ├── AtRest                the destination failed several times in a row: nothing was tried
    │   ├── ChannelUnavailable    mail server, letter folder or C4 cannot take it now (``sent``: may it have it?)
    │   ├── RevocationUnknown     nobody could tell whether a certificate was revoked: it waits, believed by nobody
    │   ├── KeyUnavailable        the module that keeps our private key does not answer
    │   ├── StoreUnavailable      the database or the payload store cannot be used now
    │   ├── RegisterUnavailable   the SML gave no answer: it may have done what it was asked, so it is asked again
    │   ├── RulesUnavailable      the document rules gave no verdict: never a reason to refuse, nor to accept
    │   ├── ScannerUnavailable    the virus scanner gave no verdict: what it has not seen is handed to nobody
    │   └── Overloaded            too much work at once; the caller gets 503 and may try again
    ├── PermanentError            trying again gives the same result
    │   ├── InvalidDocument       what a company handed in is not what we can send (``findings``)
    │   ├── InvalidMessage        what a peer sent is not acceptable (``code``: the ebMS error)
    │   ├── UnreadableRequest     what a peer sent is no AS4 message at all: an HTTP status, no ebMS signal
    │   ├── PeerRefused           the other access point answered with an ebMS error (``code``, ``detail``)
    │   ├── InvalidAnswer         an answer that proves nothing: bad receipt, wrong signer, other digests
    │   ├── Untrusted             a certificate or signature that we do not believe
    │   ├── ChannelRefused        the channel will never take this parcel (bad address, mailbox unknown)
    │   ├── InvalidAddress        an identifier that nobody could have
    │   ├── NotFound              no such document, participant or account
    │   ├── Conflict              the request contradicts an earlier one
    │   ├── RegisterRefused       the SML says no (``code``: its number)
    │   └── ConfigurationError    config.toml cannot be used (``problems``, all at once)
    └── StateError                our own fault: a step that the lifecycle does not allow
        └── LostLease             another worker holds the message now

Each error says four things: whether it is *temporary*; what the *peer* may read (never more than the standard
asks for); what the *operator* reads (``str(error)``); and the *remedy*, what to do next. An exception that is
not in this tree is a bug: the worker logs it with its traceback and treats it as temporary, so nothing is lost.

And each says whose affair it is (``failure``): *business*, the document or the request is at fault and a repeat changes
nothing; *remote*, the other side did not do its part: tried again, and left alone after several times in a row;
*local*, our own disk, database, memory or settings: tried again, and held against nobody; *security*, something cannot
be believed: as remote, and somebody should look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model.document import Finding
    from gateway.model.relation import Step


Failure = Literal["business", "remote", "local", "security"]


class GatewayError(Exception):
    """Something went wrong in the gateway."""

    temporary: ClassVar[bool] = False
    failure: Failure = "local"
    remedy: str = "Look at the log line of this time."
    peer_text: str = "The request could not be handled."

    def __init__(self, text: str = "", *, remedy: str = "") -> None:
        super().__init__(text or (self.__doc__ or "").split("\n", 1)[0])
        if remedy:
            self.remedy = remedy


class TemporaryError(GatewayError):
    """It did not work this time."""

    temporary = True
    remedy = "Nothing to do: it is tried again by itself."
    peer_text = "Not possible at the moment, please try again later."


class LookupUnavailable(TemporaryError):
    """The relation search got no answer that can be believed."""

    failure: Failure = "remote"
    remedy = (
        "Nothing to do: an invoice waits until there is an answer. If it lasts, look at the DNS servers in config.toml "
        "and at this machine's way to them."
    )

    def __init__(self, text: str = "", *, steps: Sequence[Step] = (), remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.steps = tuple(steps)


class RevocationUnknown(TemporaryError):
    """Whether the certificate was revoked cannot be told now."""

    failure: Failure = "security"
    remedy = (
        "Nothing to do: the list is fetched again by itself. If it lasts, `gateway check` says what is wrong with it."
    )


class PeerUnavailable(TemporaryError):
    """The other access point gave no valid answer.

    ``sent`` tells whether the octets may have reached it: then no other channel may ever take the invoice.
    """

    failure: Failure = "remote"
    remedy = "Nothing to do: the same message is sent again. If it lasts, tell the other operator."

    def __init__(self, text: str = "", *, sent: bool, remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.sent = sent


class AtRest(TemporaryError):
    """The destination is left alone for a while; nothing was tried. ``wait``: seconds until something is."""

    failure: Failure = "remote"
    remedy = "Nothing to do: it is tried again by itself. See what is wrong there, or here, in the last failure."

    def __init__(self, text: str = "", *, wait: float = 0.0, remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.wait = wait


class ChannelUnavailable(TemporaryError):
    """The channel cannot take the parcel now.

    ``sent`` tells whether it may have the parcel all the same: then no other channel may ever take it. ``wait``:
    seconds that the far side asked for, 0 when it named none. ``failure``: local where it is our own disk.
    """

    def __init__(
        self,
        text: str = "",
        *,
        sent: bool = False,
        wait: float = 0.0,
        failure: Failure = "remote",
        remedy: str = "",
    ) -> None:
        super().__init__(text, remedy=remedy)
        self.failure = failure
        self.sent = sent
        self.wait = wait


class KeyUnavailable(TemporaryError):
    """The module that keeps our private key does not answer."""

    remedy = "Look after the key module named in as4.key or smp.key; `gateway check` tries each key."


class StoreUnavailable(TemporaryError):
    """The store cannot be used now."""

    remedy = "Check the disk and the database named in [store]; nothing is accepted until it works."


class RegisterUnavailable(TemporaryError):
    """The SML gave no answer that can be used; it may have done what it was asked."""

    remedy = "Nothing to do: it is asked again by itself. If it lasts, compare [smp] sml_url with the SML's address."


class RulesUnavailable(TemporaryError):
    """The document could not be judged: a rule pack gave no verdict, neither yes nor no."""


class ScannerUnavailable(TemporaryError):
    """The virus scanner gave no verdict."""

    failure: Failure = "remote"
    remedy = "Nothing to do: it is asked again by itself. If it lasts, `gateway check` asks the scanner of [antivirus]."


class Overloaded(TemporaryError):
    """Too much work at once."""


class PermanentError(GatewayError):
    """Trying again gives the same result."""

    failure: Failure = "business"


class InvalidDocument(PermanentError):
    """The document cannot be sent as it is."""

    remedy = "Mend the document as the findings say and hand it in again."

    def __init__(self, text: str = "", *, findings: Sequence[Finding] = (), remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.findings = tuple(findings)


class InvalidMessage(PermanentError):
    """The message from the other access point is not acceptable.

    ``code`` is the ebMS error code (``EBMS:0101``); ``detail`` is what the peer's operator may read;
    ``str(error)`` is for our own operator and may say more.
    """

    remedy = "Nothing to do here: the peer's operator has been told in the ebMS error."

    def __init__(self, code: str, detail: str, *, text: str = "") -> None:
        super().__init__(text or detail)
        self.code = code
        self.detail = detail
        self.peer_text = detail


class UnreadableRequest(PermanentError):
    """The request is no AS4 message. ``status`` is the HTTP status of the answer (400, 413 or 415)."""

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.status = status
        self.peer_text = text


class PeerRefused(PermanentError):
    """The other access point refused the message with an ebMS error."""

    remedy = "Read what the other operator says; mend the document or the registration, then requeue or resend."

    def __init__(self, code: str, detail: str, *, signed: bool = False, octets: bytes = b"") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail
        self.signed = signed
        self.octets = octets


class InvalidAnswer(PermanentError):
    """The answer of the other access point proves nothing."""

    failure: Failure = "security"
    remedy = "The same message is sent again; if it lasts, tell the other operator what is wrong with the receipts."


class Untrusted(PermanentError):
    """The certificate or signature is not believed."""

    failure: Failure = "security"
    remedy = "Compare the certificate with the trust anchors of [network]; tell its owner if it has expired."
    peer_text = "The certificate is not trusted in this network."


class ChannelRefused(PermanentError):
    """The channel will never take this parcel.

    ``address``: the one that is no good, where that is the reason.
    """

    remedy = "Correct the address; the invoice goes on to the next channel by itself."

    def __init__(self, text: str = "", *, address: str = "", remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.address = address


class InvalidAddress(PermanentError):
    """The identifier is not well-formed."""

    remedy = "Write participants as 0007:5567212047 (scheme, colon, number)."


class NotFound(PermanentError):
    """There is no such thing."""

    remedy = "Check the identifier."


class Conflict(PermanentError):
    """The request contradicts an earlier one."""


class RegisterRefused(PermanentError):
    """The SML says no. ``code`` is the number in its text (``[ERR-106]``), 0 where there is none."""

    remedy = "Read what the SML says; `gateway sml` shows what it knows of our SMP."

    def __init__(self, text: str = "", *, code: int = 0, remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.code = code


class ConfigurationError(PermanentError):
    """The configuration cannot be used. ``problems`` holds every problem as ``(path, text)``."""

    failure: Failure = "local"
    remedy = "Mend config.toml as listed; every key is explained in the project's own config.toml."

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {text}" for path, text in problems))
        self.problems = tuple(problems)


class StateError(GatewayError):
    """A step that the lifecycle does not allow: a fault of our own."""


class LostLease(StateError):
    """Another worker holds the message now; this one drops its result."""
