"""Real far sides for tests of deliveries: asyncssh's SFTP server in this process, moto's S3 server in a thread."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import boto3

USER, PASSWORD = "gateway", "a password of its own"


@dataclass
class SftpServer:
    """One user, whose root is ``root``. ``lacks`` names extensions that the server does not have."""

    root: Path
    port: int = 0
    host_key: str = ""
    lacks: frozenset[str] = frozenset()
    fails: dict[str, asyncssh.SFTPError] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def table(self, base: Path, **more: object) -> dict[str, object]:
        """The section of a channel that delivers here."""
        secret = base / "sftp.password"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        where = {"kind": "sftp", "server": f"127.0.0.1:{self.port}", "user": USER, "target": "in/peppol"}
        return {**where, "host_key": [self.host_key], "password_file": str(secret), **more}


@asynccontextmanager
async def sftp_server(root: Path, *, keys: tuple[str, ...] = ()) -> AsyncIterator[SftpServer]:
    root.mkdir(parents=True, exist_ok=True)
    host = asyncssh.generate_private_key("ssh-ed25519")
    double = SftpServer(root, host_key=host.export_public_key().decode().strip())

    class Door(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

        def public_key_auth_supported(self) -> bool:
            return bool(keys)

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return key.export_public_key().decode().split()[1] in {k.split()[1] for k in keys}

    class Files(asyncssh.SFTPServer):
        def __init__(self, chan: Any) -> None:
            super().__init__(chan, chroot=str(root).encode())

        def _called(self, name: str) -> None:
            double.calls.append(name)
            if name in double.lacks:
                raise asyncssh.SFTPOpUnsupported(f"{name} is not supported")
            if name in double.fails:
                raise double.fails[name]

        def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
            self._called("write")
            return super().write(file_obj, offset, data)

        def fsync(self, file_obj: Any) -> Any:
            self._called("fsync")
            return super().fsync(file_obj)

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            self._called("posix_rename")
            return super().posix_rename(oldpath, newpath)

        def rename(self, oldpath: bytes, newpath: bytes) -> Any:
            self._called("rename")
            return super().rename(oldpath, newpath)

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[host], server_factory=Door, sftp_factory=Files, allow_scp=False
    )
    async with server:
        double.port = server.sockets[0].getsockname()[1]
        yield double


@dataclass
class S3Server:
    """moto's S3, or the one that ``S3_SERVER`` names. ``bucket`` is there and empty."""

    endpoint: str
    bucket: str = "incoming"

    def table(self, **more: object) -> dict[str, object]:
        """The section of a channel that delivers here."""
        access = {"access_key": "AKIATEST", "secret_key": "a secret", "allow_http": True, "timeout": "10 seconds"}
        return {"kind": "s3", "bucket": self.bucket, "prefix": "peppol/in", "endpoint": self.endpoint, **access, **more}

    def client(self) -> Any:
        """Amazon's own client: what it sees is there."""
        access = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "a secret", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.endpoint, **access)

    def keys(self) -> list[str]:
        return [found["Key"] for found in self.client().list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def get(self, key: str) -> tuple[dict[str, Any], bytes]:
        """What is known of an object, and its octets."""
        found = self.client().get_object(Bucket=self.bucket, Key=key)
        return found, found["Body"].read()

    def put(self, key: str, octets: bytes) -> None:
        self.client().put_object(Bucket=self.bucket, Key=key, Body=octets)

    def empty(self) -> None:
        client = self.client()
        for key in self.keys():
            client.delete_object(Bucket=self.bucket, Key=key)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """moto's server in a thread; with ``S3_SERVER=http://127.0.0.1:8333`` that one, with the access of ``S3Server``."""
    if named := os.environ.get("S3_SERVER"):
        yield _with_its_bucket(S3Server(named))
        return
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        yield _with_its_bucket(S3Server(f"http://127.0.0.1:{port}"))
    finally:
        server.stop()


def _with_its_bucket(server: S3Server) -> S3Server:
    if server.bucket not in [found["Name"] for found in server.client().list_buckets()["Buckets"]]:
        server.client().create_bucket(Bucket=server.bucket)
    server.empty()
    return server
