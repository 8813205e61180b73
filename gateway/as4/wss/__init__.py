"""WS-Security for the one shape that the profile knows: one signature, one wrapped key, encrypted parts.

``signature.py`` reads and verifies, ``encryption.py`` opens, ``write.py`` signs and seals. Source: WS-Security 1.1.1,
SwA profile 1.1, XML Signature 1.1, XML Encryption 1.1, eDelivery AS4 1.14, Basic Security Profile 1.1.
"""
