"""A small client of the node's API for the commands: standard library only, so that it starts at once."""

from __future__ import annotations

import argparse
import http.client
import json
import os
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config import load
from gateway.errors import ConfigurationError, PermanentError, TemporaryError

_LONGEST_ANSWER: Final = 50_000_000


class Refused(PermanentError):
    """The node said no."""

    remedy = "Mend what is listed and try again."


class Unreachable(TemporaryError):
    """The node does not answer."""

    remedy = "Start it with `gateway serve`, or name another one with --url."


@dataclass(frozen=True, slots=True)
class ApiClient:
    """Where the API is and the key for it."""

    url: str
    token: str

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> ApiClient:
        """Address and key from the arguments, the environment or the configuration's key file."""
        url, token = arguments.url, arguments.token or os.environ.get("GATEWAY_TOKEN", "")
        if url and token:
            return cls(url.rstrip("/"), token)
        config = load(arguments.config)
        if not token:
            if config.api.key_file is None or not config.api.key_file.exists():
                raise ConfigurationError([("api.key_file", "holds no key; give one with --token or $GATEWAY_TOKEN")])
            token = config.api.key_file.read_text().strip()
        return cls((url or f"http://{config.api.listen}").rstrip("/"), token)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 30,
    ) -> Any:
        """One call; gives the JSON answer. Raises :class:`Refused` or :class:`Unreachable`."""
        status, octets = self._exchange(method, path, body, headers or {}, timeout)
        return self._read(status, octets)

    def octets(self, path: str, *, timeout: float = 30) -> bytes:
        """Fetch what is no JSON. Raises :class:`Refused` or :class:`Unreachable`."""
        status, octets = self._exchange("GET", path, None, {}, timeout)
        if status >= 400:
            self._read(status, octets)
        return octets

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=timeout)
        try:
            sent = {"Authorization": f"Bearer {self.token}", **headers}
            connection.request(method, parts.path + path, body=body, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read(_LONGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url} does not answer: {error}") from None
        finally:
            connection.close()

    def _read(self, status: int, octets: bytes) -> Any:
        """The answer's JSON; raises for a refusal."""
        try:
            value = json.loads(octets) if octets else {}
        except ValueError:
            text = f"{self.url} is no gateway API (HTTP {status})"
            raise (Unreachable if status >= 500 else Refused)(text) from None
        if status < 400:
            return value
        lines = [str(value.get("detail") or value.get("title") or f"HTTP {status}")]
        for error_ in value.get("errors", [])[:20]:
            lines.append(f"  {error_.get('rule', '')} {error_.get('pointer', '')} {error_.get('message', '')}".rstrip())
        if status >= 500 or status in (408, 425, 429) or value.get("type") == "/problems/still-running":
            remedy = "Try again in a moment; with --key, so that what got through is not sent twice."
            raise Unreachable("\n".join(lines), remedy=remedy)
        raise Refused("\n".join(lines), remedy=str(value.get("remedy") or Refused.remedy))
