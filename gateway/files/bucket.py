"""A bucket of an S3 service: where it is, who we are there, and what its errors mean. [I/O]

Used by the store for payloads and by the delivery of that name; obstore (extra ``s3``) is loaded when one is opened.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

_SHOWN: Final = 300
MISSING: Final = 'needs the package obstore: pip install "access-point-gateway[s3]"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket, or the part of it below ``prefix``."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    """Address of the service; empty: Amazon's for the region."""
    region: str = "us-east-1"
    access_key: str = ""
    """Empty: the credentials of this machine (environment, instance role)."""
    secret_key: str = field(default="", repr=False)
    allow_http: bool = False
    timeout: timedelta = timedelta(minutes=1)
    """For each request."""
    tries: int = 0
    """How often a request that failed is sent again."""

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix.strip('/')}".rstrip("/")

    def open(self) -> S3Store:
        """The bucket below the prefix; nothing is asked yet."""
        from obstore.store import S3Store

        config: S3Config = {"region": self.region}
        if self.access_key:
            config.update({"access_key_id": self.access_key, "secret_access_key": self.secret_key})
        if self.endpoint:
            config["endpoint"] = self.endpoint
        return S3Store(
            self.name,
            prefix=self.prefix.strip("/") or None,
            config=config,
            client_options={"allow_http": self.allow_http, "timeout": self.timeout},
            retry_config={"max_retries": self.tries},
        )


def is_there() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("obstore") is not None


def trouble(error: BaseException) -> str:
    """What an error of the service says, in a line; empty when it is not one of its errors."""
    from obstore.exceptions import BaseError

    if not isinstance(error, BaseError | OSError | TimeoutError):
        return ""
    text = str(error).split("Debug source:", 1)[0]  # the rest is for those who debug obstore
    return " ".join(text.split())[:_SHOWN] or type(error).__name__
