"""Real mail servers for tests: postfix and dovecot, each with a folder and loopback ports of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_POSTFIX = Path("/usr/lib/postfix/sbin/master")
_DOVECOT = Path("/usr/sbin/dovecot")
_STARTS = 20.0

_MAIN = """
compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
queue_directory = {home}/queue
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/log
maillog_file_prefixes = {home}
myhostname = mx.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
transport_maps = inline:{{{transports}}}
alias_maps =
smtputf8_enable = no
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
recipient_delimiter =
double_bounce_sender = double-bounce
{more}
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_DOVECOT_CONF = """
base_dir = {home}/run
log_path = {home}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:{home}/mail/%u
first_valid_uid = 1
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
passdb {{
  driver = static
  args = password=hemligt
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={home}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service stats {{
  chroot =
}}
service anvil {{
  chroot =
}}
"""


def why_not(program: str) -> str:
    """Why there is no such mail server here, or empty text."""
    known = {"postfix": _POSTFIX, "dovecot": _DOVECOT}[program]
    if not known.exists():
        return f"{program} is not installed"
    return "" if os.geteuid() == 0 else f"{program} can only be started by root"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@dataclass
class Postfix:
    """One that runs."""

    port: int
    home: Path

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def flush(self) -> None:
        """Try what waits at once."""
        subprocess.run(["postqueue", "-c", self.home / "conf", "-f"], check=True, capture_output=True)


@contextmanager
def postfix(transports: Mapping[str, str], more: str = "") -> Iterator[Postfix]:
    """Postfix that takes mail from this machine and carries each domain where the table says."""
    with _home() as home:
        port = free_port()
        conf = home / "conf"
        for folder in ("conf", "queue", "data"):
            (home / folder).mkdir()
        shutil.chown(home / "data", "postfix", "postfix")
        table = ", ".join(f"{{ {domain} = {way} }}" for domain, way in transports.items())
        (conf / "main.cf").write_text(_MAIN.format(home=home, transports=table, more=more))
        (conf / "master.cf").write_text(_MASTER.format(port=port))
        (home / "log").touch()
        _run("postfix", "-c", str(conf), "start")
        try:
            _wait(port, home / "log")
            yield Postfix(port=port, home=home)
        finally:
            _run("postfix", "-c", str(conf), "stop", check=False)
            _gone(home / "queue/pid/master.pid")


@dataclass
class Dovecot:
    """One that runs; any user's password is ``hemligt``."""

    imap: int
    lmtp: int
    home: Path


@contextmanager
def dovecot() -> Iterator[Dovecot]:
    """Dovecot with IMAP and LMTP; whoever gets mail has a mailbox."""
    with _home() as home:
        imap, lmtp = free_port(), free_port()
        (home / "mail").mkdir()
        shutil.chown(home / "mail", "dovecot", "dovecot")
        conf = home / "dovecot.conf"
        conf.write_text(_DOVECOT_CONF.format(home=home, imap=imap, lmtp=lmtp))
        _run("dovecot", "-c", str(conf))
        try:
            _wait(imap, home / "log")
            yield Dovecot(imap=imap, lmtp=lmtp, home=home)
        finally:
            _run("doveadm", "-c", str(conf), "stop", check=False)
            _gone(home / "run/master.pid")


@contextmanager
def _home() -> Iterator[Path]:
    """A folder that the servers' own users can enter; pytest's are for its user alone."""
    home = Path(tempfile.mkdtemp(prefix="mail-server-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(*command: str, check: bool = True) -> None:
    with tempfile.TemporaryFile("w+") as said:  # no pipe: a server that goes to the background would keep it open
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=60)
        said.seek(0)
        if check and done.returncode:
            raise RuntimeError(f"{command[0]}: {said.read()}")


def _wait(port: int, log: Path) -> None:
    give_up = time.monotonic() + _STARTS
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.settimeout(5)
            if line.recv(1):
                return
        time.sleep(0.05)
    raise RuntimeError(f"no mail server at {port}: {log.read_text() if log.exists() else ''}")


def _gone(pid_file: Path) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            os.kill(int(pid_file.read_text().split()[0]), 0)
        except (OSError, ValueError, IndexError):
            return
        time.sleep(0.05)
