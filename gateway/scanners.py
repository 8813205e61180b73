"""Puts together what takes in paper and PDF, where ``[scan]`` asks for it, and what looks at the files of strangers."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.config import Config, read_settings
from gateway.config.values import ByteSize, read_address
from gateway.errors import ConfigurationError
from gateway.exchange.antivirus import Antivirus
from gateway.exchange.attachments import Attachments
from gateway.exchange.breakers import Breakers
from gateway.exchange.inbound import PULLED
from gateway.exchange.paper import Paper
from gateway.exchange.pictures import Pictures, Policy
from gateway.exchange.scans import Scans
from gateway.model.identifiers import AccountId
from gateway.ports import Channel, Clock, Store
from gateway.scanning.clamd import Clamd
from gateway.scanning.folder import ScanFolder
from gateway.scanning.leafing import Leafing
from gateway.scanning.pictures import PictureReader
from gateway.scanning.process import Room
from gateway.scanning.reader import FileReader, Limits

_NEEDED: Final = {"pypdfium2": "pypdfium2", "PIL": "pillow", "zxingcpp": "zxing-cpp"}
NO_OPTICAL: Final = (
    "scan: tesseract is not installed, so pictures of text wait for a person; install tesseract-ocr and"
    " tesseract-ocr-swe, or name it in scan.tesseract"
)

NO_ANTIVIRUS: Final = "none: attachments and files of strangers are handed on unseen ([antivirus] names one)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSection:
    """The keys of ``[scan]``; config.toml explains each."""

    folder: Path | None = None
    account: str = ""
    language: str = "swe"
    second_language: str = "eng"
    tesseract: str = ""
    max_file: ByteSize = ByteSize(20_000_000)
    max_pages: int = 30
    max_pixels: int = 60_000_000
    memory_limit: ByteSize = ByteSize(768_000_000)
    time_limit: timedelta = timedelta(seconds=20)
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanning:
    """What is open: the intake for files, and the folder that is watched where one is named."""

    scans: Scans
    folder: ScanFolder | None
    leafing: Leafing = field(default_factory=Leafing)
    """Shows pages to a person, and cuts files."""

    async def watch(self) -> None:
        """Look after the folder and after what a dead reader left, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.scans.watch())
            if self.folder is not None:
                tasks.create_task(self.folder.watch())


def missing_parts() -> list[str]:
    """Packages of the extra that are not installed."""
    return [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]


def lacking(config: Config) -> list[str]:
    """What is asked for and cannot be done here, in words; nothing of it keeps the gateway from starting."""
    if config.scan is None:
        return []
    texts = []
    if missing := missing_parts():
        texts.append(f"scan: needs {', '.join(missing)}: pip install 'access-point-gateway[scan]'")
    if not (config.scan.get("tesseract") or shutil.which("tesseract")):
        texts.append(NO_OPTICAL)
    return texts


def open_clamd(config: Config) -> Clamd | None:
    """The virus scanner of ``[antivirus]``; None where none is named. Raises :class:`ConfigurationError`."""
    settings = config.antivirus
    if not settings.clamd:
        return None
    problems = []
    path, host, port = "", "", 0
    if settings.clamd.startswith("unix:"):
        path = str(config.base / settings.clamd.removeprefix("unix:"))
    else:
        try:
            address = read_address(settings.clamd)
            host, port = address.host, address.port
        except ValueError:
            text = 'must be "unix:" and the path of its socket, or host and port such as "127.0.0.1:3310"'
            problems.append(("antivirus.clamd", text))
    if settings.time_limit.total_seconds() < 1:
        problems.append(("antivirus.time_limit", "must be a second or more"))
    if settings.max_size < 1_000_000:
        problems.append(("antivirus.max_size", "must be 1 MB or more: whatever is larger goes to nobody"))
    if problems:
        raise ConfigurationError(problems)
    seconds = settings.time_limit.total_seconds()
    return Clamd(path=path, host=host, port=port, largest=settings.max_size, seconds=seconds)


