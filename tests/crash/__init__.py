"""The crash campaign: a gateway that is killed again and again, and ledgers outside it that must still agree."""
