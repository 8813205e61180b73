"""What the gateway is about: identifiers, documents, messages and their life. Standard library only."""
