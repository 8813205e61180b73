"""Small patches that each break one promise, and the proof that the suite turns red for every one of them."""
