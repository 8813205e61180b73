"""An access point gateway that sends and receives every invoice by the most electronic way.

Floors, top to bottom (ARCHITECTURE.md draws them): ``cli`` and ``web`` are the edges, ``app`` puts the parts
together, ``exchange`` is what an access point does, ``as4 smp ubl fallback delivery store`` are what it
speaks, ``security`` is what it believes, ``model`` is what it is about, ``errors`` is how it can fail.
"""

__version__ = "0.1.0"
