"""Puts the channels' common parts (``tests/channel_parts.py``) within reach, however pytest is started."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
