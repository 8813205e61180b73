"""The relation search on the network: who is where, and our own answer when others ask the same of us."""
