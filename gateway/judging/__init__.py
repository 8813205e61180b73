"""Official rule packs: the Schematron or XSLT that a standard's owner publishes, run as published.

A pack is read and checked (``reading``, ``reach``), a Schematron becomes XSLT (``schematron``), both are kept unchanged
on a shelf (``shelf``), and worker processes run them (``workers``, ``worker``), so that nothing in a pack or a document
can harm the gateway. ``judge`` joins them; ``comparing`` sets two judgements side by side.
"""
