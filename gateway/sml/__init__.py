"""The SML: where the network is told which SMP knows which participant. SOAP, and nobody else here speaks it."""
