"""OpenID Connect as a relying party: what goes out in the browser, and what an ID token has to hold. Pure.

Authorization code flow with PKCE (S256), state and nonce. All three are made of one secret in a cookie of the browser
that asks, so nothing of strangers is kept here, and an answer that another browser asked for is worth nothing.
Sources: OpenID Connect Core 1.0 (3.1), RFC 7636, RFC 9207, RFC 9700 (2.1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from gateway.errors import Untrusted
from gateway.web.invitation import new_secret

HOLDS: Final = timedelta(minutes=10)
"""From the click to the answer of the provider."""
LEEWAY: Final = 60
"""Seconds by which the provider's clock may differ."""
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key: neither ``none`` nor anything that our client secret could make."""
MAX_TOKEN: Final = 16_000
_LEAST_RSA: Final = 2048
_ATTEMPT: Final = re.compile(r"([0-9]{9,12})\.([\w-]{43})\.([\w-]{0,800})", re.ASCII)
_SUBJECT: Final = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One browser on its way to the provider and back."""

    secret: str
    begun: int
    """Seconds since 1970."""
    wanted: str
    """The page to go on to."""

    @classmethod
    def begin(cls, now: datetime, wanted: str) -> Attempt:
        """A new one."""
        return cls(secret=new_secret(), begun=int(now.timestamp()), wanted=wanted)

    @classmethod
    def read(cls, text: str, now: datetime) -> Attempt | None:
        """What the cookie says; None for one that is none, or too old."""
        found = _ATTEMPT.fullmatch(text)
        if found is None:
            return None
        try:
            wanted = base64.urlsafe_b64decode(found[3] + "==").decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        age = now.timestamp() - int(found[1])
        if not -LEEWAY <= age <= HOLDS.total_seconds():
            return None
        return cls(secret=found[2], begun=int(found[1]), wanted=wanted)

    @property
    def cookie(self) -> str:
        return f"{self.begun}.{self.secret}.{base64.urlsafe_b64encode(self.wanted.encode()).decode().rstrip('=')}"

    @property
    def state(self) -> str:
        return self._part("state")

    @property
    def nonce(self) -> str:
        return self._part("nonce")

    @property
    def verifier(self) -> str:
        """Of PKCE: 43 characters."""
        return self._part("verifier")

    def fits(self, state: str) -> bool:
        """Whether the answer belongs to what this browser asked."""
        return hmac.compare_digest(self.state.encode(), state.encode("utf-8", "replace"))

    def _part(self, purpose: str) -> str:
        key = self.cookie.encode()
        return _plain64(hmac.new(key, purpose.encode(), hashlib.sha256).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    email: str
    """Only one that the provider has verified; else empty."""
    unverified: str
    """An e-mail address that nobody has verified: for the text of a refusal, and for nothing else."""


def authorization_url(endpoint: str, client: str, back: str, attempt: Attempt) -> str:
    """Where the browser goes to sign in."""
    challenge = _plain64(hashlib.sha256(attempt.verifier.encode()).digest())
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": back,
        "scope": "openid email",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return with_query(endpoint, query)


def with_query(url: str, more: Mapping[str, str]) -> str:
    """The address with these parameters after its own."""
    parts = urlsplit(url)
    query = "&".join(one for one in (parts.query, urlencode(more)) if one)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def read_keys(document: Mapping[str, Any]) -> Any:
    """The public keys of a key set (JWKS) with which an ID token may be signed.

    Raises ``Untrusted`` where there is none. Keys of kinds that we do not know are passed by, as RFC 7517 wants it.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    rows = document.get("keys")
    found = []
    for row in rows[:100] if isinstance(rows, list) else ():
        if not isinstance(row, dict) or row.get("kty") not in ("RSA", "EC", "OKP") or row.get("use", "sig") != "sig":
            continue
        try:
            key = KeySet.import_key_set({"keys": [row]}).keys[0]
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if row["kty"] != "RSA" or key.raw_value.key_size >= _LEAST_RSA:  # type: ignore[union-attr]
            found.append(key)
    if not found:
        raise Untrusted("The provider's key set holds no public key that an ID token may be signed with.")
    return KeySet(found)


def read_token(token: str, keys: Any, *, issuer: str, client: str, nonce: str, now: datetime) -> Claims:
    """Verify an ID token: signature, issuer, audience, times, nonce. Source: OpenID Connect Core 1.0, 3.1.3.7.

    Raises ``Untrusted`` with the first thing that is wrong; ``UnknownKey`` where the signer's key is not in the set.
    """
    from joserfc import jwt
    from joserfc.errors import InvalidKeyIdError, JoseError

    if len(token) > MAX_TOKEN:
        raise Untrusted(f"The ID token is longer than {MAX_TOKEN} characters.")
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except InvalidKeyIdError as error:
        raise UnknownKey(f"The ID token names a key that the provider does not publish: {error}") from None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Untrusted(f"The signature of the ID token cannot be believed: {error}") from None
    if (wrong := _wrong(claims, issuer, client, nonce, now.timestamp())) is not None:
        raise Untrusted(f"The ID token is not for us: {wrong}.")
    told = claims.get("email")
    email = told if isinstance(told, str) else ""
    verified = claims.get("email_verified") is True
    return Claims(
        issuer=issuer,
        subject=claims["sub"],
        email=email if verified else "",
        unverified="" if verified else email[:120],
    )


def _wrong(claims: Mapping[str, Any], issuer: str, client: str, nonce: str, now: float) -> str | None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    ends, made, begins = (_seconds(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if claims.get("iss") != issuer:
        return f"its issuer is {str(claims.get('iss'))[:200]}, not {issuer}"
    if client not in audiences:
        return "its audience is another application"
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client:
        return "it was made for another application (azp)"
    if now > ends + LEEWAY:
        return "it has ended, or does not say when it ends; compare the clocks of provider and gateway"
    if made > now + LEEWAY or made < now - HOLDS.total_seconds() - LEEWAY:
        return "it was not made now (iat); compare the clocks of provider and gateway"
    if begins > now + LEEWAY:
        return "it does not count yet (nbf)"
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        return "its nonce is not the one of this sign-in"
    if not isinstance(claims.get("sub"), str) or not _SUBJECT.fullmatch(claims["sub"]):
        return "it names no subject of 1 to 255 ASCII characters"
    return None


class UnknownKey(Untrusted):
    """The ID token is signed with a key that was not in the key set."""


def _seconds(value: object) -> float:
    """A moment of a token; long ago for what is none."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11
    return float(value) if good else 0.0  # type: ignore[arg-type]


def _plain64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
