"""Document rules: EN 16931 and Peppol BIS Billing, judged natively in one walk over the document.

``tree`` is the document as rules see it, ``engine`` the walk, ``pack`` one release of a rule set as a value;
``en16931`` and ``peppol`` hold the rules, ``packs`` their tables and code lists. ``plans`` says what a pack checks at a
path, ``shapes`` what elements have in common, ``sieve`` which checks are left when that is known.
"""
