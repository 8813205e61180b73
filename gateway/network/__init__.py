"""A whole private market on loopback: authorities, SML zone, SMPs, gateways. For learning, tests and the demo."""
