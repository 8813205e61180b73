"""A file is a plug-in: the modules of a package, found by name and imported only when they are asked for.

A new way to a customer is one new file in ``gateway/delivery``, a new fallback one in ``gateway/fallback``; each has
a function ``open_channel(settings, context) -> Channel`` that reads its own section of the configuration. Modules
with a leading underscore are parts of others. A package may hold ``SECTIONS``, configuration name to file name, where
the two differ.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from gateway.config import Patience, read_section
from gateway.errors import ConfigurationError
from gateway.model.message import Message
from gateway.ports import Channel, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelContext:
    """What every channel gets beside its settings."""

    base: Path
    """Relative paths of the settings start here."""
    clock: Clock
    describe: Callable[[Message], dict[str, object]]
    """The document object, as the API shows it."""
    section: str = ""
    """Where the channel's settings stand: ``email``, ``delivery.default``; :func:`open_channel` fills it in."""
    handovers: Path = Path("var/handovers")
    """Where channels remember what they have handed over, below ``base``; each has its own part of it."""

    def memory(self, channel: str) -> Path:
        """The directory in which this channel remembers its handovers."""
        return self.base / self.handovers / channel


def find_kinds(package: ModuleType) -> tuple[str, ...]:
    """The names by which the configuration can ask for the modules of a package, sorted; none is imported."""
    return tuple(sorted(_files(package)))


def open_channel(package: ModuleType, section: str, table: Mapping[str, object], context: ChannelContext) -> Channel:
    """Import the module that serves a section of the configuration and open its channel.

    A top section (``email``) names the module itself; a named one (``delivery.default``) has a key ``kind``.
    Raises ``ConfigurationError`` with every problem of the section, or for a kind that is not there.
    """
    files = _files(package)
    named = "." in section
    kind = str(table.get("kind", "")) if named else section
    if kind not in files:
        near = difflib.get_close_matches(kind, files, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(files))}"
        raise ConfigurationError([(f"{section}.kind" if named else section, f'"{kind[:60]}" is unknown; {hint}')])
    module = importlib.import_module(f"{package.__name__}.{files[kind]}")
    channel: Channel = module.open_channel(table, replace(context, section=section))
    return channel


def open_delivery(
    package: ModuleType, section: str, table: Mapping[str, object], context: ChannelContext
) -> tuple[Channel, Patience]:
    """Open a way to C4 as :func:`open_channel` does, and read how long it is tried: keys that each of them may have.

    Raises ``ConfigurationError`` with every problem of the section.
    """
    common = {field.name for field in dataclasses.fields(Patience)}
    problems: list[tuple[str, str]] = []
    wanted = {key: value for key, value in table.items() if key in common}
    patience = read_section(Patience, wanted, section, context.base, problems)
    if patience and not 0 < patience.first_retry.total_seconds() <= patience.retry_for.total_seconds():
        problems.append((f"{section}.retry_for", "must be longer than first_retry, and both above zero"))
    channel: Channel | None = None
    try:
        rest = {key: value for key, value in table.items() if key not in common}
        channel = open_channel(package, section, rest, context)
    except ConfigurationError as error:
        problems.extend(error.problems)
    if problems or channel is None or patience is None:
        raise ConfigurationError(problems)
    return channel, patience


def _files(package: ModuleType) -> dict[str, str]:
    """Configuration name to file name."""
    names = {m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")}
    sections: Mapping[str, str] = getattr(package, "SECTIONS", {})
    return {name: name for name in names.difference(sections.values())} | {
        section: file for section, file in sections.items() if file in names
    }
