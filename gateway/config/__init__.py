"""The configuration: ``config.toml`` and the environment become one frozen :class:`Config`."""

from gateway.config.reading import load, read_section, read_settings
from gateway.config.sections import (
    Api,
    As4,
    Config,
    Network,
    Operator,
    Patience,
    Rules,
    Sending,
    Smp,
    StoreSection,
    SweepSection,
)
from gateway.config.values import Address, ByteSize

__all__ = [
    "Address",
    "Api",
    "As4",
    "ByteSize",
    "Config",
    "Network",
    "Operator",
    "Patience",
    "Rules",
    "Sending",
    "Smp",
    "StoreSection",
    "SweepSection",
    "load",
    "read_section",
    "read_settings",
]
