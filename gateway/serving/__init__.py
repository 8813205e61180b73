"""How the sites stand on the network: connections and their limits, TLS, and several processes side by side."""
