"""Measurements. Each prints the machine's RSA-2048 private operation of the same run, and ratios to it."""
