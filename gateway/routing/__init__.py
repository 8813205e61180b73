"""Which way an invoice goes, and why: pure decisions over values, without clock, network or store.

=====================  ==========================================================================
``decision.py``        the outbound decision: what is asked, and what follows from the answer
``gates.py``           what the law asks of an invoice between these parties on this day, as dated data
``holding.py``         how long a vanished receiver is waited for, how long a refusing one is left alone
``matching.py``        whether the party on an invoice is the one in the register
``savings.py``         what a proposal saves, in money and in words
``letters.py``         what a supplier is written who could send e-invoices
``customer_file.py``   a register of customers or suppliers as CSV, in and out
``words.py``           a sentence in Swedish and English
=====================  ==========================================================================
"""
