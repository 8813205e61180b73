"""How programs that are not ours judge the gateway."""
