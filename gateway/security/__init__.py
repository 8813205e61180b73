"""What the gateway believes: safe XML, keys, certificates, signatures."""
