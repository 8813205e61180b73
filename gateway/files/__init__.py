"""Files that survive a crash, and the memory of what was handed over. Every floor above may use it."""

from gateway.files.durable import (
    UNFINISHED,
    make_directory,
    publish_directory,
    remove_leftovers,
    safe_name,
    unfinished_name,
    write_durably,
)
from gateway.files.handovers import Handovers
from gateway.files.spool import Spool

__all__ = [
    "UNFINISHED",
    "Handovers",
    "Spool",
    "make_directory",
    "publish_directory",
    "remove_leftovers",
    "safe_name",
    "unfinished_name",
    "write_durably",
]
