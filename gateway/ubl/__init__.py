"""Business documents: UBL invoices and credit notes, the Peppol business envelope, the readable page.

Pure functions of octets and values; nothing here opens a file of the machine, a socket or a clock.
"""
