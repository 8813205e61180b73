"""The gateway and foreign access points, both ways over HTTP on loopback: ``python -m conformance.interop``.

``kit`` says where the foreign programs are, ``programs`` runs them, ``market`` starts the network and the gateway,
``peers`` speaks to each kit, ``inbound`` and ``outbound`` hold the cases, ``table`` counts and writes. ``tests/peers``
uses the first four.
"""
