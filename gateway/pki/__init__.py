"""Asks the authorities which certificates they have revoked, before anybody needs to know. [I/O]"""
