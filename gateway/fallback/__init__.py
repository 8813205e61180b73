"""Ways to parties that the network cannot reach. Each file is one; its section of config.toml has its own keys."""

from typing import Final

SECTIONS: Final = {"email": "mailing", "print": "printing"}
"""Section of config.toml to file, where the names differ."""
