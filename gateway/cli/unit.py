"""A unit for systemd, made for one configuration: ``gateway serve --systemd-unit``.

The service sees its folders as they are, everything else read-only, no home of anybody, no device, and may start no
program but its own. What stays open has a reason: user and network namespaces, since the process that reads foreign
files makes some (``scanning/confine.py``); adjtimex(2), by which the clock's offset is read (without any capability it
sets nothing, so ``ProtectClock`` would only blind ``/readyz``). Source: systemd.exec(5), of version 252.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway.config import Config

_DRAIN_SECONDS: Final = 60
"""Requests in hand have 10 seconds, steps in hand 20; what is on disk needs none."""
_HOMES: Final = tuple(map(Path, ("/home", "/root", "/run/user")))
_STATE: Final = Path("/var/lib")

_UNIT: Final = """\
# /etc/systemd/system/gateway.service
# Made by: gateway serve --systemd-unit. Make it again when a folder of the configuration or the program moves.
#   useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {user}     (unless it is there)
#   systemctl daemon-reload && systemctl enable --now gateway

[Unit]
Description=AS4/Peppol access point gateway
Wants=network-online.target
After=network-online.target time-sync.target postgresql.service

[Service]
Type=notify
NotifyAccess=main
User={user}
{prepare}ExecStart={start}
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=60
TimeoutStartSec=300
# SIGTERM drains: what is in hand is finished within a minute{notice}.
TimeoutStopSec={stop}
KillMode=mixed
Restart=always
RestartSec=2
# A configuration that cannot be used stays so.
RestartPreventExitStatus=2
LimitNOFILE=65536
UMask=0077

# Files
ProtectSystem=strict
{writable}{homes}PrivateTmp=yes
{devices}ProtectProc=invisible
ProcSubset=pid
NoExecPaths=/
ExecPaths={programs}

# The kernel
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
PrivateIPC=yes
PrivateMounts=yes
KeyringMode=private
RemoveIPC=yes

# Rights
NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
{users}RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
# Foreign files are read in a process that makes itself a network of its own, without anybody in it.
RestrictNamespaces=user net
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter={calls}
SystemCallFilter=~@keyring @setuid userfaultfd personality

[Install]
WantedBy=multi-user.target
"""
CALLS: Final = (
    "@system-service",
    *("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"),
    "adjtimex",
)


def unit(config: Config, user: str = "gateway") -> str:
    """The text of the unit. The folders that it names need not be there yet."""
    folders = writable(config)
    state = [folder.relative_to(_STATE) for folder in folders if folder.is_relative_to(_STATE)]
    others = [folder for folder in folders if not folder.is_relative_to(_STATE)]
    lines = [f"StateDirectory={_words(state)}", "StateDirectoryMode=0700"] if state else []
    lines += [f"ReadWritePaths={_words(others)}"] if others else []
    low = any(part.listen.port < 1024 for part in (config.as4, config.api, config.smp))
    file = (config.file or config.base / "config.toml").absolute()
    notice = int(config.api.notice.total_seconds())
    homes = [folder for folder in (*others, *_needed(config)) if any(folder.is_relative_to(home) for home in _HOMES)]
    made = f"ExecStartPre=+/usr/bin/install -d -m 0700 -o {user} -- {_command(others)}\n" if others else ""
    return _UNIT.format(
        user=user,
        prepare=made,
        start=_command((sys.executable, "-m", "gateway", "serve", "--config", file)),
        stop=_DRAIN_SECONDS + notice,
        notice=f", after the notice of {notice} seconds" if notice else "",
        writable="".join(f"{line}\n" for line in lines),
        homes=_homes(homes, others),
        devices="" if _has_module(config) else "PrivateDevices=yes\nDevicePolicy=closed\n",
        programs=_words(programs(config)),
        capabilities="CAP_NET_BIND_SERVICE" if low else "",
        users="" if low else "PrivateUsers=yes\n",
        calls=" ".join(CALLS),
    )


def _homes(inside: list[Path], writable: list[Path]) -> str:
    """Nobody's home is there; what of ours lies in one is put back, alone."""
    if not inside:
        return "ProtectHome=yes\n"
    text = "ProtectHome=tmpfs\n"
    read = _outermost(path for path in inside if path not in writable)
    text += f"BindReadOnlyPaths={_words(read)}\n" if read else ""
    written = [path for path in inside if path in writable]
    return text + (f"BindPaths={_words(written)}\n" if written else "")


def writable(config: Config) -> tuple[Path, ...]:
    """The folders in which the service writes, each absolute, none inside another."""
    found: list[Path] = [config.store.payloads, config.network.crl_cache, config.rules.folder]
    if config.store.database.startswith("sqlite:"):
        found.append(Path(config.store.database.removeprefix("sqlite:").removeprefix("//")).parent)
    if config.api.key_file:
        found.append(config.api.key_file.parent)
    if config.portal.enabled:
        found.append(config.portal.second_factor_key.parent)
    if config.smp.zone_file:
        found.append(config.smp.zone_file.parent)
    found += _of_channels(config)
    return _outermost(Path(os.path.normpath(config.base / path)) for path in found)


def _of_channels(config: Config) -> Iterator[Path]:
    """Folders that sections name which the files of channels read."""
    yield Path("var/handovers")
    if config.email is not None:
        yield Path(str(config.email.get("return_key_file", "var/return.key"))).parent
    if config.print is not None and config.print.get("kind", "folder") == "folder":
        yield Path(str(config.print.get("target", "var/letters")))
    for section in config.delivery.values():
        if section.get("kind") == "folder":
            yield Path(str(section.get("target", "")))
    if config.scan is not None and (folder := str(config.scan.get("folder", ""))):
        yield Path(folder)


def programs(config: Config) -> tuple[Path, ...]:
    """What may be executed, libraries among it: Python, its environment, and what reads pictures of text."""
    libraries = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64")
    found = [Path(sys.executable).resolve(), Path(sys.prefix) if sys.prefix != sys.base_prefix else None]
    found += [Path(sys.base_prefix) / "lib", Path(sysconfig.get_path("stdlib"))]
    found += [Path(path) for path in libraries]
    scan: Mapping[str, Any] | None = config.scan
    if scan is not None and (reader := str(scan.get("tesseract", "")) or shutil.which("tesseract")):
        found.append(Path(reader).resolve())
    return _outermost(path for path in found if path is not None and path.exists())


def _needed(config: Config) -> Iterator[Path]:
    """What is read besides the system's own: the program, the configuration and what lies beside it."""
    yield from programs(config)
    yield config.base


def _has_module(config: Config) -> bool:
    """Whether a key stays in a hardware module, whose library may want a device."""
    keys = (config.as4.key, config.as4.next_key, config.as4.old_key, config.smp.key)
    return any(str(key).startswith("pkcs11:") for key in keys if key)


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    known = list(dict.fromkeys(paths))
    return tuple(path for path in known if not any(path != one and path.is_relative_to(one) for one in known))


def _words(words: Iterable[object]) -> str:
    r"""Words as systemd reads them: what is special in a unit is written so that it is not."""
    quoted = (str(word).replace("\\", "\\\\").replace("%", "%%") for word in words)
    return " ".join('"' + word.replace('"', '\\"') + '"' if set(word) & set(" \t\"';") else word for word in quoted)


def _command(words: Iterable[object]) -> str:
    """Words of a command, in which variables are replaced too."""
    return _words(words).replace("$", "$$")