def open_antivirus(config: Config, breakers: Breakers) -> Antivirus | None:
    """What shows files to it; None where none is named. Raises :class:`ConfigurationError`."""
    scanner = open_clamd(config)
    if scanner is None:
        return None
    return Antivirus(scanner=scanner, breakers=breakers, largest=scanner.largest)


def open_pictures(config: Config, store: Store, clock: Clock) -> Pictures | None:
    """What compares attached PDFs with their invoices; None where that is off, or ``auto`` and the extra is absent.

    Raises :class:`ConfigurationError`.
    """
    settings = config.attachments
    missing = missing_parts()
    if settings.differing == "off" or (settings.differing == "auto" and missing):
        return None
    problems = [
        (f"attachments.{name}", "must be 1 or more") for name in ("max_pages", "at_once") if getattr(settings, name) < 1
    ]
    if missing:
        text = f"needs {', '.join(missing)}: pip install 'access-point-gateway[scan]'"
        problems.append(("attachments.differing", text))
    if problems:
        raise ConfigurationError(problems)
    room = Room(seconds=max(1, int(settings.time_limit.total_seconds())))
    limits = Limits(octets=settings.max_file, pages=settings.max_pages, drawn=2, room=room, seconds=60.0)
    reader = PictureReader(limits=limits, at_once=asyncio.Semaphore(settings.at_once))
    policy: Policy = "flag" if settings.differing == "flag" else "hold"
    return Pictures(store=store, clock=clock, reader=reader, policy=policy, largest=settings.max_file)


def open_attachments(config: Config, store: Store, clock: Clock, antivirus: Antivirus | None) -> Attachments:
    """Everything that looks at files inside documents. Raises :class:`ConfigurationError`."""
    return Attachments(antivirus=antivirus, pictures=open_pictures(config, store, clock))


def open_scanning(
    config: Config,
    store: Store,
    clock: Clock,
    deliveries: Mapping[str, Channel],
    antivirus: Antivirus | None = None,
) -> Scanning | None:
    """Put it together; None where the configuration has no ``[scan]``. Raises :class:`ConfigurationError`."""
    if config.scan is None:
        return None
    settings = read_settings(ScanSection, config.scan, "scan", config.base)
    problems = _problems(settings)
    program = settings.tesseract or shutil.which("tesseract") or ""
    room = Room(memory=settings.memory_limit, seconds=max(1, int(settings.time_limit.total_seconds())))
    limits = Limits(octets=settings.max_file, pages=settings.max_pages, pixels=settings.max_pixels, room=room)
    reader = FileReader(
        limits=limits,
        language=settings.language,
        second_language=settings.second_language,
        program=program,
        at_once=asyncio.Semaphore(max(1, settings.at_once)),
    )
    pulled = {name: channel.name == PULLED for name, channel in deliveries.items()}
    paper = Paper(store=store, clock=clock, pulled=pulled)
    scans = Scans(store=store, reader=reader, paper=paper, clock=clock, antivirus=antivirus, largest=settings.max_file)
    folder = None
    if settings.folder is not None:
        named = AccountId(settings.account)

        async def account() -> AccountId | None:
            return named or await store.operation.operator()

        folder = ScanFolder(path=settings.folder, account=account, intake=scans, largest=settings.max_file)
        try:
            folder.prepare()
        except OSError as error:
            problems.append(("scan.folder", f"cannot be used: {error.strerror}"))
    if problems:
        raise ConfigurationError(problems)
    return Scanning(scans=scans, folder=folder, leafing=Leafing(limits=limits))


def _problems(settings: ScanSection) -> list[tuple[str, str]]:
    problems = []
    if missing := missing_parts():
        text = f"needs {', '.join(missing)}: pip install 'access-point-gateway[scan]'"
        problems.append(("scan", text))
    for name in ("max_pages", "max_pixels", "at_once"):
        if getattr(settings, name) < 1:
            problems.append((f"scan.{name}", "must be 1 or more"))
    if settings.memory_limit < 300_000_000:
        problems.append(("scan.memory_limit", "must be 300 MB or more: the readers themselves need 200"))
    if settings.tesseract and not Path(settings.tesseract).is_file():
        problems.append(("scan.tesseract", "there is no such program"))
    return problems
